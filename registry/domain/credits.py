"""Credits of a work: who contributed, who holds which share where and for what, and what else it is called.

What a holder says of them; it identifies and proves nothing, and no verdict rests on it. Shares of one use in one
territory cannot come to more than the whole; where they come to less, the rest is simply not said.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final

from registry.domain.identifiers import validate_identifiers
from registry.domain.preferences import WORLDWIDE, Use, check_territory
from registry.errors import Invalid

MOST: Final = 200
_MAX_NAME_CHARS: Final = 500
_PLACES: Final = Decimal("0.001")
# RFC 5646 in short: a language, then script, region and variants.
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributor:
    """Somebody who had a part in a work, such as its director; `isni` tells them from others of their name."""

    name: str
    role: str
    isni: str | None = None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Contributor":
        """Raises: Invalid."""
        return cls(
            name=_text(said.get("name"), "contributors.name"),
            role=_text(said.get("role"), "contributors.role"),
            isni=_isni(said.get("isni"), "contributors"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What part of a work somebody holds, in per cent, for some uses (all, when none is named) in a territory."""

    holder: str
    percent: str
    uses: tuple[Use, ...] = ()
    territory: str = WORLDWIDE
    isni: str | None = None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Share":
        """Raises: Invalid."""
        try:
            percent = Decimal(str(said.get("percent")))
            sound = percent.is_finite() and 0 < percent <= 100 and percent == percent.quantize(_PLACES)
        except ArithmeticError:
            sound = False
        if not sound:
            raise Invalid(field="shares.percent", problem="Give more than 0 and at most 100, to three decimals.")
        return cls(
            holder=_text(said.get("holder"), "shares.holder"),
            percent=f"{percent.normalize():f}",
            uses=tuple(Use(use) for use in dict.fromkeys(said.get("uses") or ())),
            territory=check_territory(str(said.get("territory") or WORLDWIDE)),
            isni=_isni(said.get("isni"), "shares"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternativeTitle:
    """What a work is called besides its title, with the language that this is in (BCP 47)."""

    title: str
    language: str | None = None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "AlternativeTitle":
        """Raises: Invalid."""
        language = said.get("language")
        return cls(
            title=_text(said.get("title"), "alternative_titles.title"),
            language=check_language(language, "alternative_titles.language"),
        )


def check_shares(shares: Iterable[Share]) -> None:
    """Raises: Invalid: somewhere, for some use, more than everything is held."""
    held: dict[tuple[Use, str], Decimal] = defaultdict(Decimal)
    for share in shares:
        for use in share.uses or tuple(Use):
            held[use, share.territory] += Decimal(share.percent)
    for (use, territory), percent in held.items():
        everywhere = held[use, WORLDWIDE] if territory != WORLDWIDE and (use, WORLDWIDE) in held else Decimal(0)
        if percent + everywhere > 100:
            problem = f"For {use} in {territory} they come to {percent + everywhere:f} per cent."
            raise Invalid(field="shares", problem=problem)


def check_language(language: object, field: str) -> str | None:
    """A language tag. Raises: Invalid."""
    if language is None:
        return None
    if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
        raise Invalid(field=field, problem="Write a language as BCP 47 has it, such as en, pt-BR or zh-Hant.")
    return language


def as_json(said: Iterable[Contributor | Share | AlternativeTitle]) -> list[dict[str, Any]]:
    """As they are stored and shown: what was not said is left out."""
    return [{name: value for name, value in asdict(one).items() if value not in (None, ())} for one in said]


def _isni(value: object, field: str) -> str | None:
    if value is None:
        return None
    try:
        return validate_identifiers({"isni": str(value)})["isni"]
    except Invalid as error:
        raise Invalid(field=f"{field}.isni", problem=error.problem) from None


def _text(value: object, field: str) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > _MAX_NAME_CHARS or not text.isprintable():
        raise Invalid(field=field, problem=f"Give 1 to {_MAX_NAME_CHARS} printable characters.")
    return text
