"""What is said of the packages that the service is made of."""

import json
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def _script(name: str) -> ModuleType:
    """A program of `scripts/`, which is no package."""
    spec = spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


AUDIT, SBOM = _script("audit"), _script("sbom")
SOUND: dict[str, Any] = {"name": "httpx", "version": "1", "vulns": []}
FLAWED: dict[str, Any] = {
    "name": "pillow", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}],
}  # fmt: skip
UNKNOWN: dict[str, Any] = {"name": "uvicorn", "skip_reason": "Dependency not found"}


def test_a_known_vulnerability_fails() -> None:
    said, is_vulnerable = AUDIT.judge([SOUND, FLAWED])
    assert is_vulnerable
    assert said[0] == "audit: pillow 1: PYSEC-1, mended in 1.1"


@pytest.mark.parametrize("found", [None, [], [UNKNOWN, UNKNOWN]])
def test_where_the_advisories_cannot_be_asked_that_is_one_line_and_no_failure(found: Any) -> None:
    said, is_vulnerable = AUDIT.judge(found)
    assert not is_vulnerable
    assert said == ["audit: the advisories could not be asked; nothing was audited"]


def test_what_was_not_asked_about_is_told_with_what_was() -> None:
    said, is_vulnerable = AUDIT.judge([SOUND, UNKNOWN])
    assert not is_vulnerable
    assert said == ["audit: 1 versions asked about, 0 known vulnerabilities; of 1 others nothing is known there"]


def test_a_program_that_is_not_there_audits_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(AUDIT, "_PIP_AUDIT", tmp_path / "none")
    assert AUDIT.ask([tmp_path / "run.lock"]) is None


def test_the_bill_of_materials_is_valid_and_names_no_place_to_get_things_from(tmp_path: Path) -> None:
    # Its import compiles grammars, which every process that collects tests would wait for.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    lock = tmp_path / "some.lock"
    wanted = ("httpx==", "pillow==")
    text = (ROOT / "requirements" / "run.lock").read_text()
    lock.write_text("\n".join(block for block in _blocks(text) if block.startswith(wanted)) + "\n")
    made = SBOM.bill(lock, ROOT / "pyproject.toml")
    written = json.dumps(made)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None
    ours = made["metadata"]["component"]
    assert (ours["name"], ours["licenses"]) == ("clearmark", [{"expression": "Apache-2.0"}])
    assert sorted(one["name"] for one in made["components"]) == ["httpx", "pillow"]
    assert all(one["licenses"] and one["hashes"] for one in made["components"])
    assert "/simple" not in written
    assert "externalReferences" not in str(made["components"])


def test_the_bill_of_materials_is_that_of_what_an_image_installs() -> None:
    written = re.findall(r"sbom\.py (requirements/\S+)", (ROOT / "Makefile").read_text())
    image = (ROOT / "deploy" / "Containerfile").read_text()
    assert set(written) == set(re.findall(r"-r (requirements/\S+?\.lock)", image))
    for lock in written:
        made = {one["name"] for one in SBOM.bill(ROOT / lock, ROOT / "pyproject.toml")["components"]}
        assert "boto3" in made
        assert "arcade" not in made, "the samples stay at home"


def test_every_version_that_a_service_runs_on_is_asked_about() -> None:
    [asked] = re.findall(r"audit\.py (.+)", (ROOT / "Makefile").read_text())
    deployed = (ROOT / "deploy" / name for name in ("Containerfile", "README.md"))
    installed = {lock for path in deployed for lock in re.findall(r"-r (requirements/\S+?\.lock)", path.read_text())}
    assert installed | {"requirements/run.lock"} == set(asked.split())


@pytest.mark.parametrize("name", ["Containerfile", "README.md"])
def test_what_is_deployed_is_installed_by_its_hashes(name: str) -> None:
    commands = re.findall(r"pip install (.+?)(?: && \\|;.*)?$", (ROOT / "deploy" / name).read_text(), re.MULTILINE)
    by_lock = [command for command in commands if "-r requirements/" in command]
    assert by_lock
    assert all("--require-hashes --only-binary :all:" in command and "--no-deps" in command for command in by_lock)
    itself = "--no-deps --no-build-isolation ."
    assert [command for command in commands if command not in by_lock] == [itself]


def _blocks(lock: str) -> list[str]:
    """The lines of a lock file, those of one package together."""
    blocks: list[str] = []
    for line in lock.splitlines():
        if line.startswith(" "):
            blocks[-1] += f"\n{line}"
        else:
            blocks.append(line)
    return blocks
