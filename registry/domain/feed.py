"""The feed: signed pages of facts, from which a copy of the registry gives the same answers about preferences.

A page carries, as they are now, the facts of everything that changed after a place in the log of changes, in the
order of the log. Decides what can be told (ids, times, uses, values, links, hashes and codes; no titles and no
names) and when a reader may believe that a page goes on where they are. How changes are noticed is decided by
`registry.feed`, how a copy keeps what it is told by `registry.copies`.

A reader refuses a page that does not begin where the one before ended, so none can be held back; one of a log that
has become shorter, or other than it was; one that is older than the last, or not from this time. What nobody can
see from outside is that a service stops telling: therefore every page says when it was made, and whoever asks a
copy is told how old it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, TypeAdapter, ValidationError

from registry.domain.policy import Assurance
from registry.domain.preferences import WORLDWIDE, Scope, Use, Value
from registry.domain.tokens import MAX_CHARS, TokenKeys, open_token
from registry.errors import RegistryError

TYPE: Final = "clearmark-feed+jwt"
VERSION: Final = 1
MAX_ITEMS: Final = 5000
# Base64 makes four characters of three bytes; what is left over is for the rest of the statement.
MAX_PAYLOAD_BYTES: Final = MAX_CHARS * 3 // 4 - 4096
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


class BadPage(RegistryError):
    """A page that cannot be believed, or not now; `problem` says why."""

    def __init__(self, *, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class SetBack(BadPage):
    """The service no longer has the log that was read: it goes on from a backup, say. Only a new copy helps."""


# -- facts ---------------------------------------------------------------------------------------


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("there is no such time in UTC") from None


type Id = Annotated[str, StringConstraints(min_length=1, max_length=100)]
type Time = Annotated[AwareDatetime, AfterValidator(_in_utc)]
type Territory = Annotated[str, StringConstraints(pattern=rf"^({WORLDWIDE}|[A-Z]{{2}})$")]
type Number = Annotated[int, Field(ge=0, le=2**53, strict=True)]


class Kind(StrEnum):
    """What a fact is about; a thing comes after what it refers to."""

    HOLDER = "holder"
    WORK = "work"
    ASSET = "asset"
    RESERVATION = "reservation"
    CONFLICT = "conflict"
    DOMAIN = "domain"


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderFact:
    id: Id
    assurance: Assurance
    kind: Literal[Kind.HOLDER] = Kind.HOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFact:
    """`iscc` is how a work is found; of one that was withdrawn it is not told."""

    id: Id
    holder_id: Id
    iscc: str | None
    withdrawn_at: Time | None
    kind: Literal[Kind.WORK] = Kind.WORK


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFact:
    """`sha256` is how a file is found; it is told while the asset is indexed."""

    id: Id
    work_id: Id
    sha256: str | None
    kind: Literal[Kind.ASSET] = Kind.ASSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationFact:
    """A declaration, in force or not: any past day can be asked of a copy too."""

    id: Id
    holder_id: Id
    scope: Scope
    work_id: Id | None
    asset_id: Id | None
    location: str | None
    use: Use
    value: Value
    territory: Territory
    terms_url: str | None
    contact: str | None
    declared_at: Time
    valid_from: Time
    valid_until: Time | None
    withdrawn_at: Time | None
    superseded_at: Time | None
    kind: Literal[Kind.RESERVATION] = Kind.RESERVATION


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictFact:
    """Two assets that their holders both claim; while it is open, both may speak."""

    id: Id
    asset_id: Id
    rival_asset_id: Id
    opened_at: Time
    closed_at: Time | None
    kind: Literal[Kind.CONFLICT] = Kind.CONFLICT


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainFact:
    """A domain that answers for a holder, from `verified_at` until `lapsed_at`: there, nobody else is heard.

    `method` says where that was shown, and so how far it reaches: `dns`, or by a `file` on that host alone.
    """

    id: Id
    holder_id: Id
    name: Id
    method: Literal["dns", "file"] | None = None
    verified_at: Time | None
    lapsed_at: Time | None
    kind: Literal[Kind.DOMAIN] = Kind.DOMAIN


type Fact = HolderFact | WorkFact | AssetFact | ReservationFact | ConflictFact | DomainFact


# -- pages ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What changed in the log's rows (`since`, `next`], as the service knew it at `as_of`.

    Attributes:
        iss: the name of the service.
        since_mark, next_mark: what the log drew for these rows when it wrote them; None before the first.
        head: the newest row; with `next` there, the reader has everything.
    """

    v: Literal[1] = VERSION
    iss: str
    since: Number
    since_mark: str | None
    next: Number
    next_mark: str | None
    head: Number
    as_of: Time
    items: Annotated[list[Annotated[Fact, Field(discriminator="kind")]], Field(max_length=MAX_ITEMS)]

    @property
    def is_last(self) -> bool:
        return self.next == self.head


_PAGE: Final = TypeAdapter(Page)


def sign_page(page: Page, keys: TokenKeys) -> str:
    """The page as a statement: a compact JWS."""
    return keys.sign(_PAGE.dump_python(page, mode="json"), type=TYPE)


def open_page(token: str, *, keys: Mapping[str, Any]) -> Page:
    """What a page says, once its signature is found good.

    Args:
        keys: the JWK set of the service.
    Raises:
        BadToken: it is no page that one of the keys signed.
        BadPage: it is not written as pages are.
    """
    claims = open_token(token, type=TYPE, keys=keys)
    try:
        return _PAGE.validate_python(claims)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadPage(problem=f"The page is not written as this version reads pages: {place}: {first['msg']}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a reader is: all of `issuer`'s log up to row `sequence`, as it was at `as_of`."""

    issuer: str | None = None
    sequence: int = 0
    mark: str | None = None
    head: int = 0
    as_of: datetime | None = None

    def after(self, page: Page, *, at: datetime) -> "Place":
        """The place after a page that goes on from here.

        Raises:
            SetBack, BadPage: it does not.
        """
        if self.issuer not in (None, page.iss):
            raise BadPage(problem=f"It is a page of {page.iss}, and what was read so far is of {self.issuer}.")
        if page.since != self.sequence:
            raise BadPage(problem=f"It goes on after {page.since} and not after {self.sequence}: pages are missing.")
        if page.head < self.head:
            raise SetBack(problem=f"The service's log had {self.head} rows and now has {page.head}.")
        if page.since_mark != self.mark:
            raise SetBack(problem=f"The service's log has another row {self.sequence} than the one that was read.")
        if not page.since <= page.next <= page.head or (page.next == page.since and not page.is_last):
            raise BadPage(problem=f"It leads from {page.since} to {page.next} in a log of {page.head} rows.")
        if self.as_of is not None and page.as_of < self.as_of:
            raise BadPage(problem=f"It was made at {page.as_of}, before what was read already: {self.as_of}.")
        if page.as_of > at + _CLOCKS_DIFFER:
            raise BadPage(problem=f"It was made at {page.as_of}, and it is {at} here. Set the clocks right.")
        return Place(
            issuer=page.iss, sequence=page.next, mark=page.next_mark, head=page.head, as_of=page.as_of
        )  # fmt: skip
