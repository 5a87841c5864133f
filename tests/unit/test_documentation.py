"""What the documents say is what the program does."""

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command

from api.app import specification
from api.cli import app
from api.console import Exit
from api.schemas.works import WorkIn
from api.settings_shown import describe
from registry.domain.credits import AlternativeTitle, Contributor, Share, check_shares
from takedown.domain.states import mermaid
from takedown.domain.track import Track
from takedown.domain.tracks import TRACKS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_list_of_settings_is_that_of_the_program() -> None:
    assert describe() in (ROOT / "docs" / "settings.md").read_text()


@pytest.mark.parametrize("track", TRACKS.values(), ids=lambda track: track.name.value)
def test_the_drawing_of_a_track_is_made_from_its_table(track: Track) -> None:
    assert f"\n{mermaid(track.transitions)}```\n" in (ROOT / "docs" / "takedown.md").read_text()


def test_tracks_that_share_a_course_share_its_drawing() -> None:
    courses = {mermaid(track.transitions) for track in TRACKS.values()}
    assert len(courses) == 2
    assert (ROOT / "docs" / "takedown.md").read_text().count("stateDiagram-v2") == len(courses)


def test_every_decision_record_is_in_the_list() -> None:
    folder = ROOT / "docs" / "adr"
    listed = (folder / "README.md").read_text()
    for record in folder.glob("0*.md"):
        assert f"({record.name})" in listed


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_in_the_documents_exists_with_its_options(document: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    text = document.read_text().replace("\\\n", " ")
    for line in re.findall(r"^\$ clearmark ([^#\n|]+)", text, flags=re.MULTILINE):
        name, *words = line.split()
        command = commands[name]
        if hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_the_work_that_is_shown_in_full_is_taken() -> None:
    shown = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL)
    [work] = [json.loads(example) for example in shown if '"alternative_titles"' in example]
    said = WorkIn.model_validate(work).model_dump()
    check_shares([Share.of(share) for share in said["shares"]])
    assert len([*map(Contributor.of, said["contributors"]), *map(AlternativeTitle.of, said["alternative_titles"])]) == 2


def test_every_call_in_the_readme_is_in_the_specification() -> None:
    paths = {re.sub(r"\{[^}]+\}", "*", path) for path in specification()["paths"]}
    for path in re.findall(r"http://127\.0\.0\.1:8000(/v1/[^\s'\"]+)", README):
        assert re.sub(r"(wrk|ast|chk|rel)_…", "*", path) in paths


def test_the_exit_codes_are_those_of_the_help_text() -> None:
    said = str(get_command(app).help).split("Exit codes:")[1]
    documented = {int(code) for code in re.findall(r"\b(\d+) (?=[a-z])", said)}
    assert documented == {int(code) for code in Exit}


def test_the_exit_codes_are_those_of_the_readme() -> None:
    listed = README.split("| exit code | means |")[1].split("\n\n")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", listed, re.MULTILINE)] == [int(code) for code in Exit]
