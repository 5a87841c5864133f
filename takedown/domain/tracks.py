"""The tracks of law that a notice can take, as data: what each asks for, its course, its dates, its letters.

Decides nothing by itself: `states` walks the courses, `completeness` holds papers against the elements, `deadlines`
counts the terms, and the service writes the letters. A further track is a further entry of `TRACKS`.

Sources: 17 U.S.C. 512; Regulation (EU) 2022/2065 (DSA), articles 16, 17, 20, 21 and 23; TAKE IT DOWN Act, Pub. L.
119-12, section 3 (47 U.S.C. 223a).
"""

from collections.abc import Mapping
from dataclasses import replace

from takedown.domain.completeness import Element, Statement
from takedown.domain.courses import (
    BOTH_SIDES,
    COMPLAINT_COURSE,
    COMPLAINT_LETTERS,
    COUNTER_LETTERS,
    COURT_ACTION_BY,
    LETTERS,
    RESTORE_NOT_AFTER,
    RESTORE_NOT_BEFORE,
    RESTORED_ON_COMPLAINT,
    RESTORED_UNDER_OATH,
    SWORN_COURSE,
    complaint_terms,
    opening_terms,
    reasons_with,
    telling_terms,
)
from takedown.domain.deadlines import DeadlineName, Term
from takedown.domain.states import State
from takedown.domain.track import Reason, Track, TrackName

# -- statements ----------------------------------------------------------------------------------

_GOOD_FAITH = Statement(
    name="good_faith",
    version=1,
    text="I believe in good faith that the use of the material described in this notice is not "
    "authorized by the copyright owner, by the owner's agent, or by the law.",
    fields=("good_faith",),
)
_ACCURACY_AND_AUTHORITY = Statement(
    name="accuracy_and_authority",
    version=1,
    text="The information in this notice is accurate. Under penalty of perjury, I declare that I am "
    "the owner of an exclusive right that is said to be infringed, or am authorized to act on "
    "behalf of that owner.",
    fields=("accuracy_under_penalty_of_perjury", "authority"),
    perjury=True,
)
_MISTAKE = Statement(
    name="mistake_or_misidentification",
    version=1,
    text="Under penalty of perjury, I declare that I believe in good faith that the material was "
    "removed or disabled as a result of a mistake or because it was misidentified.",
    fields=("mistake_under_penalty_of_perjury",),
    perjury=True,
)
_CONSENT_TO_JURISDICTION = Statement(
    name="consent_to_jurisdiction",
    version=1,
    text="I consent to the jurisdiction of the federal district court for the judicial district of my "
    "address or, if my address is outside the United States, of any judicial district in which the "
    "service provider may be found. I will accept service of process from the person who gave the "
    "notice, or from an agent of that person.",
    fields=("consent_to_jurisdiction", "accept_service"),
)
_BONA_FIDE = Statement(
    name="bona_fide",
    version=1,
    text="I believe in good faith that the information and the allegations in this notice are accurate and complete.",
    fields=("bona_fide",),
)
_WITHOUT_CONSENT_INTIMATE = Statement(
    name="intimate_depiction_without_consent",
    version=1,
    text="I believe in good faith that the intimate visual depiction identified in this request was published "
    "without the consent of the person whom it shows. I am that person, or am authorized to act for them.",
    fields=("without_consent",),
)
_WITHOUT_CONSENT_LIKENESS = Statement(
    name="likeness_without_consent",
    version=1,
    text="I believe in good faith that the material uses or imitates the voice or the likeness of the person named in "
    "this notice, and that neither that person, nor anybody who may speak for them, nor the law allows this use.",
    fields=("without_consent",),
)
_AUTHORITY_LIKENESS = Statement(
    name="likeness_authority",
    version=1,
    text="I am the person named in this notice, or am authorized to act for them. What I state here is accurate.",
    fields=("authority",),
)

_OWN_COMPLAINT = "the operator's own term for complaints"

# -- the tracks ----------------------------------------------------------------------------------

_A = "17 U.S.C. 512(c)(3)(A)"
_SIGNATURE = Element(
    name="signature",
    reference=f"{_A}(i)",
    what_to_supply="Sign the notice: type the full name of the rights owner, or of the person authorized to act for "
    "them.",
    needs=(("signature",),),
)
_MATERIAL = Element(
    name="material",
    reference=f"{_A}(iii)",
    what_to_supply="Say which material should come down and where it is: its address (URL) or its release id.",
    needs=(("material",),),
    indispensable=True,
)
_CONTACT = Element(
    name="contact",
    reference=f"{_A}(iv)",
    what_to_supply="Give a way to reach you: postal address, telephone number or e-mail address, and your name.",
    # The statute's list of means opens with "such as": one that works is enough to reach a person.
    needs=(("contact_address", "contact_telephone", "contact_email"),),
    indispensable=True,
)

_COPYRIGHT = Reason(
    code="copyright_infringement", title="Infringes a copyright or a related right", law="17 U.S.C. 501(a)"
)  # fmt: skip
_COPYRIGHT_EU = replace(_COPYRIGHT, law="Directive 2001/29/EC, articles 2 to 4, as national law has it")

_DMCA_512 = Track(
    name=TrackName.DMCA_512,
    title="Copyright notice (United States)",
    statute="17 U.S.C. 512(c)",
    # With the indispensable three the operator must help the claimant to supply the rest; without one of them the
    # notice counts for nothing (512(c)(3)(B)).
    elements=(
        _SIGNATURE,
        Element(
            name="work",
            reference=f"{_A}(ii)",
            what_to_supply="Say which copyrighted work was copied; if there are several, a representative list is "
            "enough.",
            needs=(("work_description", "work_ids"),),
            indispensable=True,
        ),
        _MATERIAL,
        _CONTACT,
        Element(
            name="good_faith",
            reference=f"{_A}(v)",
            what_to_supply="State your good-faith belief that neither the owner, nor the owner's agent, nor the law "
            "allows this use.",
            needs=(("good_faith",),),
        ),
        Element(
            name="accuracy_and_authority",
            reference=f"{_A}(vi)",
            what_to_supply="State that the notice is accurate and, under penalty of perjury, that you may act for "
            "the rights owner.",
            needs=(("accuracy_under_penalty_of_perjury",), ("authority",)),
        ),
    ),
    statements=(_GOOD_FAITH, _ACCURACY_AND_AUTHORITY),
    # The statute sets no element apart here: an incomplete counter-notice is never defective, it waits to be completed.
    counter_elements=(
        Element(
            name="signature",
            reference="17 U.S.C. 512(g)(3)(A)",
            what_to_supply="Sign the counter-notice: type your full name.",
            needs=(("signature",),),
        ),
        Element(
            name="material",
            reference="17 U.S.C. 512(g)(3)(B)",
            what_to_supply="Say which material was removed or disabled, and where it could be found before that.",
            needs=(("material",), ("former_locations",)),
        ),
        Element(
            name="mistake_or_misidentification",
            reference="17 U.S.C. 512(g)(3)(C)",
            what_to_supply="State under penalty of perjury your good-faith belief that the takedown is a mistake or "
            "misidentification.",
            needs=(("mistake_under_penalty_of_perjury",),),
        ),
        Element(
            name="contact_and_consent",
            reference="17 U.S.C. 512(g)(3)(D)",
            what_to_supply="Give name, address and telephone number; consent to the federal court and to service of "
            "process.",
            needs=(("name",), ("address",), ("telephone",), ("consent_to_jurisdiction",), ("accept_service",)),
        ),
    ),
    counter_statements=(_MISTAKE, _CONSENT_TO_JURISDICTION),
    transitions=SWORN_COURSE,
    terms={
        **opening_terms("17 U.S.C. 512(c)(1)(C), expeditiously"),
        **telling_terms("17 U.S.C. 512(g)(2)(A), promptly"),
        State.FORWARDED: (COURT_ACTION_BY, RESTORE_NOT_BEFORE, RESTORE_NOT_AFTER),
        **complaint_terms(
            _OWN_COMPLAINT, _OWN_COMPLAINT, statutory=False, states=(State.DECLINED, State.REJECTED_ABUSE)
        ),
    },
    letters={**LETTERS, **COUNTER_LETTERS, **COMPLAINT_LETTERS},
    reasons=reasons_with(_COPYRIGHT, restored=RESTORED_UNDER_OATH),
)

_DSA_16 = Track(
    name=TrackName.DSA_16,
    title="Notice of illegal content (European Union)",
    statute="Regulation (EU) 2022/2065, art. 16",
    # Nothing is indispensable: every notice is processed (art. 16(6)), and who left something out is asked for it.
    elements=(
        Element(
            name="explanation",
            reference="DSA art. 16(2)(a)",
            what_to_supply="Explain, with your reasons, why the material is illegal.",
            needs=(("explanation",),),
        ),
        replace(
            _MATERIAL,
            name="location",
            reference="DSA art. 16(2)(b)",
            what_to_supply="Give the exact address (URL) of the material, or its release id.",
            indispensable=False,
        ),
        Element(
            name="contact",
            reference="DSA art. 16(2)(c)",
            what_to_supply="Give your name and your e-mail address.",
            needs=(("contact_name",), ("contact_email",)),
        ),
        Element(
            name="bona_fide",
            reference="DSA art. 16(2)(d)",
            what_to_supply="State your good-faith belief that what you say is accurate and complete.",
            needs=(("bona_fide",),),
        ),
    ),
    statements=(_BONA_FIDE,),
    transitions=COMPLAINT_COURSE,
    terms={
        **opening_terms("DSA art. 16(6), in a timely manner"),
        **telling_terms("DSA art. 17(2), at the latest from the date that the restriction is imposed"),
        **complaint_terms(
            "DSA art. 20(1), six months", "DSA art. 20(4), in a timely manner", statutory=True, states=BOTH_SIDES
        ),
    },
    letters={**LETTERS, **COMPLAINT_LETTERS},
    reasons=reasons_with(
        _COPYRIGHT_EU,
        Reason(
            code="personality_right",
            title="Infringes a person's right to their image, voice or data",
            law="Regulation (EU) 2016/679, article 6, and national law on personality rights",
        ),
        Reason(
            code="incompatible_with_terms", title="Is not allowed by the operator's terms", law="The operator's terms"
        ),
        restored=RESTORED_ON_COMPLAINT,
    ),
)

_ACT = "TAKE IT DOWN Act sec. 3, 47 U.S.C. 223a"
_REMOVE_BY = Term(
    name=DeadlineName.REMOVE_BY,
    since=None,
    hours=48,
    basis=f"{_ACT}(a)(3)",
    statutory=True,
    is_duty=True,
)
_OPERATORS_OWN = "the operator's own target"
_TAKE_IT_DOWN = Track(
    name=TrackName.TAKE_IT_DOWN,
    title="Removal of an intimate depiction (United States)",
    statute="TAKE IT DOWN Act, Pub. L. 119-12, sec. 3 (47 U.S.C. 223a)",
    elements=(
        replace(
            _SIGNATURE,
            reference=f"{_ACT}(a)(1)(B)(i)",
            what_to_supply="Sign the request: type your full name, or that of the person authorized to act for you.",
        ),
        replace(
            _MATERIAL,
            reference=f"{_ACT}(a)(1)(B)(ii)",
            what_to_supply="Say which depiction it is and where it can be found: its address (URL) or its release id.",
        ),
        Element(
            name="without_consent",
            reference=f"{_ACT}(a)(1)(B)(iii)",
            what_to_supply="State your good-faith belief that the depiction was published without consent; add what "
            "shows it.",
            needs=(("without_consent",),),
        ),
        replace(
            _CONTACT,
            reference=f"{_ACT}(a)(1)(B)(iv)",
            what_to_supply="Give a way to reach you: e-mail address, telephone number or postal address.",
        ),
    ),
    statements=(_WITHOUT_CONSENT_INTIMATE,),
    transitions=COMPLAINT_COURSE,
    # The clock runs from the receipt of a complete request, whatever the operator still looks into.
    terms={
        State.SUBMITTED: (_REMOVE_BY,),
        State.EMAIL_CONFIRMED: (_REMOVE_BY,),
        State.TRIAGE: (_REMOVE_BY,),
        State.CURE_REQUESTED: opening_terms(_OPERATORS_OWN)[State.CURE_REQUESTED],
        State.VALID: (_REMOVE_BY,),
        **telling_terms(_OPERATORS_OWN),
        **complaint_terms(_OWN_COMPLAINT, _OWN_COMPLAINT, statutory=False, states=BOTH_SIDES),
    },
    letters={**LETTERS, **COMPLAINT_LETTERS},
    reasons=reasons_with(
        Reason(
            code="intimate_depiction",
            title="An intimate depiction, published without consent",
            law="47 U.S.C. 223(h), 223a",
        ),
        restored=RESTORED_ON_COMPLAINT,
    ),
    finds_identical_copies=True,
    is_put_back_by_reviewer=True,
    is_suspendable=False,  # the Act knows no misuse that would suspend the duty
)

_POLICY = "the operator's policy on voice and likeness (cf. Tenn. Code Ann. 47-25-1105, N.Y. Civ. Rights Law 50-f)"
_LIKENESS = Track(
    name=TrackName.LIKENESS,
    title="Voice or likeness of a person",
    statute=_POLICY,
    elements=(
        replace(_SIGNATURE, reference=_POLICY, what_to_supply="Sign the notice: type your full name."),
        Element(
            name="person",
            reference=_POLICY,
            what_to_supply="Say whose voice or likeness it is: the person's name, or the id of their registered work.",
            needs=(("depicted_person", "work_ids"),),
            indispensable=True,
        ),
        replace(_MATERIAL, reference=_POLICY),
        replace(_CONTACT, reference=_POLICY),
        Element(
            name="without_consent",
            reference=_POLICY,
            what_to_supply="State your good-faith belief that the person did not allow this use, nor does the law.",
            needs=(("without_consent",),),
        ),
        Element(
            name="authority",
            reference=_POLICY,
            what_to_supply="State that you are that person or may act for them, and that what you say is accurate.",
            needs=(("authority",),),
        ),
    ),
    statements=(_WITHOUT_CONSENT_LIKENESS, _AUTHORITY_LIKENESS),
    transitions=COMPLAINT_COURSE,
    terms={
        **opening_terms(_OPERATORS_OWN),
        **telling_terms(_OPERATORS_OWN),
        **complaint_terms(_OWN_COMPLAINT, _OWN_COMPLAINT, statutory=False, states=BOTH_SIDES),
    },
    letters={**LETTERS, **COMPLAINT_LETTERS},
    reasons=reasons_with(
        Reason(code="voice_or_likeness", title="Uses or imitates a person's voice or likeness without their consent"),
        restored=RESTORED_ON_COMPLAINT,
    ),
)

TRACKS: Mapping[TrackName, Track] = {
    track.name: track for track in (_DMCA_512, _DSA_16, _TAKE_IT_DOWN, _LIKENESS)
}  # fmt: skip
