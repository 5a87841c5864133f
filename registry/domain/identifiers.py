"""Identifiers: the registry's own ids, and the standard numbers a work may carry.

Decides how an id looks (prefix and UUIDv7, so that ids sort by time) and
whether a standard number is well formed, with its check digit where it has
one. A well-formed number identifies a work; it proves nothing about who owns
it, and whether it was ever issued is not looked up.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import uuid_utils
from stdnum import isan, isni, isrc
from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_37_36

from registry.errors import Invalid

MAX_VALUE_CHARS: Final = 200

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RAND_A_BITS: Final = 12


class Prefix(StrEnum):
    """What an id names; stored in every id, so never renamed."""

    WORK = "wrk"
    ASSET = "ast"
    RESERVATION = "rsv"
    CHECK = "chk"
    RELEASE = "rel"
    VERIFICATION = "vrf"
    NOTICE = "ntc"
    HOLDER = "hld"
    KEY = "key"
    JOB = "job"
    CONFLICT = "cfl"
    WEBHOOK = "wbh"
    EXCLUSION = "exc"
    NEGATIVE = "neg"
    QUARANTINE = "qrn"
    IMPORT = "imp"
    ACCOUNT = "acc"
    SIGN_IN = "sgn"
    AGENCY = "agn"
    DOMAIN = "dmn"
    MAIL = "mal"
    LETTER = "ltr"
    ASSURANCE = "asr"
    STATEMENT = "stm"
    LOOK_BACK = "lbk"
    FINDING = "fnd"
    CONSENT = "cns"
    LEDGER_KEY = "lky"
    STRIKE = "stk"
    MISUSE = "mis"
    FLAGGER = "flg"
    ADMIN_ACTION = "adm"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedId:
    """An id taken apart."""

    prefix: Prefix
    uuid: UUID


def new_id(prefix: Prefix, *, at: datetime) -> str:
    """A fresh id made at `at`. Ids sort by it, to the microsecond.

    Source: RFC 9562, section 5.7, with the fraction of the millisecond in
    rand_a (section 6.2, method 3): two requests in one millisecond are common.
    """
    microseconds = (at - _EPOCH) // timedelta(microseconds=1)
    fraction = (microseconds % 1000 << _RAND_A_BITS) // 1000
    mask = ((1 << _RAND_A_BITS) - 1) << 64
    value = uuid_utils.uuid7(nanoseconds=microseconds * 1000).int & ~mask | fraction << 64
    return f"{prefix}_{value:032x}"


def first_id(prefix: Prefix, *, at: datetime) -> str:
    """The lowest id that could have been made at `at`: ids made since then are not below it."""
    milliseconds = max(0, (at - _EPOCH) // timedelta(milliseconds=1))
    return f"{prefix}_{milliseconds:012x}{0:020x}"


_ID: Final = re.compile(rf"({'|'.join(Prefix)})_([0-9a-f]{{12}}7[0-9a-f]{{3}}[89ab][0-9a-f]{{15}})")


def parse_id(text: str) -> ParsedId:
    """Take an id apart.

    Raises:
        Invalid: not an id as `new_id` makes them.
    """
    match = _ID.fullmatch(text)
    if match is None:
        example = f"{Prefix.WORK}_0190f3c1a2b47c3d8e5f60718293a4b5"
        raise Invalid(field="id", problem=f"Pass an id as it was given to you, such as {example}.")
    return ParsedId(prefix=Prefix(match[1]), uuid=UUID(match[2]))


def validate_identifiers(identifiers: Mapping[str, str]) -> dict[str, str]:
    """Check a work's identifiers and write each in its normal form, keys in order.

    Keys isrc, iswc, isan, isni, eidr and iscc follow their standards; any other
    well-formed key holds free text, such as a catalogue number.

    Raises:
        Invalid: with the field "identifiers.KEY" and what to do about it.
    """
    return {key: _normal(key, identifiers[key]) for key in sorted(identifiers)}


_KEY: Final = re.compile(r"[a-z][a-z0-9_.-]{0,31}")


def _normal(key: str, value: str) -> str:
    if not _KEY.fullmatch(key):
        raise Invalid(
            field="identifiers",
            problem="Name each identifier with a lower-case letter, then up to 31 of a-z, 0-9, “_”, “.” or “-”.",
        )
    value = value.strip()
    if not value or len(value) > MAX_VALUE_CHARS or not value.isprintable():
        problem = f"Give 1 to {MAX_VALUE_CHARS} printable characters, or leave the identifier out."
        raise Invalid(field=f"identifiers.{key}", problem=problem)
    standard = _STANDARDS.get(key)
    if standard is None:
        return value
    normalise, shape = standard
    normal = normalise(value.upper())
    if normal is None:
        problem = f"This is not a valid {key.upper()}. Check it for typing errors; it reads like {shape}."
        raise Invalid(field=f"identifiers.{key}", problem=problem)
    return normal


def _isrc(value: str) -> str | None:
    """ISO 3901 has no check digit: length, alphabet and country code."""
    try:
        return isrc.validate(value)
    except ValidationError:
        return None


def _isni(value: str) -> str | None:
    """ISO 27729, check digit ISO 7064 Mod 11,2."""
    try:
        return isni.validate(value)
    except ValidationError:
        return None


_ISAN: Final = re.compile(r"[0-9A-F]{16}([0-9A-Z]|[0-9A-F]{8}|[0-9A-Z][0-9A-F]{8}[0-9A-Z])?")


def _isan(value: str) -> str | None:
    """ISO 15706, with or without version and check digits (ISO 7064 Mod 37,36), which are added."""
    # isan.validate checks neither the length of the last part nor that both check digits are there.
    compact = value.removeprefix("ISAN").replace(" ", "").replace("-", "")
    if not _ISAN.fullmatch(compact):
        return None
    try:
        return isan.format(isan.validate(compact))
    except ValidationError:
        return None


_ISWC: Final = re.compile(r"T[-. ]?([0-9]{3})[-. ]?([0-9]{3})[-. ]?([0-9]{3})[-. ]?([0-9])")


def _iswc(value: str) -> str | None:
    """ISO 15707: 1 + Σ i·dᵢ over the nine digits d₁…d₉, plus the check digit, is a multiple of ten.

    Source: UNIMARC Manual: Authorities Format, 3rd edition, p. 54.
    """
    match = _ISWC.fullmatch(value)
    if match is None:
        return None
    digits, check = "".join(match.groups()[:3]), int(match[4])
    total = 1 + sum(position * int(digit) for position, digit in enumerate(digits, start=1))
    return f"T{digits}{check}" if (total + check) % 10 == 0 else None


_EIDR: Final = re.compile(r"(?:HTTPS://DOI\.ORG/|DOI:|URN:EIDR:)?10\.5240[/:]((?:[0-9A-F]{4}-?){5})([0-9A-Z])")


def _eidr(value: str) -> str | None:
    """EIDR content id: DOI prefix 10.5240, 20 hex digits, check character ISO 7064 Mod 37,36 over these.

    Source: "EIDR ID Format", EIDR Association.
    """
    match = _EIDR.fullmatch(value)
    if match is None:
        return None
    digits, check = match[1].replace("-", ""), match[2]
    if mod_37_36.calc_check_digit(digits) != check:
        return None
    groups = [digits[start : start + 4] for start in range(0, 20, 4)]
    return f"10.5240/{'-'.join([*groups, check])}"


_ISCC: Final = re.compile(r"(?:ISCC:)?([A-Z2-7]{10,68})")


def _iscc(value: str) -> str | None:
    """ISO 24138: base32 after “ISCC:”; only the format is checked, an ISCC carries no check digit."""
    match = _ISCC.fullmatch(value.replace("-", ""))
    return f"ISCC:{match[1]}" if match else None


# Each takes the value in capitals and gives its normal form, or None; beside it the shape to show.
_STANDARDS: Final[Mapping[str, tuple[Callable[[str], str | None], str]]] = {
    "isrc": (_isrc, "US-SKG-19-12345"),
    "iswc": (_iswc, "T-034.524.680-1"),
    "isan": (_isan, "0000-0001-8947-0000-8-0000-0000-D"),
    "isni": (_isni, "0000 0001 2281 955X"),
    "eidr": (_eidr, "10.5240/7791-8534-2C23-9030-8610-5"),
    "iscc": (_iscc, "ISCC:KACT4EBWK27737D2AYCJRAL5Z36G76RFRMO4554RU26HZ4ORJGIVHDI"),
}
