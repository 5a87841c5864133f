"""A takedown whose service is killed again and again: what was answered stays, and letters go out once."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from takedown.domain.states import Event, State, transition
from takedown.domain.track import TrackName
from takedown.domain.tracks import TRACKS
from tests import media
from tests.api.service import RunningService, end, errors_of, ok, send, start_service, until
from tests.api.test_notices import COUNTER, NOTICE

ADA, PAUL = "ada@studio.example", "paul@pipeline.example"
ELSEWHERE = "https://tube.example/watch/1"
WHOLE_WAY = [
    "submit", "confirm_email", "begin_triage", "find_valid", "disable", "notify_uploader", "receive_counter",
    "forward_counter", "restore",
]  # fmt: skip
LETTERS = {
    ("notice_received", "claimant"), ("disabled_claimant", "claimant"), ("counter_forwarded", "claimant"),
    ("restored_claimant", "claimant"),
}  # fmt: skip
# Of the notice that was filed without a key, about material of somebody whom a reviewer named.
MORE_LETTERS = {
    ("confirm_address", "claimant"), ("disabled_uploader", "uploader"), ("counter_received", "uploader"),
    ("restored_uploader", "uploader"),
}  # fmt: skip

_WORKS_S = 0.03  # about as long as a request takes

type Ask = Callable[[httpx.Client], httpx.Response]


@dataclass(slots=True)
class House:
    """A data folder whose service comes and goes, on a clock in a file."""

    folder: Path
    chance: random.Random = field(default_factory=lambda: random.Random(8))
    keys: dict[str, str | None] = field(default_factory=lambda: {"anybody": None})
    running: list[RunningService] = field(default_factory=list)
    answered: list[bool] = field(default_factory=list)

    @property
    def service(self) -> RunningService:
        return self.running[-1]

    @property
    def clock(self) -> Path:
        return self.folder / "clock"

    def start(self) -> None:
        settings = {"clock": f"file:{self.clock}", "sscd_model": "none"}
        self.running.append(start_service(self.folder / "var", self.folder / "stderr", **settings))

    def client(self, who: str) -> httpx.Client:
        return self.service.client(self.keys[who])

    def killed_over(self, who: str, ask: Ask) -> httpx.Response | None:
        """Kill the service over something that was asked, and start it again; the answer, where one came.

        By turns it is killed as it works, and as soon as it has answered, when letters are on their way.
        """
        answers: list[httpx.Response] = []

        def run(client: httpx.Client) -> None:
            try:
                answers.append(ask(client))
            except httpx.TransportError:
                return

        with self.client(who) as client:
            ok(client.get("/readyz"))  # connected: the moment is one of the request
            thread = threading.Thread(target=run, args=(client,))
            thread.start()
            thread.join(timeout=self.chance.uniform(0, _WORKS_S) if len(self.answered) % 2 == 0 else 40)
            self.service.kill()
            thread.join(timeout=40)
        assert not thread.is_alive()
        self.answered.append(bool(answers))
        self.start()
        return answers[0] if answers else None

    def notice(self, notice_id: str) -> dict[str, Any]:
        with self.client("reviewer") as client:
            return ok(client.get(f"/v1/notices/{notice_id}"))

    def letters(self, notice_id: str) -> list[dict[str, Any]]:
        with self.client("reviewer") as client:
            found: Any = ok(client.get(f"/v1/notices/{notice_id}/letters"))
            return list(found)

    def files(self) -> dict[str, EmailMessage]:
        """The letters that lie in the folder, by their ids."""
        folder = self.folder / "var" / "mail"
        return {
            path.stem: message_from_bytes(path.read_bytes(), policy=default) for path in folder.glob("*.eml")
        }  # fmt: skip

    def secret(self, notice_id: str, name: str) -> str:
        """The code or ticket of a letter, once it has arrived."""
        [mail_id] = [one["id"] for one in self.letters(notice_id) if one["name"] == name]
        body = until(lambda: self.files().get(mail_id)).get_body(("plain",))  # type: ignore[union-attr]
        assert body is not None
        lines = [line.strip() for line in body.get_content().splitlines() if line.startswith("    ")]
        return str(next((line for line in lines if line.startswith("nt_")), lines[0]))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.clock.write_text("+0s")
    yield made
    for service in made.running:
        end(service.process)
    assert made.running
    assert (errors := errors_of(made.running[-1])) == [], "\n".join(errors)


def _release(house: House, tmp_path: Path) -> str:
    with house.client("pipeline") as client:
        clip = media.moving_clip(tmp_path / "clip.mp4", seconds=2.4, seed=77)
        check = ok(send(client, "/v1/checks", clip))["id"]
        return str(ok(client.post("/v1/releases", json={"check_id": check}), 201)["id"])


def _is_served(house: House, release: str) -> bool:
    with house.client("pipeline") as client:
        return client.get(f"/v1/releases/{release}/file").status_code == httpx.codes.OK


def _filed(house: House, who: str, body: dict[str, Any]) -> str:
    """File a notice, killed over it; where nobody answered, it is there whole or not at all."""

    def ask(client: httpx.Client) -> httpx.Response:
        return client.post("/v1/notices", json=body)

    answer = house.killed_over(who, ask)
    with house.client("reviewer") as client:
        listed = ok(client.get("/v1/notices"))["items"]
    found = [one["id"] for one in listed if one["content"]["material"] == body["material"]]
    if answer is not None:
        assert found == [ok(answer, 201)["id"]], "it was answered, and is lost"
    if not found:
        with house.client(who) as client:
            found = [ok(ask(client), 201)["id"]]
    assert len(found) == 1
    return str(found[0])


def _stepped(house: House, notice_id: str, who: str, event: str, ask: Ask) -> None:
    """Do a step, killed over it: once answered it is there, and else it is there whole or can be done again."""
    answer = house.killed_over(who, ask)
    happened = [step["event"] for step in house.notice(notice_id)["history"]]
    if answer is not None:
        ok(answer)
        assert event in happened, f"{event} was answered, and is lost"
    if event not in happened:
        with house.client(who) as client:
            ok(ask(client))


def _transition(notice_id: str, event: str) -> Ask:
    body = {"event": event, "reason": "By the book."}
    return lambda client: client.post(f"/v1/notices/{notice_id}/transitions", json=body)


def _counter(notice_id: str, material: str) -> Ask:
    body = {**COUNTER, "material": [material], "former_locations": [material]}
    return lambda client: client.post(f"/v1/notices/{notice_id}/counter-notice", json=body)


def _assert_lawful(history: list[dict[str, Any]]) -> None:
    state = State.SUBMITTED
    for step in history[1:]:
        state = transition(TRACKS[TrackName.DMCA_512].transitions, state, Event(step["event"]))
        assert step["state"] == state


@pytest.mark.timeout(300)  # nine starts, which take seconds each where much else runs
def test_a_takedown_comes_to_its_end_whenever_the_service_is_killed(house: House, tmp_path: Path) -> None:
    house.start()
    scopes = ("checks:write", "releases:write", "notices:write")
    for who, wanted in (("studio", scopes), ("pipeline", scopes), ("reviewer", ("review",))):
        house.keys[who] = house.service.key(who.title(), *wanted)
    release = _release(house, tmp_path)

    with house.client("studio") as client:
        about_release = {**NOTICE, "contact_email": ADA, "release_id": release, "material": [release]}
        here = str(ok(client.post("/v1/notices", json=about_release), 201)["id"])
    there = _filed(house, "anybody", {**NOTICE, "contact_email": ADA, "material": [ELSEWHERE]})
    confirmation = {"code": house.secret(there, "confirm_address")}
    _stepped(
        house, there, "anybody", "confirm_email",
        lambda client: client.post(f"/v1/notices/{there}/confirmation", json=confirmation),
    )  # fmt: skip
    with house.client("reviewer") as client:
        named = {"name": "Paul Pipeline", "email": PAUL}
        ok(client.put(f"/v1/notices/{there}/uploader", json=named))
    for notice_id in (here, there):
        _stepped(house, notice_id, "reviewer", "disable", _transition(notice_id, "disable"))
    assert not _is_served(house, release)
    with house.client("reviewer") as client:  # nobody of the pipeline's reads letters or listens
        ok(_transition(here, "notify_uploader")(client))
    house.keys["paul"] = house.secret(there, "disabled_uploader")
    _stepped(house, here, "pipeline", "receive_counter", _counter(here, release))
    _stepped(house, there, "paul", "receive_counter", _counter(there, ELSEWHERE))

    assert {*house.answered} == {True, False}, "all were answered, or none: half of it was not tried"

    house.service.kill()
    house.clock.write_text("+25d")  # it is dead when the material is due back
    house.start()
    time.sleep(house.chance.uniform(0, 0.5))
    house.service.kill()  # and once more, as it begins with what is due
    house.start()
    until(lambda: [house.notice(one)["state"] for one in (here, there)] == ["restored", "restored"], timeout_s=30)
    assert _is_served(house, release)

    everything: set[str] = set()
    for notice_id, letters in ((here, LETTERS), (there, LETTERS | MORE_LETTERS)):
        history = house.notice(notice_id)["history"]
        assert [step["event"] for step in history] == WHOLE_WAY
        _assert_lawful(history)
        until(partial(_is_all_sent, house, notice_id))
        written = house.letters(notice_id)
        assert Counter((one["name"], one["party"]) for one in written) == dict.fromkeys(letters, 1)
        everything |= {one["id"] for one in written}
    files = house.files()
    assert files.keys() == everything, "a file for each letter, and no other"
    assert sorted(str(one["Message-ID"]).partition("@")[0] for one in files.values()) == sorted(
        f"<{one}" for one in everything
    )
    proved = house.service.cli("ledger", "verify", "--json")
    assert (proved.returncode, '"problems": []' in proved.stdout) == (0, True), proved.stdout


def _is_all_sent(house: House, notice_id: str) -> bool:
    return all(one["sent_at"] for one in house.letters(notice_id))
