"""Templates: what somebody typed is never taken for markup, and nothing is looked up that is no text of ours."""

import re
import sys
from pathlib import Path

import pytest
from jinja2 import Environment
from markupsafe import Markup

import api.pages
from api.pages.page import CompiledTemplates, compile_templates, environment_of
from api.pages.words import LANGUAGES, words_of

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
    monkeypatch.setattr(Environment, "compile", refuse)
    for language in LANGUAGES:
        environment = environment_of(language)
        for name in TEMPLATES:
            environment.get_template(name)
            environment.overlay(cache_size=0).get_template(name)  # as in a language that nobody asked for yet


def test_a_template_is_not_compiled_again_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    folder = tmp_path / "__pycache__"
    started(folder).get_template("error.html.j2")
    monkeypatch.setattr(Environment, "compile", refuse)
    started(folder).get_template("error.html.j2")


def test_where_nothing_can_be_kept_a_template_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "file").touch()
    environment = started(tmp_path / "file" / "__pycache__")
    environment.get_template("error.html.j2")
    monkeypatch.setattr(Environment, "compile", refuse)
    environment.overlay(cache_size=0).get_template("error.html.j2")


def started(folder: Path) -> Environment:
    """The templates as a service finds them that just started."""
    return environment_of("en").overlay(cache_size=0, bytecode_cache=CompiledTemplates(folder))


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("somebody waits for this")


def test_what_somebody_typed_turns_no_sentence_around() -> None:
    template = environment_of("en").from_string(
        '{{ _("“%(title)s” of %(who)s", title=title, who="Studio") }},'
        ' {{ ngettext("%(num)d of %(title)s", "%(num)d of %(title)s", 2,'
        ' title=title) }}, {{ _("%(title)s", title=element) }}'
    )
    said = template.render(title="Night\u202e <b>", element=Markup("<bdi>Night</bdi>"))
    assert said == "“\u2068Night &lt;b&gt;\u2069” of Studio, 2 of \u2068Night &lt;b&gt;\u2069, <bdi>Night</bdi>"


def test_what_is_not_translated_is_said_to_be_english() -> None:
    template = '{% import "parts/show.html.j2" as show with context %}{{ show.told(text) }}'
    said = {
        (language, text): environment_of(language).from_string(template).render(page=words_of(language), text=text)
        for language in LANGUAGES
        for text in ("Sign in", "<Nobody> wrote this before.")
    }
    assert said["id", "Sign in"] == words_of("id").gettext("Sign in") != "Sign in"
    assert said["id", "<Nobody> wrote this before."] == '<span lang="en">&lt;Nobody&gt; wrote this before.</span>'
    assert said["en", "<Nobody> wrote this before."] == "&lt;Nobody&gt; wrote this before."


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
