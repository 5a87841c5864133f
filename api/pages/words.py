"""Words: the pages in the languages that they are written in, and numbers and times as each writes them.

English stands in the templates and in the code; other languages in `locales/`, one gettext catalogue each (`.po`),
which `python -m api.pages.words` brings up to date. What services say of errors is looked up as well, where it is a
text that stands in the code as it is; what has a name or a number in it stays English.
"""

import ast
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

from babel import Locale
from babel.dates import format_date, format_datetime, format_timedelta
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from babel.numbers import format_decimal, format_percent
from babel.support import NullTranslations, Translations

from api.wording import WORDED

LANGUAGES: Final = ("en", "id")
NAMES: Final[Mapping[str, str]] = {"en": "English", "id": "Bahasa Indonesia"}
_HERE = Path(__file__).parent
_ROOT: Final = _HERE.parents[1]
_TEMPLATE: Final = "jinja2.ext.babel_extract"
# Where texts are, and how they are found there; the transparency report is made in `takedown` and shown here.
_PLACES: Final = (
    ("api/pages", [("**.py", "python"), ("templates/**.j2", _TEMPLATE)]),
    ("takedown", [("**.py", "python"), ("pages/**.j2", _TEMPLATE)]),
)
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None}
_OPTIONS = {"trimmed": "true", "silent": "false", "extensions": "jinja2.ext.do"}
# Where services say what is wrong: the packages, and the names that such texts are given to.
_PACKAGES: Final = ("api", "registry", "takedown", "fingerprinting", "provenance")
_ERRORS: Final = ("problem", "detail", "action")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How one language says things."""

    language: str
    locale: Locale
    catalogue: NullTranslations

    def gettext(self, text: str) -> str:
        return str(self.catalogue.gettext(text))

    def ngettext(self, one: str, many: str, count: int) -> str:
        return str(self.catalogue.ngettext(one, many, count))

    def moment(self, at: datetime) -> str:
        """A time, in UTC and to the minute."""
        return f"{format_datetime(at, 'd MMM y HH:mm', locale=self.locale)} UTC"

    def day(self, at: datetime) -> str:
        return str(format_date(at, "d MMMM y", locale=self.locale))

    def ago(self, at: datetime, *, now: datetime) -> str:
        """How long ago something was, or how long it is to come."""
        return str(format_timedelta(at - now, add_direction=True, locale=self.locale))

    def number(self, value: float, pattern: str | None = None) -> str:
        return str(format_decimal(value, pattern, locale=self.locale))

    def percent(self, share_0_1: float) -> str:
        return str(format_percent(share_0_1, "#,##0.#%", locale=self.locale))


@cache
def words_of(language: str) -> Words:
    """The words of one of LANGUAGES."""
    return Words(language=language, locale=Locale.parse(language), catalogue=_catalogue(language))


def _catalogue(language: str) -> NullTranslations:
    compiled = io.BytesIO()
    write_mo(compiled, known(language))
    compiled.seek(0)
    return Translations(compiled)


def _file(language: str) -> Path:
    return _HERE / "locales" / language / "LC_MESSAGES" / "pages.po"


def known(language: str) -> Catalog:
    """What is translated into a language; nothing yet where there is no file."""
    path = _file(language)
    if not path.exists():
        return Catalog(locale=language, charset="utf-8")
    with path.open("rb") as file:
        return read_po(file, locale=language)


def extracted() -> Catalog:
    """Every text that people may be shown and that wants translating."""
    catalogue = Catalog(charset="utf-8")
    for place, methods in _PLACES:
        options = {pattern: _OPTIONS for pattern, how in methods if how == _TEMPLATE}
        for found in extract_from_dir(_ROOT / place, methods, options, keywords=_KEYWORDS):
            catalogue.add(found[2], context=found[4])
    for text in [*WORDED.values(), *_errors()]:
        catalogue.add(text)
    return catalogue


def _errors() -> Iterator[str]:
    """What services say of errors, from their code."""
    for package in _PACKAGES:
        for path in sorted((_ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.keyword(arg=name, value=value) if name in _ERRORS:
                        yield from _texts(value)
                    case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in _ERRORS:
                        yield from _texts(value)


def _texts(value: ast.expr) -> Iterator[str]:
    match value:
        case ast.Constant(value=str(text)) if " " in text:
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from _texts(one)
            yield from _texts(other)


def bring_up_to_date(language: str) -> Catalog:
    """The catalogue of a language with what is new in the pages, and without what is gone."""
    catalogue = known(language)
    catalogue.update(extracted(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    return catalogue


def main() -> None:
    for language in LANGUAGES[1:]:
        catalogue = bring_up_to_date(language)
        with _file(language).open("wb") as file:
            write_po(file, catalogue, width=120, omit_header=True, no_location=True, sort_output=True)


if __name__ == "__main__":
    main()
