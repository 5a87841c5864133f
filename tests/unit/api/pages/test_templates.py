"""Templates: what somebody typed is never taken for markup, and nothing is looked up that is no text of ours."""

import re
from pathlib import Path

import pytest
from jinja2 import Environment

import api.pages
from api.pages.page import compile_templates, environment_of
from api.pages.words import LANGUAGES

FOLDER = Path(api.pages.__file__).parent / "templates"
TEMPLATES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.j2"))
# Jinja takes what `_` returns for markup, once it has filled in and escaped the blanks.
_LOOKED_UP = re.compile(r"(?<![.\w])(?:_|gettext|ngettext)\(\s*(?![\"'\s])")
_MARKUP = re.compile(r"\|\s*safe\b|\bMarkup\(|\bautoescape\b")
_STYLE = re.compile(r"<style|\sstyle=|\son[a-z]+=[\"']|<script(?![^>]*\ssrc=)|javascript:")


def source(name: str) -> str:
    return re.sub(r"\{#.*?#\}", "", (FOLDER / name).read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_can_be_read(name: str) -> None:
    environment_of("en").get_template(name)


def test_a_template_is_compiled_ahead_and_once_for_all_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_templates()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("somebody waits for this")

    monkeypatch.setattr(Environment, "compile", refuse)
    for language in LANGUAGES:
        environment = environment_of(language)
        for name in TEMPLATES:
            environment.get_template(name)
            environment.overlay(cache_size=0).get_template(name)  # as in a language that nobody asked for yet


@pytest.mark.parametrize("name", TEMPLATES)
def test_only_texts_of_ours_are_looked_up_as_markup(name: str) -> None:
    assert [line for line in source(name).splitlines() if _LOOKED_UP.search(line)] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_everything_is_escaped(name: str) -> None:
    assert _MARKUP.findall(source(name)) == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_nothing_runs_or_wears_a_style_in_a_page(name: str) -> None:
    assert _STYLE.findall(source(name)) == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_form_that_is_sent_has_its_token(name: str) -> None:
    for form in re.findall(r'<form\b[^>]*method="post".*?</form>', source(name), flags=re.DOTALL):
        assert "token()" in form, form[:200]
