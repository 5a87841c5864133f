"""The gate of a pipeline: one answer to "may this clip go out?", closed unless a check says clear.

What is not known is held: an unknown verdict, one that did not come in time, a service that is down or answers
nonsense, a file that cannot be read. There is no setting that lets such a clip pass.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from clearmark.client.results import Check

type OnUnknown = Literal["hold", "raise"]


class Decision(StrEnum):
    """What to do with a clip: let it out; keep it until somebody or something decides; never let it out."""

    RELEASE = "release"
    HOLD = "hold"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What to do with one clip, and why. It is true only when the clip may go out.

    Attributes:
        why: a sentence for the log of the pipeline.
        is_known: False where no verdict was reached, so that asking again may help.
        check: the check behind it; None when none was made.
        error: what stood in the way of a verdict; None when nothing did.
    """

    decision: Decision
    why: str
    is_known: bool = True
    check: Check | None = None
    error: Exception | None = None

    def __bool__(self) -> bool:
        return self.decision is Decision.RELEASE


def judge(check: Check) -> Gate:
    """What a check comes to. Only `clear`, and a review that a person approved, open the gate."""
    why, decision = _reasons(check), check.get("decision")
    decided = decision.get("decision", decision) if isinstance(decision, dict) else decision
    match check.get("status"), check.get("verdict"), decided:
        case "done", "clear", None:
            return Gate(decision=Decision.RELEASE, why=why, check=check)
        case "done", "review", "approve":
            return Gate(decision=Decision.RELEASE, why="A reviewer approved it.", check=check)
        case "done", "review", "reject":
            return Gate(decision=Decision.REFUSE, why="A reviewer rejected it.", check=check)
        case "done", "review", _:
            return Gate(decision=Decision.HOLD, why=f"It waits for a reviewer. {why}", check=check)
        case "done", "block", _:
            return Gate(decision=Decision.REFUSE, why=why, check=check)
        case "done", _, _:
            return Gate(decision=Decision.HOLD, why=f"It is not known. {why}", is_known=False, check=check)
    return Gate(decision=Decision.HOLD, why="There is no verdict yet.", is_known=False, check=check)


def _reasons(check: Check) -> str:
    """In sentences; what is no reason at all must not stand in the way of keeping the gate shut."""
    try:
        return " ".join(reason["message"] for reason in check["reasons"]) or "No reason was given."
    except (KeyError, TypeError):
        return "The reasons cannot be read."
