"""Consent: a person, or whoever speaks for them, lets one named pipeline use their likeness or voice.

Decides what a check says of persons, and whether a grant covers it, and why not:

- a grant covers one person, for one pipeline, in what it names of them (likeness, voice) and within its scope: one
  clip by its SHA-256, one project by its name, or everything until a date;
- it is in force in [not_before, the earliest of expires and revoked_at);
- of a person a clip uses likeness and voice, unless the check says that it uses one of them alone; each of the two
  needs a grant that covers it, and several grants may do so together.

What it cannot decide: whom a clip shows. Nobody is recognised here, by face or by voice: a person is protected where
the check names them, and where their registered reference clips are copied. Nor whether the conditions of a grant,
which are words, are kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from registry.domain.identifiers import Prefix, parse_id
from registry.errors import Invalid

TOKEN_TYPE: Final = "clearmark-consent+jwt"  # noqa: S105 - a media type
MAX_PERSONS: Final = 16
MAX_TOKENS: Final = 16
MAX_PROJECT_CHARS: Final = 200


class Part(StrEnum):
    """What can be used of a person."""

    LIKENESS = "likeness"
    VOICE = "voice"


class Uses(StrEnum):
    """What a grant allows of a person, or a clip uses of them; stored, so never renamed."""

    LIKENESS = "likeness"
    VOICE = "voice"
    BOTH = "both"

    @property
    def parts(self) -> frozenset[Part]:
        return frozenset(Part) if self is Uses.BOTH else frozenset({Part(self.value)})


class Scope(StrEnum):
    """For what a grant holds, besides its times; stored, so never renamed."""

    CLIP = "clip"
    PROJECT = "project"
    UNTIL = "until"


class State(StrEnum):
    """What can be said of a consent that somebody shows."""

    GRANTED = "granted"
    EXPIRED = "expired"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    BAD_SIGNATURE = "bad_signature"


class Gap(StrEnum):
    """Why a consent that is presented does not count; stored, so never renamed."""

    BAD_TOKEN = "bad_token"  # noqa: S105 - a reason
    UNKNOWN = "unknown"
    OTHER_PERSON = "other_person"
    OTHER_PIPELINE = "other_pipeline"
    REVOKED = "revoked"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    OTHER_CLIP = "other_clip"
    OTHER_PROJECT = "other_project"
    OTHER_USE = "other_use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A consent as it is on record.

    Attributes:
        person: the work of the kind `likeness`.
        grantee: the holder who may use it, the named pipeline.
        clip_sha256: of the file that is checked; only with the scope `clip`.
        project: only with the scope `project`.
    """

    id: str
    person: str
    grantee: str
    uses: Uses
    scope: Scope
    granted_at: datetime
    not_before: datetime
    clip_sha256: str | None = None
    project: str | None = None
    conditions: str | None = None
    expires: datetime | None = None
    revoked_at: datetime | None = None

    def __post_init__(self) -> None:
        if (self.clip_sha256 is not None) != (self.scope is Scope.CLIP):
            raise Invalid(
                field="clip_sha256", problem="Name the clip's SHA-256 with the scope clip, and with no other."
            )
        if (self.project is not None) != (self.scope is Scope.PROJECT):
            raise Invalid(field="project", problem="Name the project with the scope project, and with no other.")
        if self.project is not None and not is_project(self.project):
            raise Invalid(field="project", problem=_PROJECT)
        if self.scope is Scope.UNTIL and self.expires is None:
            raise Invalid(field="expires", problem="Say until when, or choose the scope clip or project.")
        if self.expires is not None and self.expires <= max(self.not_before, self.granted_at):
            raise Invalid(field="expires", problem="Must lie in the future, and after not_before.")

    def state(self, *, at: datetime) -> State:
        """What has become of it; one that begins later is granted all the same."""
        if self.revoked_at is not None and self.revoked_at <= at:
            return State.REVOKED
        return State.EXPIRED if self.expires is not None and self.expires <= at else State.GRANTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a check says of one person: who made the clip, and with what of them."""

    person: str
    pipeline: str
    uses: Uses = Uses.BOTH
    clip_sha256: str | None = None
    project: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """Parts of a person that a grant allows, of those that were asked about."""

    parts: frozenset[Part]


def covers(grant: Grant, asked: Asked, *, at: datetime) -> Covered | Gap:
    """What of the person the grant allows, or why nothing. A stranger to it learns nothing of its state."""
    if grant.person != asked.person:
        return Gap.OTHER_PERSON
    if grant.grantee != asked.pipeline:
        return Gap.OTHER_PIPELINE
    match grant.state(at=at):
        case State.REVOKED:
            return Gap.REVOKED
        case State.EXPIRED:
            return Gap.EXPIRED
    if at < grant.not_before:
        return Gap.NOT_YET
    if grant.scope is Scope.CLIP and grant.clip_sha256 != asked.clip_sha256:
        return Gap.OTHER_CLIP
    if grant.scope is Scope.PROJECT and grant.project != asked.project:
        return Gap.OTHER_PROJECT
    parts = grant.uses.parts & asked.uses.parts
    return Covered(parts=parts) if parts else Gap.OTHER_USE


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What several grants come to for one person.

    Attributes:
        by_part: the grant that covers each part; of several the first.
        gaps: why the others of that person do not count, by their ids.
        is_whole: every part that the clip uses is covered.
    """

    by_part: Mapping[Part, Grant] = field(default_factory=dict)
    gaps: Mapping[str, Gap] = field(default_factory=dict)
    is_whole: bool = False

    @property
    def grants(self) -> tuple[Grant, ...]:
        """Those that count, each once."""
        return tuple({grant.id: grant for grant in self.by_part.values()}.values())

    def of(self, parts: Iterable[Part]) -> tuple[str, ...]:
        """The grants that cover all of these parts; none when one is left."""
        wanted = sorted(set(parts))
        if not wanted or any(part not in self.by_part for part in wanted):
            return ()
        return tuple(dict.fromkeys(self.by_part[part].id for part in wanted))


def coverage(asked: Asked, grants: Sequence[Grant], *, at: datetime) -> Coverage:
    """What of a person is covered by these grants, which may be anybody's."""
    by_part: dict[Part, Grant] = {}
    gaps: dict[str, Gap] = {}
    for grant in grants:
        found = covers(grant, asked, at=at)
        if isinstance(found, Covered):
            for part in sorted(found.parts):
                by_part.setdefault(part, grant)
        elif found is not Gap.OTHER_PERSON:
            gaps[grant.id] = found
    return Coverage(by_part=by_part, gaps=gaps, is_whole=asked.uses.parts <= by_part.keys())


# -- what a check's context says -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Whom a check names, and what it shows for it.

    Attributes:
        persons: ids of works, with what the clip uses of each.
        tokens: as they came; nobody has looked into them.
    """

    persons: Mapping[str, Uses]
    tokens: tuple[str, ...]
    project: str | None


def named_in(context: Mapping[str, Any]) -> Named:
    """What the context of a check says of persons, consents and the project.

    Raises:
        Invalid: it cannot be understood; what is not a token is not judged here.
    """
    persons = _persons(_list(context, "persons", most=MAX_PERSONS))
    tokens = _list(context, "consents", most=MAX_TOKENS)
    if any(not isinstance(token, str) for token in tokens):
        raise Invalid(field="context.consents", problem="Give a list of tokens, each as it was given to you.")
    if not persons and not tokens:
        return Named(persons={}, tokens=(), project=None)  # whatever else it says is not ours to judge
    project = context.get("project")
    if project is not None and not (isinstance(project, str) and is_project(project)):
        raise Invalid(field="context.project", problem=_PROJECT)
    return Named(persons=persons, tokens=tuple(dict.fromkeys(tokens)), project=project)


def _persons(said: list[Any]) -> dict[str, Uses]:
    persons: dict[str, Uses] = {}
    for one in said:
        told = one if isinstance(one, dict) else {"work_id": one}
        person, uses = told.get("work_id"), told.get("uses", Uses.BOTH)
        is_understood = uses in list(Uses) and told.keys() <= {"work_id", "uses"}
        if not isinstance(person, str) or not is_understood or person in persons:
            shape = 'the id of a likeness, or {"work_id": …, "uses": "likeness" | "voice" | "both"}'
            raise Invalid(field="context.persons", problem=f"Name each person once: {shape}.")
        try:
            is_work = parse_id(person).prefix is Prefix.WORK
        except Invalid:
            is_work = False
        if not is_work:
            raise unknown_person(person)
        persons[person] = Uses(uses)
    return persons


def unknown_person(person: str) -> Invalid:
    problem = f"{person[:64]!r} is no registered person. Name the id of a work of the kind likeness or voice."
    return Invalid(field="context.persons", problem=problem)


def _list(context: Mapping[str, Any], name: str, *, most: int) -> list[Any]:
    said = context.get(name, [])
    if not isinstance(said, list) or len(said) > most:
        raise Invalid(field=f"context.{name}", problem=f"Give a list, of at most {most}.")
    return said


def is_project(name: str) -> bool:
    """Whether this can be a project's name: short, printable, and nothing around it."""
    return 0 < len(name) <= MAX_PROJECT_CHARS and name.isprintable() and name == name.strip()


_PROJECT: Final = f"Give the project's name, 1 to {MAX_PROJECT_CHARS} printable characters."


# -- the token -----------------------------------------------------------------------------------


def claims_of(grant: Grant) -> dict[str, Any]:
    """What the token of a grant says: ids, uses, scope and dates.

    It goes into public manifests: the name of a project and the words of the conditions stay in the record.
    """
    claims: dict[str, Any] = {
        "jti": grant.id,
        "sub": grant.person,
        "aud": grant.grantee,
        "uses": grant.uses.value,
        "scope": grant.scope.value,
        "iat": _seconds(grant.granted_at),
        "nbf": _seconds(grant.not_before),
    }
    if grant.clip_sha256 is not None:
        claims["clip_sha256"] = grant.clip_sha256
    if grant.expires is not None:
        claims["exp"] = _seconds(grant.expires)
    return claims


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
