"""Styles: what the dark theme may change."""

import re
from pathlib import Path

import pytest

import api.pages

STYLES = sorted((Path(api.pages.__file__).parent / "static").glob("*.css"))
# A block that begins with what only the dark theme says, up to the end of the rule in it.
_DARK = re.compile(r'(?:\(prefers-color-scheme: dark\)[^{]*\{[^{]*|\[data-theme="dark"\][^{]*)\{([^}]*)\}')


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_the_dark_theme_changes_colours_alone(path: Path) -> None:
    """So barriers that are not of colours need to be looked for in one theme."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    blocks = _DARK.findall(text)
    assert text.count("prefers-color-scheme: dark") + text.count('[data-theme="dark"]') == len(blocks)
    names = {said.partition(":")[0].strip() for block in blocks for said in block.split(";") if said.strip()}
    assert {name for name in names if not name.startswith("--")} <= {"color-scheme"}


def test_there_is_a_dark_theme() -> None:
    assert any(_DARK.search(path.read_text()) for path in STYLES)
