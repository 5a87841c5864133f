"""Samples of letters: made-up facts that each can be shown with, before anybody is written to.

Decides nothing about a real notice. Names and addresses are of nobody; the key of the sample opens nothing.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from takedown.letter_facts import (
    Complaint,
    Confirmation,
    CounterNotice,
    Decision,
    Due,
    Escalation,
    LetterFacts,
    Links,
    MissingItem,
    Operator,
    Restoration,
    Side,
    Strikes,
)
from takedown.letters import TRACKS_OF, LetterName

_SAMPLE_DECISION: Final = Decision(
    reason="Copies a work without the consent of its owner",
    code="copyright_infringement",
    words="Both clips were watched from beginning to end.\nThey show what the notice says.",
    fair_use_considered=True,
    law="17 U.S.C. 106(1)",
    explanation="Nothing shows that the use was allowed.",
)
_SAMPLE_DECLINED: Final = Decision(
    reason="Cannot be seen to infringe", code="not_infringing", words="The clips show another film."
)
_SAMPLE_ABUSE: Final = Decision(
    reason="Filed in bulk without looking at the material", code="mass_filing", words="The same text came 900 times."
)
_SAMPLE_RESTORED: Final = Decision(
    reason="The complaint is granted", code="complaint_granted", words="The clips show another film."
)
_SAMPLE_DUE: Final = Due(title="Decision", day=date(2026, 3, 4), basis="17 U.S.C. 512(c)(1)(C)", statutory=False)
_SAMPLE: Final = LetterFacts(
    notice_id="ntc_0example",
    track="dmca_512",
    track_title="Copyright notice (United States)",
    statute="17 U.S.C. 512(c)",
    filed_on=date(2026, 3, 2),
    operator=Operator(name="Example Video", url="https://video.example", email="notices@video.example"),
    links=Links(
        notice="https://video.example/v1/notices/ntc_0example",
        counter_notice="https://video.example/v1/notices/ntc_0example/counter-notice",
        complaint="https://video.example/v1/notices/ntc_0example/complaint",
        access_token="made-up-key-of-a-sample",  # noqa: S106  opens nothing: previews show it
    ),
    recipient=Side.CLAIMANT,
    recipient_name="Ada Example",
    claimant_name="Ada Example",
    work="The film “Carphone”, 2019",
    material=("https://video.example/clips/41", "https://video.example/clips/42"),
    decision=_SAMPLE_DECISION,
    deadlines=(_SAMPLE_DUE,),
    restoration=Restoration.COUNTER_NOTICE,
    strikes=Strikes(count=1, threshold=3, expires_on=date(2026, 9, 2)),
    suspended_until=date(2026, 5, 1),
)
_SAMPLE_TRACKS: Final = {
    "dsa_16": (
        "Notice of illegal content (European Union)",
        "Regulation (EU) 2022/2065, art. 16",
        "Directive 2001/29/EC, art. 2",
    ),
    "take_it_down": ("Intimate image (United States)", "Pub. L. 119-12, sec. 3", "47 U.S.C. 223a"),
    "likeness": ("Voice or likeness", "Policy on voices and likenesses", "Section 2 of the policy"),
}
_SAMPLE_REASONS: Final = {
    "dsa_16": ("Infringes copyright", "copyright_infringement"),
    "take_it_down": ("An intimate depiction, published without consent", "intimate_depiction"),
    "likeness": ("Uses or imitates somebody's voice or likeness without consent", "voice_or_likeness"),
}
_SAMPLE_MISSING: Final = (
    MissingItem(what_to_supply="Sign it: type your full name.", reference="17 U.S.C. 512(c)(3)(A)(i)"),
    MissingItem(what_to_supply="Say how you can be reached.", reference="17 U.S.C. 512(c)(3)(A)(iv)"),
)
_SAMPLE_COUNTER: Final = CounterNotice(
    received_on=date(2026, 3, 9),
    name="Bo Example",
    address="2 Side Street, Springfield",
    telephone="+1 555 0101",
    signature="Bo Example",
    material=("clip 41",),
    former_locations=("https://video.example/clips/41",),
    statements=("The material was disabled by mistake.", "I consent to the jurisdiction of the court."),
)
_SAMPLE_COMPLAINT: Final = Complaint(
    by=Side.UPLOADER, received_on=date(2026, 3, 10), text="Please look again: this is a mistake."
)
# What one letter says and most others don't.
_SAMPLE_OF: Final[Mapping[LetterName, Mapping[str, Any]]] = {
    LetterName.CONFIRM_ADDRESS: {
        "confirmation": Confirmation(code="482913", expires_at=datetime(2026, 3, 2, 15, 30, tzinfo=UTC)),
        "links": replace(_SAMPLE.links, access_token=None),
    },
    LetterName.CURE_REQUESTED: {"missing": _SAMPLE_MISSING},
    LetterName.NOTICE_DEFECTIVE: {"missing": _SAMPLE_MISSING},
    LetterName.DECLINED_CLAIMANT: {"decision": _SAMPLE_DECLINED},
    LetterName.REJECTED_ABUSE: {"decision": _SAMPLE_ABUSE},
    LetterName.RESTORED_CLAIMANT: {"decision": _SAMPLE_RESTORED},
    LetterName.RESTORED_UPLOADER: {"decision": _SAMPLE_RESTORED},
    LetterName.IDENTICAL_COPY_UPLOADER: {"links": replace(_SAMPLE.links, complaint=None, access_token=None)},
    LetterName.COUNTER_INCOMPLETE: {"missing": _SAMPLE_MISSING, "recipient": Side.UPLOADER},
    LetterName.COUNTER_RECEIVED: {"counter": _SAMPLE_COUNTER, "recipient": Side.UPLOADER},
    LetterName.COUNTER_FORWARDED: {"counter": _SAMPLE_COUNTER},
    LetterName.COMPLAINT_RECEIVED: {"complaint": _SAMPLE_COMPLAINT, "recipient": Side.UPLOADER},
    LetterName.COMPLAINT_DECIDED: {
        "complaint": replace(
            _SAMPLE_COMPLAINT, granted=True, reason="The complaint is granted", words="It is as they say."
        ),
        "recipient": Side.UPLOADER,
    },
    LetterName.ESCALATION: {
        "escalation": Escalation(title="Decision", day=date(2026, 3, 4), left=timedelta(hours=30)),
        "recipient": Side.OPERATOR,
    },
}


def _sample_decision(track: str, law: str) -> Decision:
    """A decision to disable; on dsa_16 automated means found the material, so that both can be seen."""
    reason, code = _SAMPLE_REASONS[track]
    found = track == "dsa_16"
    return replace(
        _SAMPLE_DECISION, reason=reason, code=code, automated_detection=found, fair_use_considered=None, law=law
    )


def sample(name: LetterName, *, track: str | None = None) -> LetterFacts:
    """Made-up facts that a letter can be shown with; on its first track unless one is named."""
    track = track or TRACKS_OF[name][0]
    facts = replace(_SAMPLE, **_SAMPLE_OF.get(name, {}))
    if name.endswith("_uploader"):
        facts = replace(facts, recipient=Side.UPLOADER)
    if facts.recipient is not Side.CLAIMANT:
        facts = replace(facts, recipient_name="Bo Example" if facts.recipient is Side.UPLOADER else "Example Video")
    if track in _SAMPLE_TRACKS:
        title, statute, law = _SAMPLE_TRACKS[track]
        facts = replace(facts, track=track, track_title=title, statute=statute)
        if facts.decision == _SAMPLE_DECISION:
            facts = replace(facts, decision=_sample_decision(track, law))
        facts = replace(facts, restoration=Restoration.COMPLAINT_GRANTED, deadlines=(replace(_SAMPLE_DUE, basis=law),))
    elif facts.decision == _SAMPLE_RESTORED:  # time brought it about, and nobody's decision
        facts = replace(facts, decision=None)
    elif facts.complaint:  # an uploader sends a counter-notice there
        complaint = replace(facts.complaint, by=Side.CLAIMANT)
        facts = replace(facts, complaint=complaint, recipient=Side.CLAIMANT, recipient_name="Ada Example")
    return facts
