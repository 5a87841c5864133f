"""The service is killed over a signing, stopped, started twice, and given a damaged index: it keeps what it has."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from registry.database import Database
from registry.models import LedgerEntry
from tests import media
from tests.api.service import (
    RunningService,
    end,
    environment_of,
    errors_of,
    finished,
    ok,
    run_cli_forked,
    send,
    start_service,
    until,
)

SCOPES = ("works:write", "checks:write")


@dataclass(slots=True)
class House:
    """A data folder whose service comes and goes."""

    folder: Path
    running: list[RunningService] = field(default_factory=list)

    def start(self) -> RunningService:
        self.running.append(start_service(self.folder / "var", self.folder / "stderr", sscd_model="none"))
        return self.running[-1]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    for service in made.running:
        end(service.process)
    assert made.running
    assert (errors := errors_of(made.running[-1])) == [], "\n".join(errors)


def _together(*doing: Callable[[], None]) -> list[threading.Thread]:
    """Start them all. What they do ends when the service is gone; any other error fails the test."""

    def run(act: Callable[[], None]) -> None:
        try:
            act()
        except httpx.TransportError:
            return

    threads = [threading.Thread(target=run, args=(act,)) for act in doing]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.timeout(300)  # seven starts
def test_a_signing_that_is_killed_leaves_a_whole_release_or_none(house: House, tmp_path: Path) -> None:
    """Killed at moments spread over a signing, whose length is learnt from the first that is let be."""
    service = house.start()
    maker = service.key("Pipeline", "checks:write", "releases:write")
    took_s, whole = 0.0, 0
    for number, share in enumerate([1.0, 0.15, 0.3, 0.45, 0.6, 0.8]):
        clip = media.clip_with_sound(tmp_path / f"{number}.mp4", seconds=4, seed=900 + number)
        with service.client(maker) as client:
            check = ok(send(client, "/v1/checks", clip))["id"]

        def release(at: str = service.url, asked: str = check) -> None:
            with httpx.Client(base_url=at, headers={"Authorization": f"Bearer {maker}"}, timeout=60) as client:
                client.post("/v1/releases", json={"check_id": asked})

        began = time.monotonic()
        [thread] = _together(release)
        if number == 0:
            thread.join(timeout=60)
            took_s = time.monotonic() - began
        else:
            time.sleep(took_s * share)
        service.kill()
        thread.join(timeout=60)
        assert not thread.is_alive()
        service = house.start()
        with service.client(maker) as client:
            made = [one for one in ok(client.get("/v1/releases"))["items"] if one["check_id"] == check]
            whole += len(made)
            for one in made:
                signed = tmp_path / "signed.mp4"
                signed.write_bytes(client.get(f"/v1/releases/{one['id']}/file").content)
                found = ok(send(client, "/v1/verifications", signed))
                assert (found["integrity"]["state"], found["signer"]["state"]) == ("intact", "trusted")
                assert found["release"]["release_id"] == one["id"]
                assert client.get(f"/sbr/manifests/{one['manifest_id']}").status_code == 200
            if not made:  # and it may be asked for again
                assert ok(client.post("/v1/releases", json={"check_id": check}), 201)["state"] == "signed"
    assert 1 <= whole < 6, "none was killed in time"
    proved = service.cli("ledger", "verify", "--json")
    assert (proved.returncode, json.loads(proved.stdout)["problems"]) == (0, [])


def test_sigterm_stops_it_cleanly_and_work_in_hand_goes_on_later(house: House, tmp_path: Path) -> None:
    long = media.filtered(tmp_path / "long.mp4", "testsrc2=s=640x360:r=25", seconds=100)
    service = house.start()
    with service.client(service.key("Pipeline", *SCOPES)) as client:
        accepted = ok(send(client, "/v1/checks", long), 202)
        until(lambda: ok(client.get(f"/v1/checks/{accepted['id']}"))["status"] == "processing")
        key = client.headers
    began = time.monotonic()
    assert service.stop() == 0
    assert time.monotonic() - began < 10
    with httpx.Client(base_url=house.start().url, headers=key, timeout=30) as client:
        assert finished(client, f"/v1/checks/{accepted['id']}")["verdict"] == "clear"
    database = Database(f"sqlite:///{service.data_dir / 'clearmark.db'}")
    with database.reading() as session:
        written = session.scalars(sa.select(LedgerEntry.data).where(LedgerEntry.subject_id == accepted["id"])).all()
    database.dispose()
    assert [data.count("verdict.given") for data in written] == [1]


def test_a_second_service_on_the_same_folder_is_refused_in_one_line(house: House) -> None:
    service = house.start()
    second = run_cli_forked("serve", "--port", "0", environment=service.environment)
    assert (second.returncode, second.stdout) == (1, "")
    assert len(second.stderr.strip().splitlines()) == 1, second.stderr
    assert "CLEARMARK_DATA_DIR" in second.stderr
    assert "Traceback" not in second.stderr
    with service.client() as client:
        assert client.get("/readyz").status_code == 200
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(timeout=10) == 0, "Ctrl-C stops it as cleanly"


def test_a_wrong_setting_is_refused_in_one_line(tmp_path: Path) -> None:
    for name, value in (("port", "many"), ("env", "production"), ("time_zone", "Mars/Base")):
        ran = run_cli_forked("serve", environment=environment_of(tmp_path / "var", {name: value}))
        assert (ran.returncode, ran.stdout) == (1, ""), name
        assert len(ran.stderr.strip().splitlines()) == 1, ran.stderr
        assert f"CLEARMARK_{name.upper()}" in ran.stderr or name == "env"


def test_a_damaged_index_is_built_anew_from_the_database(house: House, tmp_path: Path) -> None:
    service = house.start()
    clip = media.clip_with_sound(tmp_path / "film.mp4", seconds=5, seed=51)
    with service.client(service.key("Studio", *SCOPES)) as studio:
        work = ok(studio.post("/v1/works", json={"title": "Film", "kind": "film", "policy": "block"}), 201)["id"]
        asset = ok(send(studio, f"/v1/works/{work}/assets", clip), 202)["id"]
        assert finished(studio, f"/v1/assets/{asset}")["status"] == "indexed"
    asker = service.key("Pipeline", *SCOPES)
    assert service.stop() == 0
    snapshot = service.data_dir / "index.snapshot"
    whole = snapshot.read_bytes()
    flipped = bytearray(whole)
    flipped[-20] ^= 0xFF
    for damaged in (bytes(flipped), whole[: len(whole) // 2]):
        snapshot.write_bytes(damaged)
        service = house.start()
        with service.client(asker) as client:
            assert "rebuilt" in {part["state"] for part in ok(client.get("/readyz"))["degraded"]}
            found = ok(send(client, "/v1/checks", clip))
        assert found["verdict"] == "block"
        assert service.stop() == 0
        status = json.loads(service.cli("index", "status", "--json").stdout)
        assert status["snapshot"] == status["head"], "a sound one is written when it stops"
