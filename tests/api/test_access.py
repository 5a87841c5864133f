"""Who may do what: held for every route of the specification, so that a new one cannot be forgotten."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.app import specification
from registry.access import USE_SCOPES, Scope
from tests.api.access import (
    KEYED,
    NEEDS,
    OPERATIONS,
    OPTIONAL,
    PERSONAL,
    PRIVATE,
    PUBLIC,
    Owned,
    key_of,
    needed,
    one_of_everything,
)
from tests.api.conftest import Clips
from tests.api.service import PLAIN, RunningService, ok, problem


@pytest.fixture(scope="module")
def owned(service: RunningService, clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Owned:
    return one_of_everything(service, clips.unrelated, tmp_path_factory.mktemp("owned"))


@pytest.fixture(scope="module")
def owner(service: RunningService, owned: Owned) -> Iterator[httpx.Client]:
    with service.client(owned.keys[()]) as client:
        yield client


def test_the_table_above_knows_every_route() -> None:
    assert set(NEEDS) | PUBLIC | OPTIONAL | PERSONAL == set(OPERATIONS)
    secured = {
        f"{method.upper()} {path}"
        for path, methods in specification()["paths"].items()
        for method, operation in methods.items()
        if operation.get("security")
    }
    assert secured == set(NEEDS) | OPTIONAL | PERSONAL


@pytest.mark.parametrize("operation", PRIVATE)
@pytest.mark.parametrize("credentials", [None, "Bearer cm_0_0", "Basic Y206MQ==", "Bearer cm_ü_ü"])
def test_without_a_valid_key_nothing_is_told(
    service: RunningService, owned: Owned, operation: str, credentials: str | None
) -> None:
    headers = httpx.Headers({"Authorization": credentials} if credentials else {}, encoding="utf-8")
    with httpx.Client(base_url=service.url, headers=headers, timeout=30, verify=PLAIN) as nobody:
        answer = owned.request(nobody, operation)
    problem(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("operation", ["POST /v1/checks", "POST /v1/works/{work_id}/assets"])
def test_without_a_valid_key_no_body_is_looked_at(anyone: httpx.Client, owned: Owned, operation: str) -> None:
    path = operation.split(" ")[1].format(**owned.ids)
    for body, kind in ((b"no form", "multipart/form-data; boundary=x"), (b"{", "application/json"), (b"?", "x/y")):
        problem(anyone.post(path, content=body, headers={"Content-Type": kind}), 401, "unauthorized")


@pytest.mark.parametrize("operation", sorted(PERSONAL))
def test_no_key_opens_what_is_a_persons_own(operator: httpx.Client, owned: Owned, operation: str) -> None:
    problem(owned.request(operator, operation), 401, "unauthorized")


@pytest.mark.parametrize("operation", KEYED)
def test_a_key_without_the_scope_is_forbidden(service: RunningService, owned: Owned, operation: str) -> None:
    scopes = needed(operation)
    with service.client(owned.keys[scopes or (Scope.WORKS_WRITE,)]) as weak:
        if scopes:
            problem(owned.request(weak, operation), 403, "forbidden")
        else:  # what it may, it would do to what other tests ask about
            assert owned.nowhere().request(weak, operation).status_code not in (401, 403)


# An answer to a notice is for who released what it is about; the test of a whole case has it.
ANSWER = "POST /v1/notices/{notice_id}/counter-notice"


@pytest.mark.parametrize("operation", [one for one in KEYED if len(needed(one)) > 1 and one != ANSWER])
def test_one_of_several_scopes_is_enough(service: RunningService, owned: Owned, operation: str) -> None:
    for scope in needed(operation):
        with service.client(key_of(service, "Owner", [scope])) as able:
            assert owned.request(able, operation).status_code not in (401, 403), scope


@pytest.mark.parametrize("lent", USE_SCOPES)
def test_an_agent_reaches_nothing_of_what_was_not_lent(service: RunningService, owned: Owned, lent: Scope) -> None:
    owner, agent = (key_of(service, name, [Scope.HOLDER_WRITE, *USE_SCOPES]) for name in ("Owner", "Agent"))
    with service.client(owner) as principal, service.client(agent) as acting:
        mine = ok(acting.get("/v1/holder"))["id"]
        ok(principal.post("/v1/agents", json={"agent_id": mine, "scopes": [lent]}), 201)
        acting.headers["Clearmark-Holder"] = ok(principal.get("/v1/holder"))["id"]
        for operation in KEYED:
            if needed(operation) and lent not in needed(operation):
                assert owned.request(acting, operation).status_code == 403, operation


@pytest.mark.parametrize("operation", [operation for operation in KEYED if "_id}" in operation])
def test_what_belongs_to_another_does_not_exist(
    owner: httpx.Client, stranger: httpx.Client, operator: httpx.Client, owned: Owned, operation: str
) -> None:
    answer = owned.request(stranger, operation)
    if needed(operation) in ((Scope.REVIEW,), (Scope.ADMIN,)):
        problem(answer, 403, "forbidden")  # whatever the id
        return
    there = problem(answer, 404, "not-found")
    owned.require_there(owner, operator, operation)
    nowhere = problem(owned.nowhere().request(stranger, operation), 404, "not-found")
    assert _but_for_ids(there["detail"]) == _but_for_ids(nowhere["detail"])
    assert there.keys() == nowhere.keys()


def _but_for_ids(text: str) -> str:
    return re.sub(r"[a-z]{3}_[0-9a-f]{32}", "…", text)


def test_a_release_of_anothers_check_is_refused(stranger: httpx.Client, owned: Owned) -> None:
    problem(stranger.post("/v1/releases", json={"check_id": owned.ids["check_id"]}), 404, "not-found")


_LISTS = [
    "works", "checks", "releases", "notices", "reservations", "conflicts", "findings", "imports", "webhooks/messages",
    "keys", "agents", "domains", "members", "invitations",
]  # fmt: skip


@pytest.mark.parametrize("path", _LISTS)
def test_lists_hold_only_what_is_ones_own(owner: httpx.Client, stranger: httpx.Client, owned: Owned, path: str) -> None:
    mine, theirs = (client.get(f"/v1/{path}?limit=200") for client in (owner, stranger))
    assert (mine.status_code, theirs.status_code) == (httpx.codes.OK, httpx.codes.OK)
    ids = [value for name, value in owned.ids.items() if name.endswith("_id")]
    assert any(one in mine.text for one in ids)
    assert not any(one in theirs.text for one in ids)


def test_answers_forbid_what_a_page_could_do_with_them(anyone: httpx.Client) -> None:
    for path in ("/healthz", "/v1/works", "/nowhere"):
        headers = anyone.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_an_unknown_path_or_method_is_a_problem(anyone: httpx.Client) -> None:
    problem(anyone.get("/v1/nothing"), 404, "not-found")
    refused = anyone.put("/v1/works")
    problem(refused, 405, "method-not-allowed")
    assert "POST" in refused.headers["Allow"]


def test_media_lies_under_no_name_of_a_users(service: RunningService) -> None:
    names = [path.name for path in Path(service.data_dir, "blobs").rglob("*") if path.is_file()]
    assert names
    assert not [name for name in names if "." in name]
