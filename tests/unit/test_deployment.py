"""What lies in deploy/ fits the program: settings, commands and paths that are there. Its form is for the linters."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from api.app import specification
from api.cli import app
from api.settings import Environment, Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
SYSTEMD = DEPLOY / "systemd"
# What the example leaves to the operator.
SAID = {"CLEARMARK_OPERATOR": "Us", "CLEARMARK_TAKEDOWN_MAIL": "takedown@clearmark.example"}


def documents(name: str) -> list[Mapping[str, Any]]:
    return list(YAML(typ="safe").load_all(DEPLOY / name))


def pods() -> Iterator[Mapping[str, Any]]:
    for path in (DEPLOY / "kubernetes").glob("*.yaml"):
        for document in documents(f"kubernetes/{path.name}"):
            if document["kind"] == "Deployment":
                yield document["spec"]["template"]["spec"]["containers"][0]


def example(name: str) -> dict[str, str]:
    lines = (DEPLOY / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def settings_of(environment: Mapping[str, object], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith("CLEARMARK_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, str(value))
    return Settings()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_setting_that_is_named_is_one(path: Path) -> None:
    known = {f"CLEARMARK_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\bCLEARMARK_[A-Z_]+\b", path.read_text())) <= known


def test_compose_sets_what_production_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    [compose] = documents("compose.yaml")
    for name in ("api", "worker", "beat"):
        service = compose["services"][name]
        settings = settings_of({**example("clearmark.env.example"), **SAID, **service["environment"]}, monkeypatch)
        assert settings.env is Environment.PRODUCTION


def test_kubernetes_sets_what_production_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    [config] = documents("kubernetes/config.yaml")
    secret = {"CLEARMARK_DATABASE_URL": "postgresql+psycopg://clearmark:x7Qp-2k@database.example/clearmark"}
    assert settings_of({**config["data"], **secret}, monkeypatch).env is Environment.PRODUCTION
    for container in pods():
        assert container["envFrom"] == [{"configMapRef": {"name": "clearmark"}}, {"secretRef": {"name": "clearmark"}}]


def commands() -> Iterator[Sequence[str]]:
    [compose] = documents("compose.yaml")
    yield from (service["command"] for name, service in compose["services"].items() if name in ("worker", "beat"))
    yield from (container["args"] for container in pods())
    for unit in SYSTEMD.glob("*.service"):
        [command] = re.findall(r"^ExecStart=\S+/clearmark (.*)$", unit.read_text(), flags=re.MULTILINE)
        yield command.split()


def test_every_command_exists_with_its_options() -> None:
    known = get_command(app).commands  # type: ignore[attr-defined]
    found = list(commands())
    assert len(found) == 8
    for name, *words in found:
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, (name, words)


def test_what_is_probed_is_answered() -> None:
    paths = specification()["paths"]
    probes = [probe for container in pods() for name, probe in container.items() if name.endswith("Probe")]
    assert {probe["httpGet"]["path"] for probe in probes} == {"/healthz", "/readyz"}
    assert {"/healthz", "/readyz"} <= set(paths)
    [asked] = re.findall(r"127\.0\.0\.1:8000(/\w+)", (DEPLOY / "Containerfile").read_text())
    assert asked in paths


def test_one_beat_runs() -> None:
    assert sum("--beat" in command for command in commands()) == 3  # compose, Kubernetes, systemd: one each
    [beat] = documents("kubernetes/beat.yaml")
    assert (beat["spec"]["replicas"], beat["spec"]["strategy"]["type"]) == (1, "Recreate")


def test_all_resources_of_kubernetes_are_applied() -> None:
    [kustomization] = documents("kubernetes/kustomization.yaml")
    lying = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == lying


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
def test_units_are_sound_and_bound(tmp_path: Path) -> None:
    # The program is not installed here: all units start something that is.
    for path in SYSTEMD.rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(SYSTEMD)
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(path.read_text().replace("/opt/clearmark/bin/clearmark", "/bin/true"))
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:", "LC_ALL": "C.UTF-8"}
    for unit in sorted(tmp_path.glob("*.service")):
        for asked in (["verify", "--man=no"], ["security", "--offline=yes", "--threshold=25"]):
            said = subprocess.run(
                ["systemd-analyze", *asked, unit], env=environment, capture_output=True, text=True, check=False
            )
            assert (said.returncode, said.stderr) == (0, ""), said
