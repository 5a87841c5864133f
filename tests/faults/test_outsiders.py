"""Mail servers, receivers of webhooks, time-stamp authorities that drip, lie or hang: each costs only its time."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.mail import SmtpPost
from api.outbound import TIMEOUT_S, Outbound
from api.runner import Runner
from api.service import Service
from api.settings import Settings
from provenance.authority import Credentials, ensure_development_signer
from provenance.isolated import IsolatedEngine
from provenance.isolation import WorkerLimits
from provenance.model import TimeStampState
from registry import mail
from registry.models import Job, Mail, OutboxMessage, Release
from registry.outbox import tell
from tests import factories
from tests.api.service import ok, problem
from tests.fakes import Clock
from tests.faults.conftest import serving as served_by
from tests.servers.loopback import Answer, Asked, serving
from tests.servers.tsa import Authority

_TAKES_S = 0.4
_SOON_S = 25.0  # the machine may be busy; a step alone may take 30 s


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC).replace(microsecond=0))


@pytest.fixture
def dripping() -> Iterator[int]:
    """The port of a server that says a byte now and then, and never comes to the end of a line."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            for byte in b"220 mail.example and so on":
                connection.sendall(bytes([byte]))
                if over.wait(0.1):
                    return
            over.wait(30)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(listening.accept()[0],), daemon=True).start()

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        over.set()


def ran(service: Service) -> float:
    """Look at every job once; how long it took."""
    with service.database.reading() as session:
        ids = list(session.scalars(sa.select(Job.id)))
    began_s = time.monotonic()
    for job_id in ids:
        Runner(service).run(job_id)
    return time.monotonic() - began_s


def test_a_mail_server_that_drips_is_hung_up_on_and_asked_again(
    service: Service, dripping: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time; the conversation as a whole does not."""
    monkeypatch.setattr("api.mail._CONVERSATION_S", _TAKES_S)
    post = SmtpPost(Settings(data_dir=tmp_path, mail_url=f"smtp://127.0.0.1:{dripping}"))
    service = replace(service, post=post)
    with service.database.transaction() as session:
        letter = mail.post(session, "ada@studio.example", "A letter", "Hello.", at=service.now()).id
    assert ran(service) < _SOON_S
    with service.database.reading() as session:
        kept, job = session.get_one(Mail, letter), session.scalars(sa.select(Job)).one()
    assert (kept.sent_at, kept.bounced_at, job.state, job.attempts) == (None, None, "queued", 1)
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_a_receiver_that_drips_its_answer_is_tried_again(
    service: Service, dripping: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert TIMEOUT_S < 20, "a receiver holds one of the workers' threads for so long"
    fetch = Outbound.fetch
    monkeypatch.setattr(
        Outbound, "fetch", lambda self, url, **said: fetch(self, url, **{**said, "timeout_s": _TAKES_S})
    )
    assert told(service, f"http://127.0.0.1:{dripping}/") == ("pending", 1)


def told(service: Service, url: str) -> tuple[str, int]:
    """Tell a holder of something at that address, once: what became of the message, after how many attempts."""
    with service.database.transaction() as session:
        holder = factories.holder(session, webhook_url=url)
        assert tell(session, holder.id, "release.signed", {"id": "rel_1"}, at=service.now())
    assert ran(service) < _SOON_S
    with service.database.reading() as session:
        message = session.scalars(sa.select(OutboxMessage)).one()
    return message.status, message.attempts


def test_a_receiver_that_leads_in_circles_is_asked_once_and_tried_again_later(service: Service) -> None:
    asked: list[Asked] = []

    def around(request: Asked) -> Answer:
        asked.append(request)
        return Answer(status=307, headers={"Location": f"http://{request.headers['host']}/again"})

    with serving(around) as url:
        assert told(service, url) == ("pending", 1)
    assert len(asked) == 1


def test_a_receiver_that_hangs_up_is_tried_again_with_the_same_id(service: Service, clock: Clock) -> None:
    ids: list[str] = []

    def hang_up_first(request: Asked) -> Answer | None:
        ids.append(request.headers["webhook-id"])
        return None if len(ids) == 1 else Answer(status=204)

    with serving(hang_up_first) as url:
        assert told(service, url) == ("pending", 1)
        clock.at = clock.at.replace(year=clock.at.year + 1)
        ran(service)
    assert len(ids) == 2
    assert len(set(ids)) == 1


@pytest.mark.parametrize("garbage", [b"\xff\xfe" * 1000, b"x" * (8 << 20), json.dumps({"status": "failed"}).encode()])
def test_what_a_receiver_says_beside_its_status_is_not_read(service: Service, garbage: bytes) -> None:
    """200 is taken, whatever the body claims; and none of it is held in memory."""
    with serving(lambda _: Answer(body=garbage)) as url:
        assert told(service, url) == ("delivered", 1)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_time_stamp_authority_that_hangs_holds_up_one_answer_and_the_release_is_made_once_it_answers(
    service_alone: Service, clip: bytes, tmp_path: Path
) -> None:
    """Nothing goes out without its time-stamp, and nothing half done is left of the attempt."""
    authority, answers, most_s = Authority(at=datetime.now(UTC)), threading.Event(), 6.0

    def stamp(asked: Asked) -> Answer | None:
        if not answers.is_set():
            answers.wait(60)
            return None
        body = authority.answer(asked.body, at=datetime.now(UTC))
        return Answer(body=body, headers={"content-type": "application/timestamp-reply"})

    with serving(stamp) as url:
        signer = ensure_development_signer(tmp_path / "signer", at=datetime.now(UTC))
        credentials = Credentials(signer=signer, tsa_urls=(url,))
        with closing(IsolatedEngine(lambda: credentials, limits=WorkerLimits(wall_s=most_s))) as engine:
            with served_by(replace(service_alone, provenance=engine)) as served:
                asked = {"check_id": ok(served.client.post("/v1/checks", files={"file": clip}))["id"]}
                before, began_s = set(tmp_path.rglob("*")), time.monotonic()
                problem(served.client.post("/v1/releases", json=asked), 503, "signing-unavailable")
                assert time.monotonic() - began_s < most_s + _SOON_S
                assert set(tmp_path.rglob("*")) == before
                with served.service.database.reading() as session:
                    assert not session.scalar(sa.select(sa.func.count()).select_from(Release))
                answers.set()
                release = ok(served.client.post("/v1/releases", json=asked), 201)["id"]
                (tmp_path / "signed.mp4").write_bytes(served.client.get(f"/v1/releases/{release}/file").content)
            facts = engine.read(tmp_path / "signed.mp4", "video/mp4")
    assert facts.time_stamp.state is TimeStampState.UNTRUSTED, "it is stamped, by whom nobody here knows"
