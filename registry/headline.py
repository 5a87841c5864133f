"""Headline: what is said of a file before all else, in one sentence.

Decides which of a verification's facts comes first, which are said beside it, and where each is told in full. It has
no words, and no score: that a file is genuine, or is not, is never what it says.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from provenance.authority import DEVELOPMENT_TRUST_URI
from provenance.model import IntegrityState, SignerState
from registry.models import ReleaseState
from registry.verifications import NOT_ASKED

_UNSUPPORTED: Final = "clearmark.container.unsupported"
_CONTENT_CHANGED: Final = re.compile(r"assertion\.(bmff|data|boxes|collection|multiAsset)Hash\.mismatch")


class Looked(StrEnum):
    """Whether the registry was asked about what the file shows."""

    YES = "yes"
    NOT_ASKED = "not_asked"
    COULD_NOT = "could_not"


class Kind(StrEnum):
    """What comes first."""

    CHANGED = "changed"
    BROKEN = "broken"
    REVOKED = "revoked"
    TAKEN_DOWN = "taken_down"
    CERTIFICATE_REVOKED = "certificate_revoked"
    CERTIFICATE_EXPIRED = "certificate_expired"
    SIGNER_UNKNOWN = "signer_unknown"
    AS_SIGNED = "as_signed"
    RECOVERED_REVOKED = "recovered_revoked"
    RECOVERED_TAKEN_DOWN = "recovered_taken_down"
    RECOVERED = "recovered"
    COPIES = "copies"
    UNREADABLE = "unreadable"
    ELSEWHERE = "elsewhere"
    NOT_LOOKED = "not_looked"
    COULD_NOT_LOOK = "could_not_look"
    NOTHING = "nothing"


class Beside(StrEnum):
    """What is said right beside it, where it holds and the headline does not say it."""

    MADE_WITH_AI = "made_with_ai"
    PART_CHANGED = "part_changed"
    RECOGNISED = "recognised"
    TAKEN_DOWN = "taken_down"
    REVOKED = "revoked"
    COPIES = "copies"
    CREDENTIALS_UNREADABLE = "credentials_unreadable"
    CREDENTIALS_ELSEWHERE = "credentials_elsewhere"
    TEST_CERTIFICATE = "test_certificate"
    NOT_LOOKED = "not_looked"


class Place(StrEnum):
    """Where a fact is told in full."""

    INTEGRITY = "integrity"
    SIGNER = "signer"
    RELEASE = "release"
    RECOVERED = "recovered"
    WORKS = "works"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What of a verification decides the headline.

    Attributes:
        content_changed: whether, of what fails, something says that the media itself is another one.
        release: state of the release whose very credentials were read.
        recovered: state of the release that the file comes from most.
        recognises_another: whether a release was recognised whose credentials are not the file's.
        copies: whether registered works were found.
        part_changed: whether something that went into the file, at whatever depth, is not as it was signed.
        test_certificate: whether the signer's certificate is one that this service made for itself.
    """

    integrity: IntegrityState
    content_changed: bool = False
    signer: SignerState = SignerState.NONE
    release: ReleaseState | None = None
    recovered: ReleaseState | None = None
    recognises_another: bool = False
    copies: bool = False
    looked: Looked = Looked.YES
    ai_generated: bool | None = None
    part_changed: bool = False
    test_certificate: bool = False

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Facts":
        """The facts in a verification as the API tells it."""
        integrity = IntegrityState(answer["integrity"]["state"])
        codes = [failure["code"] for failure in answer["integrity"]["failures"]]
        if _UNSUPPORTED in codes:
            integrity = IntegrityState.ABSENT  # nothing is damaged: such a file has none
        release, recovered = answer["release"], answer["recovered"]
        own = release["release_id"] if release else None
        carried = integrity is IntegrityState.INTACT
        ai_generated = answer["ai_generated"] if carried or not recovered else recovered[0]["manifest"]["ai_generated"]
        return cls(
            integrity=integrity,
            content_changed=any(map(_CONTENT_CHANGED.fullmatch, codes)),
            signer=SignerState(answer["signer"]["state"]),
            release=ReleaseState(release["state"]) if release else None,
            recovered=ReleaseState(recovered[0]["state"]) if recovered else None,
            recognises_another=any(one["release_id"] != own for one in recovered),
            copies=bool(answer["registry_matches"]),
            looked=_looked(answer["fingerprint_problem"]),
            ai_generated=ai_generated,
            part_changed=_has_changed(answer["ingredients"]),
            test_certificate=answer["signer"]["trust_list"] == DEVELOPMENT_TRUST_URI,
        )

    @property
    def intact(self) -> bool:
        return self.integrity is IntegrityState.INTACT


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """What to say first, what beside it, and the places where what led to it is told."""

    kind: Kind
    beside: tuple[Beside, ...] = ()
    led_by: tuple[Place, ...] = ()


def headline(facts: Facts) -> Headline:
    """Say what comes first: the first rule that holds."""
    kind, led_by = next((kind, led_by) for kind, holds, led_by in _RULES if holds(facts))
    return Headline(kind=kind, beside=tuple(one for one in Beside if _BESIDE[one](facts, kind)), led_by=led_by)


# What is wrong with credentials comes before what they say, and what they say before what is recognised without them.
_RULES: Final[tuple[tuple[Kind, Callable[[Facts], bool], tuple[Place, ...]], ...]] = (
    (Kind.CHANGED, lambda f: f.integrity is IntegrityState.INVALID and f.content_changed, (Place.INTEGRITY,)),
    (Kind.BROKEN, lambda f: f.integrity is IntegrityState.INVALID, (Place.INTEGRITY,)),
    (Kind.REVOKED, lambda f: f.intact and f.release is ReleaseState.REVOKED, (Place.RELEASE, Place.INTEGRITY)),
    (Kind.TAKEN_DOWN, lambda f: f.intact and f.release is ReleaseState.DISABLED, (Place.RELEASE, Place.INTEGRITY)),
    (Kind.CERTIFICATE_REVOKED, lambda f: f.intact and f.signer is SignerState.REVOKED, (Place.SIGNER, Place.INTEGRITY)),
    (Kind.CERTIFICATE_EXPIRED, lambda f: f.intact and f.signer is SignerState.EXPIRED, (Place.SIGNER, Place.INTEGRITY)),
    (Kind.AS_SIGNED, lambda f: f.intact and f.signer is SignerState.TRUSTED, (Place.INTEGRITY, Place.SIGNER)),
    (Kind.SIGNER_UNKNOWN, lambda f: f.intact, (Place.SIGNER, Place.INTEGRITY)),
    (Kind.RECOVERED_REVOKED, lambda f: f.recovered is ReleaseState.REVOKED, (Place.RECOVERED, Place.INTEGRITY)),
    (Kind.RECOVERED_TAKEN_DOWN, lambda f: f.recovered is ReleaseState.DISABLED, (Place.RECOVERED, Place.INTEGRITY)),
    (Kind.RECOVERED, lambda f: f.recovered is not None, (Place.RECOVERED, Place.INTEGRITY)),
    (Kind.COPIES, lambda f: f.copies, (Place.WORKS, Place.INTEGRITY)),
    (Kind.UNREADABLE, lambda f: f.integrity is IntegrityState.UNREADABLE, (Place.INTEGRITY,)),
    (Kind.ELSEWHERE, lambda f: f.integrity is IntegrityState.REMOTE, (Place.INTEGRITY,)),
    (Kind.NOT_LOOKED, lambda f: f.looked is Looked.NOT_ASKED, (Place.INTEGRITY,)),
    (Kind.COULD_NOT_LOOK, lambda f: f.looked is Looked.COULD_NOT, (Place.INTEGRITY,)),
    (Kind.NOTHING, lambda _: True, (Place.INTEGRITY, Place.RECOVERED, Place.WORKS)),
)
_SAYS_OF_RECOVERED: Final = (Kind.RECOVERED, Kind.RECOVERED_TAKEN_DOWN, Kind.RECOVERED_REVOKED)
_BESIDE: Final[Mapping[Beside, Callable[[Facts, Kind], bool]]] = {
    Beside.MADE_WITH_AI: lambda f, kind: f.ai_generated is True and (f.intact or kind in _SAYS_OF_RECOVERED),
    Beside.PART_CHANGED: lambda f, _: f.intact and f.part_changed,
    Beside.RECOGNISED: lambda f, kind: f.recognises_another and kind not in _SAYS_OF_RECOVERED,
    Beside.TAKEN_DOWN: lambda f, kind: (
        ReleaseState.DISABLED in (f.release, f.recovered)
        and kind not in (Kind.TAKEN_DOWN, Kind.RECOVERED_TAKEN_DOWN)
    ),
    Beside.REVOKED: lambda f, kind: (
        ReleaseState.REVOKED in (f.release, f.recovered) and kind not in (Kind.REVOKED, Kind.RECOVERED_REVOKED)
    ),
    Beside.COPIES: lambda f, kind: f.copies and kind is not Kind.COPIES,
    Beside.CREDENTIALS_UNREADABLE: lambda f, kind: (
        f.integrity is IntegrityState.UNREADABLE and kind is not Kind.UNREADABLE
    ),
    Beside.CREDENTIALS_ELSEWHERE: lambda f, kind: f.integrity is IntegrityState.REMOTE and kind is not Kind.ELSEWHERE,
    Beside.TEST_CERTIFICATE: lambda f, kind: f.test_certificate and kind is Kind.AS_SIGNED,
    Beside.NOT_LOOKED: lambda f, kind: (
        f.looked is not Looked.YES and kind not in (Kind.NOT_LOOKED, Kind.COULD_NOT_LOOK)
    ),
}  # fmt: skip


def _looked(problem: str | None) -> Looked:
    if problem is None:
        return Looked.YES
    return Looked.NOT_ASKED if problem == NOT_ASKED else Looked.COULD_NOT


def _has_changed(ingredients: Iterable[Mapping[str, Any]]) -> bool:
    return any(
        one["integrity"]["state"] == IntegrityState.INVALID or _has_changed(one["ingredients"]) for one in ingredients
    )
