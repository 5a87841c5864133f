"""Copies by the command line and over HTTP: made of a running service, asked when there is none."""

import hashlib
import io
import json
import shutil
import socket
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.console import Exit
from registry.domain.feed import open_page
from registry.domain.tokens import TokenKeys, generate_pem
from tests.api.conftest import Clips, Registered, register
from tests.api.service import RunningService, ok, problem, run_cli_here


@pytest.fixture(scope="module")
def key(service: RunningService) -> str:
    """A key of somebody who has registered nothing: any key may read the feed."""
    return service.key("Copier", "checks:write")


@pytest.fixture(scope="module")
def copy(service: RunningService, key: str, film: Registered, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("copy") / "copy.db"
    told = _json(_sync(service, key, path))
    assert told["items"] >= 4
    assert told["service"] == "clearmark.local/ledger"
    assert film.work_id
    return path


def _sync(service: RunningService, key: str, path: Path, *options: str) -> Any:
    arguments = ("sync", "--copy", path, "--url", service.url, "--key", key, "--json", *options)
    return run_cli_here(*arguments, environment=service.environment)


def _ask(service: RunningService, path: Path, tmp_path: Path, *lines: str, options: tuple[str, ...] = ()) -> Any:
    """Ask a copy with no key and no network."""
    file = tmp_path / "lines.txt"
    file.write_text("".join(f"{line}\n" for line in lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CLEARMARK_KEY", raising=False)
        patch.setattr(socket.socket, "connect", _no_network)
        patch.setattr(socket, "getaddrinfo", _no_network)
        arguments = ("preferences", "query", file, "--copy", path, *options)
        return run_cli_here(*arguments, environment=service.environment)


def _no_network(*_arguments: object) -> None:
    pytest.fail("it looks for a network")


def _json(ran: Any) -> dict[str, Any]:
    assert ran.returncode == Exit.OK, ran.stderr
    assert ran.stderr == ""
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def _answers(ran: Any) -> list[dict[str, Any]]:
    assert ran.returncode == Exit.OK, ran.stderr
    assert ran.stderr == ""
    return [json.loads(line) for line in ran.stdout.splitlines()]


def _refused(ran: Any, says: str, code: Exit = Exit.ERROR) -> None:
    assert ran.returncode == code, ran.stderr
    assert ran.stdout == ""
    assert len(ran.stderr.splitlines()) == 1, ran.stderr
    assert says in ran.stderr


# -- over HTTP -----------------------------------------------------------------------------------


def test_the_feed_is_read_with_a_key_and_checked_with_the_services_own(
    service: RunningService, key: str, film: Registered, anyone: httpx.Client
) -> None:
    problem(anyone.get("/v1/feeds/reservations"), 401, "unauthorized")
    keys = ok(anyone.get("/.well-known/jwks.json"))
    with service.client(key) as client:
        answer = client.get("/v1/feeds/reservations", params={"limit": 2})
        assert answer.headers["content-type"] == "application/jwt"
        page = open_page(answer.text, keys=keys)
        assert (page.since, len(page.items), page.is_last) == (0, 2, False)
        told = {fact.id for fact in page.items}
        while not page.is_last:
            page = open_page(client.get("/v1/feeds/reservations", params={"since": page.next}).text, keys=keys)
            told |= {fact.id for fact in page.items}
        assert {film.work_id, film.asset_id} <= told


@pytest.mark.parametrize("parameters", ["since=-1", "since=9999999999999", "since=x", "limit=0", "limit=5001"])
def test_a_place_that_cannot_be_is_invalid(service: RunningService, key: str, parameters: str) -> None:
    with service.client(key) as client:
        problem(client.get(f"/v1/feeds/reservations?{parameters}"), 422, "invalid")


# -- a copy --------------------------------------------------------------------------------------


def test_a_copy_gives_the_answers_of_the_service_with_no_network(
    service: RunningService, key: str, copy: Path, film: Registered, clips: Clips, studio: httpx.Client, tmp_path: Path
) -> None:
    said = {"scope": "location", "location": "https://studio.example/films/", "use": "tdm", "value": "reserved"}
    ok(studio.post("/v1/reservations", json=said), 201)
    changed = register(studio, clips.unrelated, title="Soon gone", reservations=[{"use": "train", "value": "allowed"}])
    sha256 = hashlib.sha256(clips.film.read_bytes()).hexdigest()
    _json(_sync(service, key, copy))
    lines = [film.work_id, film.asset_id, sha256, "00" * 32, changed.work_id, "https://studio.example/films/a.mp4",
             json.dumps({"work_id": film.work_id})]  # fmt: skip
    offline = _answers(_ask(service, copy, tmp_path, *lines, options=("--json",)))
    online = _answers(
        run_cli_here(
            *("preferences", "query", tmp_path / "lines.txt", "--url", service.url, "--key", key, "--json"),
            environment=service.environment,
        )
    )
    fields = ("item", "work_ids", "preferences")
    assert [{name: one[name] for name in fields} for one in offline] == [
        {name: one[name] for name in fields} for one in online
    ]
    trained = [one["preferences"]["train"]["answer"] for one in offline]
    assert trained == ["reserved", "reserved", "reserved", "unset", "allowed", "unset", "reserved"]
    assert offline[5]["preferences"]["tdm"]["answer"] == "reserved"
    assert all(0 <= one["age_s"] < 60 and datetime.fromisoformat(one["as_of"]) for one in offline)
    assert studio.delete(f"/v1/works/{changed.work_id}").is_success
    assert _json(_sync(service, key, copy))["items"] > 0
    [after] = _answers(_ask(service, copy, tmp_path, changed.work_id, options=("--json",)))
    assert (after["work_ids"], after["preferences"]["train"]["answer"]) == ([], "unset")
    assert _json(_sync(service, key, copy))["items"] == 0


def test_a_person_is_told_how_old_the_answers_are(
    service: RunningService, copy: Path, film: Registered, tmp_path: Path
) -> None:
    ran = _ask(service, copy, tmp_path, film.work_id, options=("--use", "train", "--territory", "FR"))
    assert ran.returncode == Exit.OK, ran.stderr
    assert "As of " in ran.stdout
    assert "ago" in ran.stdout
    assert "reserved" in ran.stdout


@pytest.fixture
def aged(copy: Path, tmp_path: Path) -> Path:
    """The copy as it will be in two days."""
    return _changed(copy, tmp_path / "aged.db", as_of=str(datetime.now(UTC).replace(tzinfo=None) - timedelta(days=2)))


def _changed(copy: Path, other: Path, **state: object) -> Path:
    """Another copy, with something else in its state."""
    shutil.copy(copy, other)
    with sqlite3.connect(other) as connection:
        for name, value in state.items():
            connection.execute(f"UPDATE copy_state SET {name} = ?", (value,))
    connection.close()
    return other


def test_a_copy_that_is_older_than_allowed_answers_nothing(
    service: RunningService, aged: Path, film: Registered, tmp_path: Path
) -> None:
    [told] = _answers(_ask(service, aged, tmp_path, film.work_id, options=("--json",)))
    assert 47 * 3600 < told["age_s"] < 49 * 3600
    for options in (("--max-age", "24h"), ("--max-age", "47h", "--json"), ("--max-age", "0s")):
        _refused(_ask(service, aged, tmp_path, film.work_id, options=options), "The copy is of ", Exit.UNKNOWN)
    assert _answers(_ask(service, aged, tmp_path, film.work_id, options=("--max-age", "3d", "--json")))


def test_a_copy_from_a_time_to_come_is_as_doubtful_as_an_old_one(
    service: RunningService, copy: Path, film: Registered, tmp_path: Path
) -> None:
    ahead = str(datetime.now(UTC).replace(tzinfo=None) + timedelta(days=2))
    ran = _ask(
        service, _changed(copy, tmp_path / "b.db", as_of=ahead), tmp_path, film.work_id, options=("--max-age", "24h")
    )
    _refused(ran, "The copy is of", Exit.UNKNOWN)


def test_a_key_that_the_copy_does_not_know_is_believed_only_when_told_to(
    service: RunningService, key: str, copy: Path, tmp_path: Path
) -> None:
    others = json.dumps(TokenKeys([generate_pem()]).public())
    other = _changed(copy, tmp_path / "other.db", keys=others)
    before = other.read_bytes()
    _refused(_sync(service, key, other), "--trust-new-keys")
    assert other.read_bytes() == before
    assert _json(_sync(service, key, other, "--trust-new-keys"))
    assert _json(_sync(service, key, other))


def test_a_service_that_was_set_back_is_told_of(service: RunningService, key: str, copy: Path, tmp_path: Path) -> None:
    other = _changed(copy, tmp_path / "ahead.db", sequence=10**6, head=10**6)
    _refused(_sync(service, key, other), "Delete")
    _refused(_sync(service, key, _changed(copy, tmp_path / "marked.db", mark="00" * 8)), "Delete")


def test_what_is_no_copy_is_left_alone(service: RunningService, key: str, tmp_path: Path, film: Registered) -> None:
    registry = tmp_path / "registry.db"
    shutil.copy(service.data_dir / "clearmark.db", registry)
    text = tmp_path / "notes.txt"
    text.write_text("not a database")
    empty = tmp_path / "empty.db"
    empty.touch()
    for path in (registry, text, empty, tmp_path):
        before = path.read_bytes() if path.is_file() else None
        ran = _sync(service, key, path)
        assert ran.returncode in (Exit.ERROR, Exit.USAGE), ran.stderr
        assert ran.stdout == ""
        assert (path.read_bytes() if path.is_file() else None) == before
        assert _ask(service, path, tmp_path, film.work_id).returncode == Exit.ERROR
    _refused(_ask(service, tmp_path / "nowhere.db", tmp_path, film.work_id), "clearmark sync")
    assert not (tmp_path / "nowhere.db").exists()


def test_a_broken_copy_is_told_of(
    service: RunningService, key: str, copy: Path, film: Registered, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.db"
    content = copy.read_bytes()
    for whole in (len(content) // 3, len(content) * 2 // 3):
        broken.write_bytes(content[:whole] + b"x" * (len(content) - whole))
        _refused(_ask(service, broken, tmp_path, film.work_id), "broken.db")
        _refused(_sync(service, key, broken), "broken.db")


def test_lines_come_from_standard_input_too(
    service: RunningService, copy: Path, film: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{film.work_id}\n"))
    arguments = ("preferences", "query", "-", "--copy", copy, "--json")
    [told] = _answers(run_cli_here(*arguments, environment=service.environment))
    assert told["item"] == {"work_id": film.work_id}


def test_a_copy_that_was_never_whole_answers_nothing(service: RunningService, film: Registered, tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    _refused(_sync(service, "cm_wrong_key", path), "valid key")
    _refused(_ask(service, path, tmp_path, film.work_id), "clearmark sync")


def test_a_line_that_names_nothing_is_told_with_its_number(service: RunningService, copy: Path, tmp_path: Path) -> None:
    _refused(_ask(service, copy, tmp_path, "wrk_1", "film.mp4"), "line 2")
    (tmp_path / "lines.bin").write_bytes(b"\xff\xfe\x00")
    for file in (tmp_path / "lines.bin", tmp_path / "nowhere.txt", tmp_path):
        ran = run_cli_here("preferences", "query", file, "--copy", copy, environment=service.environment)
        assert ran.returncode == Exit.USAGE, ran.stderr
        assert file.name in ran.stderr
