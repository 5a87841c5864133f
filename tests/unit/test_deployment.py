"""What lies in deploy/ fits the program: settings, commands and paths that are there. Its form is for the linters."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML
from typer.main import get_command

from api.app import specification
from api.cli import app
from api.settings import Environment, Settings
from tests.servers.lacking import not_tested

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
SYSTEMD = DEPLOY / "systemd"
# What the example leaves to the operator.
SAID = {"CLEARMARK_OPERATOR": "Us", "CLEARMARK_TAKEDOWN_MAIL": "takedown@clearmark.example",
        "CLEARMARK_METRICS_TOKEN": "0123456789abcdef"}  # fmt: skip
PASSWORD = "x7Qp-2k"
METRICS_PORT = 9100


def documents(name: str) -> list[Mapping[str, Any]]:
    return list(YAML(typ="safe").load_all(DEPLOY / name))


def resources(*kinds: str) -> Iterator[Mapping[str, Any]]:
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        yield from (one for one in documents(f"kubernetes/{path.name}") if one["kind"] in kinds)


def pods_in(said: object) -> Iterator[Mapping[str, Any]]:
    """Whatever has containers, at any depth."""
    if isinstance(said, Mapping):
        if "containers" in said:
            yield said
        for value in said.values():
            yield from pods_in(value)


def pods() -> list[Mapping[str, Any]]:
    return [pod for one in resources("Deployment", "CronJob", "Job") for pod in pods_in(one)]


def containers() -> Iterator[Mapping[str, Any]]:
    """Those that run the program."""
    for pod in pods():
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            if "postgres" not in container["image"]:
                yield container


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


def test_compose_sets_what_production_wants_once_the_example_is_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    [compose] = documents("compose.yaml")
    said = {**example("clearmark.env.example"), **SAID}
    filled = {name: value.replace("PASSWORD", PASSWORD) for name, value in said.items()}
    for name in ("api", "worker", "beat"):
        given = compose["services"][name]["environment"]
        assert settings_of({**filled, **given}, monkeypatch).env is Environment.PRODUCTION
        with pytest.raises(
            ValidationError, match=r"CLEARMARK_DATABASE_URL: its password.*CLEARMARK_MAIL_URL: its pass"
        ):
            settings_of({**said, **given}, monkeypatch)


def test_kubernetes_sets_what_production_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    [config] = documents("kubernetes/config.yaml")
    secret = {
        "CLEARMARK_DATABASE_URL": f"postgresql+psycopg://clearmark:{PASSWORD}@database.example/clearmark",
        "CLEARMARK_MAIL_URL": f"smtps://user:{PASSWORD}@mail.example:465",
    }
    assert all(f"--from-literal={name}=" in (DEPLOY / "README.md").read_text() for name in secret)
    assert settings_of({**config["data"], **secret}, monkeypatch).env is Environment.PRODUCTION
    for container in containers():
        assert container["envFrom"] == [{"configMapRef": {"name": "clearmark"}}, {"secretRef": {"name": "clearmark"}}]


def test_no_pod_is_told_of_services_by_names_that_are_settings() -> None:
    # Of the Service `clearmark` Kubernetes makes CLEARMARK_PORT=tcp://10.0.0.1:80, with which nothing starts.
    assert "clearmark" in {one["metadata"]["name"] for one in resources("Service")}
    assert len(pods()) == 5
    assert [pod for pod in pods() if pod.get("enableServiceLinks") is not False] == []


def test_nothing_old_runs_beside_a_new_version_that_changes_the_tables() -> None:
    assert {one["spec"]["strategy"]["type"] for one in resources("Deployment")} == {"Recreate"}


def test_every_process_tells_its_metrics_where_prometheus_may_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    [config] = documents("kubernetes/config.yaml")
    [compose] = documents("compose.yaml")
    for said in (config["data"], *(compose["services"][name]["environment"] for name in ("api", "worker", "beat"))):
        metrics = {name: value for name, value in said.items() if name.startswith("CLEARMARK_METRICS_")}
        settings = settings_of(metrics, monkeypatch)
        assert (settings.metrics_port, settings.metrics_host) == (METRICS_PORT, "0.0.0.0")
    for pod in (pod for one in resources("Deployment") for pod in pods_in(one)):
        assert {"name": "metrics", "containerPort": METRICS_PORT} in pod["containers"][0]["ports"]
    [policy] = resources("NetworkPolicy")
    assert METRICS_PORT in {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    assert "CLEARMARK_METRICS_TOKEN" in example("clearmark.env.example")


def test_each_process_of_systemd_on_a_machine_has_a_port_for_its_metrics() -> None:
    units = [unit.read_text() for unit in SYSTEMD.glob("*.service")]
    ports = {port for unit in units for port in re.findall(r"CLEARMARK_METRICS_PORT=(\d+)", unit)}
    assert len(ports) == len(units) == 3
    assert {port for port in ports if port in (DEPLOY / "README.md").read_text()} == ports
    [scraped] = documents("monitoring/prometheus.yaml")
    targets = [one for job in scraped["scrape_configs"] for said in job["static_configs"] for one in said["targets"]]
    assert {target.rpartition(":")[2] for target in targets} == ports, "and none through the proxy"


def test_every_job_that_the_alerts_name_is_scraped() -> None:
    alerts = (DEPLOY / "monitoring" / "alerts.yaml").read_text()
    asked = set(re.findall(r'job=~?"(clearmark[\w.*-]*)"', alerts))
    [plain] = documents("monitoring/prometheus.yaml")
    [cluster] = documents("monitoring/prometheus-kubernetes.yaml")
    rules = cluster["scrape_configs"][0]["relabel_configs"]
    jobs = {rule["replacement"]: rule["regex"] for rule in rules if rule.get("target_label") == "job"}
    assert set(jobs) == {one["job_name"] for one in plain["scrape_configs"]}
    assert all(any(re.fullmatch(pattern, job) for job in jobs) for pattern in asked)
    assert set(re.findall(r'absent\(up\{job="([\w-]+)"\}\)', alerts)) == set(jobs), "of each, that none is left"
    components = {one["metadata"]["labels"]["app.kubernetes.io/component"] for one in resources("Deployment")}
    assert {component for regex in jobs.values() for component in regex.split("|")} == components


def test_a_backup_is_put_back_from_where_it_was_kept() -> None:
    """The database first when it is copied, last when it is put back; and by an image that can."""
    [keeping], [giving] = (list(pods_in(one)) for one in resources("CronJob", "Job"))
    [dump], [files] = keeping["initContainers"], keeping["containers"]
    [files_back], [dump_back] = giving["initContainers"], giving["containers"]
    assert files["args"] == ["backup", "--without-database", "/backup/files"]
    assert files_back["args"][:2] == ["restore", "/backup/files"]
    assert "/backup/database.dump" in dump["command"][2]
    assert "/backup/database.dump" in dump_back["command"][2]
    [compose] = documents("compose.yaml")
    assert {dump["image"], dump_back["image"]} == {compose["services"]["database"]["image"]}
    [kustomization] = documents("kubernetes/kustomization.yaml")
    [image] = kustomization["images"]
    assert files_back["image"] == f"{image['newName']}:{image['newTag']}"  # it is applied without kustomize


def commands() -> Iterator[Sequence[str]]:
    [compose] = documents("compose.yaml")
    yield from (service["command"] for name, service in compose["services"].items() if name in ("worker", "beat"))
    yield from (container["args"] for container in containers())
    for unit in SYSTEMD.glob("*.service"):
        [command] = re.findall(r"^ExecStart=\S+/clearmark (.*)$", unit.read_text(), flags=re.MULTILINE)
        yield command.split()


def test_every_command_exists_with_its_options() -> None:
    known = get_command(app).commands  # type: ignore[attr-defined]
    found = list(commands())
    assert len(found) == 10
    for name, *words in found:
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, (name, words)


def test_what_is_probed_is_answered() -> None:
    paths = specification()["paths"]
    probes = [probe for container in containers() for name, probe in container.items() if name.endswith("Probe")]
    assert {probe["httpGet"]["path"] for probe in probes} == {"/healthz", "/readyz"}
    assert {"/healthz", "/readyz"} <= set(paths)
    [asked] = re.findall(r"127\.0\.0\.1:8000(/\w+)", (DEPLOY / "Containerfile").read_text())
    assert asked in paths


def test_one_beat_runs() -> None:
    assert sum("--beat" in command for command in commands()) == 3  # compose, Kubernetes, systemd: one each
    [beat] = documents("kubernetes/beat.yaml")
    assert (beat["spec"]["replicas"], beat["spec"]["strategy"]["type"]) == (1, "Recreate")


def test_all_resources_of_kubernetes_are_applied_but_what_puts_a_backup_back() -> None:
    [kustomization] = documents("kubernetes/kustomization.yaml")
    lying = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")} - {"kustomization.yaml", "restore.yaml"}
    assert set(kustomization["resources"]) == lying


def test_units_are_sound_and_bound(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        not_tested("units of systemd", "there is no systemd-analyze")
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
