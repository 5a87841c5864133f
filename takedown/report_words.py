"""The words of the transparency report, and how a language writes its numbers.

English stands here and in `pages/report.html.j2`, marked to be found by who translates; whoever shows the report says
how another language puts it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from babel.dates import format_date
from babel.numbers import format_decimal, format_percent

from takedown.domain.transparency import Share

NOTHING: Final = "–"


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for it
    """A text that is translated where it is shown."""
    return text


LABELS: Final[Mapping[str, Mapping[str, str]]] = {
    "track": {
        "dmca_512": N_("DMCA"), "dsa_16": N_("DSA"), "take_it_down": N_("Take It Down"), "likeness": N_("Likeness"),
    },
    "tier": {
        "trusted_flagger": N_("Trusted flagger"), "vetted": N_("Vetted"), "domain": N_("Domain"),
        "email": N_("E-mail"), "unverified": N_("Unverified"), "anonymous": N_("Anonymous"),
    },
    "outcome": {
        "open": N_("Not decided yet"), "cure_pending": N_("Claimant asked to complete it"),
        "defective": N_("Defective"), "declined": N_("Declined"), "rejected_abuse": N_("Rejected as abuse"),
        "retracted": N_("Retracted"), "disabled": N_("Disabled"), "held": N_("Disabled, before a court"),
        "restored": N_("Restored"), "complaint_pending": N_("Complaint pending"),
    },
    "action": {
        "disabled": N_("Material disabled"), "declined": N_("Notices declined"),
        "rejected_abuse": N_("Notices rejected as abuse"), "retracted": N_("Notices retracted"),
        "counter_notices": N_("Counter-notices received"), "court_actions": N_("Court actions reported"),
        "restored": N_("Material restored"), "complaints_received": N_("Complaints received"),
        "complaints_granted": N_("Complaints granted"), "complaints_rejected": N_("Complaints rejected"),
    },
    "ground": {
        "law": N_("Disabled on the ground of law"), "terms": N_("Disabled under the terms of service"),
    },
    "side": {"claimant": N_("The claimant complained"), "uploader": N_("The uploader complained")},
    "timing": {
        "complete_to_decision": N_("From the complete notice to the decision, in hours"),
        "submit_to_first_decision": N_("From submission to the first decision, in hours"),
        "complaint_to_decision": N_("From a complaint to its decision, in hours"),
    },
    "way": {
        "counter_notice": N_("After a counter-notice"), "complaint": N_("After a complaint"),
        "dispute": N_("By another body’s decision"), "retraction": N_("The notice retracted"),
        "rejection": N_("The notice rejected as abuse"),
    },
    "restored": {
        "counter_notice": N_("Restored, after a counter-notice"), "complaint": N_("Restored, after a complaint"),
        "dispute": N_("Restored, by another body’s decision"), "retraction": N_("Restored, the notice retracted"),
        "rejection": N_("Restored, the notice rejected as abuse"),
    },
    "strike": {"claimant": N_("Strikes against claimants"), "uploader": N_("Strikes against uploaders")},
}  # fmt: skip


def _english(text: str, **values: object) -> str:
    return text % values if values else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Tongue:
    """A language: `say` puts a text in it and fills in its `%(name)s`, `locale` is how babel calls it."""

    say: Callable[..., str] = _english
    locale: str = "en"

    def label(self, kind: str, key: str) -> str:
        """What a stored value is called."""
        return self.say(LABELS[kind].get(key) or key.replace("_", " "))

    def number(self, value: float) -> str:
        return str(format_decimal(value, "#,##0", locale=self.locale))

    def hours(self, value: float | None) -> str:
        return NOTHING if value is None else str(format_decimal(round(value, 2), "#,##0.00", locale=self.locale))

    def tenths(self, value: float) -> str:
        return str(format_decimal(round(value, 1), "#,##0.0", locale=self.locale))

    def percent(self, share: Share) -> str:
        if share.share_0_1 is None:
            return NOTHING
        return str(format_percent(round(share.share_0_1, 3), "#,##0.0%", locale=self.locale))

    def month(self, key: str) -> str:
        """A month as figures name it, 2026-01."""
        return str(format_date(date.fromisoformat(f"{key}-01"), "MMM y", locale=self.locale))

    def day(self, at: datetime) -> str:
        return str(format_date(at, "d MMMM y", locale=self.locale))


ENGLISH: Final = Tongue()
