"""Consents over HTTP, from the grant to the file that carries it, and to its end."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import media
from tests.api.conftest import HOLDER_SCOPES
from tests.api.service import RunningService, ok, problem, run_cli_here, send


@dataclass(frozen=True, slots=True, kw_only=True)
class Cameo:
    """A person with someone who speaks for them, a pipeline, and a clip of its making."""

    agent: httpx.Client
    dreamer: httpx.Client
    ada: str
    dreamer_id: str
    keys: dict[str, str]


@pytest.fixture(scope="module")
def cameo(service: RunningService, operator: httpx.Client) -> Iterator[Cameo]:
    keys = {name: service.key(name, *HOLDER_SCOPES) for name in ("Agency", "Dreamer")}
    holders = {holder["name"]: holder["id"] for holder in ok(operator.get("/v1/holders?limit=200"))["items"]}
    with service.client(keys["Agency"]) as agent, service.client(keys["Dreamer"]) as dreamer:
        said = {"title": "Ada", "kind": "likeness", "policy": "block"}
        ada = ok(agent.post("/v1/works", json=said), 201)["id"]
        yield Cameo(agent=agent, dreamer=dreamer, ada=ada, dreamer_id=holders["Dreamer"], keys=keys)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return media.clip_with_sound(tmp_path_factory.mktemp("cameo") / "cameo.mp4", seconds=5, seed=7101)


def grant(cameo: Cameo, **said: Any) -> dict[str, Any]:
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    body = {"grantee_id": cameo.dreamer_id, "uses": "both", "scope": "until", "expires": until} | said
    granted: dict[str, Any] = ok(cameo.agent.post(f"/v1/works/{cameo.ada}/consents", json=body), 201)
    return granted


def check(client: httpx.Client, clip: Path, **context: Any) -> httpx.Response:
    return send(client, "/v1/checks", clip, data={"context": json.dumps(context)})


def codes(found: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in found["reasons"]]


def consents_of(anyone: httpx.Client, file: Path) -> list[tuple[str, str]]:
    found = ok(send(anyone, "/v1/verifications", file))
    assert found["integrity"]["state"] == "intact"
    return [(consent["id"], consent["state"]) for consent in found["consents"]]


def test_a_cameo_goes_out_with_its_consent_and_shows_when_it_is_taken_back(
    cameo: Cameo, clip: Path, anyone: httpx.Client, tmp_path: Path
) -> None:
    blocked = ok(check(cameo.dreamer, clip, persons=[cameo.ada]))
    assert (blocked["verdict"], codes(blocked)) == ("block", ["no_match", "person_block"])

    [draft] = ok(cameo.agent.get(f"/v1/works/{cameo.ada}/drafts"))["items"]
    assert (draft["check_id"], draft["holder"], draft["holder_id"]) == (blocked["id"], "Dreamer", cameo.dreamer_id)
    granted = grant(cameo, scope="clip", clip_sha256=draft["sha256"], expires=None, conditions="Not for adverts.")
    [given] = ok(cameo.dreamer.get("/v1/consents"))["items"]
    assert given == granted

    clear = ok(check(cameo.dreamer, clip, persons=[cameo.ada], consents=[given["token"]]))
    assert (clear["verdict"], codes(clear)) == ("clear", ["no_match", "consent"])
    assert granted["id"] in clear["reasons"][-1]["message"]

    release = ok(cameo.dreamer.post("/v1/releases", json={"check_id": clear["id"]}), 201)
    file = tmp_path / "signed.mp4"
    file.write_bytes(cameo.dreamer.get(f"/v1/releases/{release['id']}/file").content)
    assert consents_of(anyone, file) == [(granted["id"], "granted")]
    assert b"adverts" not in file.read_bytes(), "the manifest tells no conditions"
    assert b"Ada" not in file.read_bytes()

    late = ok(check(cameo.dreamer, clip, persons=[cameo.ada], consents=[given["token"]]))
    assert late["verdict"] == "clear"
    assert cameo.agent.delete(f"/v1/consents/{granted['id']}").status_code == 204
    assert consents_of(anyone, file) == [(granted["id"], "revoked")]
    refused = problem(cameo.dreamer.post("/v1/releases", json={"check_id": late["id"]}), 409, "conflict")
    assert "revoked" in refused["detail"]
    gone = ok(check(cameo.dreamer, clip, persons=[cameo.ada], consents=[given["token"]]))
    assert (gone["verdict"], codes(gone)[1:]) == ("block", ["person_block", "consent_revoked"])

    drafts = ok(cameo.agent.get(f"/v1/works/{cameo.ada}/drafts"))["items"]
    assert [one["release_id"] for one in drafts] == [None, release["id"], None, None]
    assert ok(cameo.agent.get(f"/v1/ledger/receipts/{granted['id']}"))["facts"]["conditions"] == "Not for adverts."


def test_the_same_request_grants_once(cameo: Cameo) -> None:
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    body = {"grantee_id": cameo.dreamer_id, "uses": "voice", "scope": "until", "expires": until}

    def post(**more: str) -> httpx.Response:
        headers = {"Idempotency-Key": "grant-1"}
        return cameo.agent.post(f"/v1/works/{cameo.ada}/consents", json=body | more, headers=headers)

    first = post()
    assert ok(post(), 201) == ok(first, 201)
    assert first.headers["Location"] == f"/v1/consents/{first.json()['id']}"
    problem(post(uses="both"), 409, "conflict")


def test_the_same_key_with_other_persons_is_another_request(cameo: Cameo, clip: Path) -> None:
    headers = {"Idempotency-Key": "check-1"}

    def post(**context: Any) -> httpx.Response:
        return send(cameo.dreamer, "/v1/checks", clip, data={"context": json.dumps(context)}, headers=headers)

    first = ok(post(model="x"))
    assert ok(post(model="x"))["id"] == first["id"]
    problem(post(model="x", persons=[cameo.ada]), 409, "conflict")


def test_a_consent_is_not_there_for_others(cameo: Cameo, stranger: httpx.Client, anyone: httpx.Client) -> None:
    granted = grant(cameo)
    paths = (f"/v1/consents/{granted['id']}", f"/v1/works/{cameo.ada}/consents", f"/v1/works/{cameo.ada}/drafts")
    for path in paths:
        problem(stranger.get(path), 404, "not-found")
        problem(anyone.get(path), 401, "unauthorized")
    for client, status, name in ((stranger, 404, "not-found"), (cameo.dreamer, 403, "forbidden")):
        problem(client.delete(paths[0]), status, name)
    problem(cameo.dreamer.get(paths[1]), 404, "not-found")
    problem(stranger.get(f"/v1/ledger/receipts/{granted['id']}"), 404, "not-found")
    for client in (cameo.agent, cameo.dreamer):
        assert ok(client.get(paths[0]))["token"] == granted["token"]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"grantee_id": "hld_0"}, "grantee_id"),
        ({"grantee_id": "a\u0000"}, "body"),
        ({"scope": "clip"}, "clip_sha256"),
        ({"scope": "clip", "clip_sha256": "AB"}, "clip_sha256"),
        ({"scope": "project"}, "project"),
        ({"scope": "for ever"}, "scope"),
        ({"uses": "gait"}, "uses"),
        ({"expires": None}, "expires"),
        ({"expires": "2020-01-01T00:00:00Z"}, "expires"),
        ({"expires": "tomorrow"}, "expires"),
        ({"conditions": "x" * 5001}, "conditions"),
    ],
)
def test_a_grant_that_makes_no_sense_says_what_to_change(cameo: Cameo, said: dict[str, Any], field: str) -> None:
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    body = {"grantee_id": cameo.dreamer_id, "uses": "both", "scope": "until", "expires": until} | said
    answer = cameo.agent.post(f"/v1/works/{cameo.ada}/consents", json=body)
    assert problem(answer, 422, "invalid")["field"] == field


@pytest.mark.parametrize(
    ("context", "field"),
    [
        ({"persons": ["wrk_0"]}, "context.persons"),
        ({"persons": ["wrk_\u0000"]}, "context.persons"),
        ({"persons": {"a": 1}}, "context.persons"),
        ({"persons": ["x"] * 17}, "context.persons"),
        ({"consents": ["x" * 1100] * 16}, "context"),
        ({"consents": ["x"] * 17}, "context.consents"),
        ({"consents": [["x"]]}, "context.consents"),
        ({"consents": ["x"], "project": "\u0000"}, "context.project"),
    ],
)
def test_a_context_that_names_nobody_is_refused(cameo: Cameo, clip: Path, context: dict[str, Any], field: str) -> None:
    assert problem(check(cameo.dreamer, clip, **context), 422, "invalid")["field"] == field


def test_a_token_that_is_none_is_a_reason_in_the_verdict(cameo: Cameo, clip: Path) -> None:
    for token in ("\u0000", "e.y.z", "x" * 5000):
        found = ok(check(cameo.dreamer, clip, persons=[cameo.ada], consents=[token]))
        assert (found["verdict"], codes(found)[1:]) == ("block", ["person_block", "consent_bad_token"])


def test_the_command_line_grants_lists_presents_and_revokes(service: RunningService, cameo: Cameo, clip: Path) -> None:
    def run(name: str, *arguments: object) -> Any:
        environment = {**service.environment, "CLEARMARK_URL": service.url, "CLEARMARK_KEY": cameo.keys[name]}
        return run_cli_here(*arguments, environment=environment)

    ran = run("Agency", "consents", "grant", cameo.ada, "--to", cameo.dreamer_id, "--clip", clip, "--json")
    assert ran.returncode == 0, ran.stderr
    granted = json.loads(ran.stdout)
    assert (granted["scope"], granted["uses"]) == ("clip", "both")
    context = json.dumps({"persons": [cameo.ada], "consents": [granted["token"]]})
    assert run("Dreamer", "check", clip, "--context", context).returncode == 0
    listed = run("Dreamer", "consents", "list")
    assert granted["id"] in listed.stdout
    assert run("Agency", "consents", "revoke", granted["id"]).returncode == 0
    assert run("Dreamer", "check", clip, "--context", context).returncode == 10
    of_ada = json.loads(run("Agency", "consents", "list", "--of", cameo.ada, "--json").stdout)
    assert {one["id"]: one["state"] for one in of_ada}[granted["id"]] == "revoked"
    to = ("consents", "grant", cameo.ada, "--to", cameo.dreamer_id)
    until = json.loads(run("Agency", *to, "--until", "2099-12-31", "--json").stdout)
    assert (until["scope"], until["expires"]) == ("until", "2099-12-31T23:59:59Z")
    assert run("Agency", *to, "--until", "soon").returncode == 2
    assert run("Agency", *to, "--clip", clip, "--project", "Spring").returncode == 2
    assert run("Agency", *to).returncode == 1, "a consent to everything needs an end"
