"""Anchors: what authorities and witnesses say of the log, and that none of them can change it or hold it up."""

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from api import anchoring, housekeeping
from api.cli import app
from api.runner import Runner
from api.service import Service, Witness
from api.settings import Settings
from registry import anchors, jobs, ledger
from registry.access import Actor
from registry.domain.checkpoint import generate_key, open_checkpoint
from registry.domain.receipt import BadReceipt, prove, write
from registry.domain.timestamp import MAX_REPLY_BYTES, read_roots
from registry.domain.witness import cosign, encode_witness_key, open_cosignature
from registry.errors import NotFound
from registry.jobs import JobKind
from registry.ledger import LedgerIdentity
from registry.models import Job, JobState, LedgerCosignature, LedgerTimestamp, Work
from tests import factories
from tests.factories import AT
from tests.fakes import Clock
from tests.integration.test_ledger import problems, tamper
from tests.servers.outsiders import Outsider, Reply, outsider
from tests.servers.tsa import Authority
from tests.servers.witness import FollowingWitness

HOUR = timedelta(hours=1)
ROUND = timedelta(minutes=5)
AUTHORITY = Authority(at=AT)
ROOTS = read_roots(AUTHORITY.roots_pem)
GARBAGE = (
    Reply(body=b"<html>"), Reply(status=503), Reply(body=b"\x30" * MAX_REPLY_BYTES * 2), Reply(body=b""),
    Reply(status=302), Reply(body=b"\x30\x05\x30\x03\x02\x01\x02"),
)  # fmt: skip


@pytest.fixture
def outsiders() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def with_authorities(service: Service, *urls: str) -> Service:
    """The service, told of authorities; their roots are those of ours."""
    settings = service.settings.model_copy(update={"ledger_tsa_urls": ",".join(urls)})
    return replace(service, settings=settings, tsa_roots=ROOTS)


def authority(outsiders: ExitStack, clock: Clock) -> Outsider:
    return outsiders.enter_context(outsider(lambda body: Reply(body=AUTHORITY.answer(body, at=clock()))))


def witness_of(identity: LedgerIdentity, name: str = "witness.example") -> FollowingWitness:
    return FollowingWitness(name=name, log_keys=[identity.verifier_key], at=AT)


def with_witnesses(service: Service, outsiders: ExitStack, *witnesses: FollowingWitness) -> Service:
    heard = [(witness, outsiders.enter_context(outsider(witness.answer))) for witness in witnesses]
    return replace(
        service, witnesses=tuple(Witness(key=witness.verifier_key, url=server.url) for witness, server in heard)
    )


def grow(service: Service, owner: Actor | None = None) -> Work:
    with service.database.transaction() as session:
        return factories.work(session, owner or factories.actor(session), at=service.now())


def go_round(service: Service) -> list[str]:
    """What beat does every five minutes, and the jobs that are due; returns what became of these."""
    housekeeping.sign_checkpoint(service)
    anchoring.enqueue_due(service)
    return run_due(service)


def run_due(service: Service) -> list[str]:
    with service.database.reading() as session:
        due = session.scalars(sa.select(Job.id).where(Job.state == JobState.QUEUED, Job.run_at <= service.now())).all()
    for job_id in due:
        Runner(service).run(job_id)
    with service.database.reading() as session:
        return list(session.scalars(sa.select(Job.state).where(Job.id.in_(due)).order_by(Job.kind)))


# -- time-stamps -------------------------------------------------------------------------------


def test_a_checkpoint_is_stamped_and_the_stamp_is_in_the_receipt(
    service: Service, clock: Clock, outsiders: ExitStack
) -> None:
    server = authority(outsiders, clock)
    service = with_authorities(service, server.url)
    work = grow(service)
    clock.pass_by(HOUR)
    assert go_round(service) == ["done"]
    assert [(path, kind) for path, kind, _ in server.asked] == [("/", "application/timestamp-query")]
    clock.pass_by(HOUR)
    grow(service)
    with service.database.transaction() as session:
        stamp = anchors.timestamp_of(session, None)
        made = ledger.receipt(session, session.get_one(Work, work.id), service.ledger, at=clock())
    assert (stamp.size, stamp.at, stamp.authority) == (1, AT + HOUR, "CN=Test Time-stamps")
    found = prove(write(made), tsa_roots=ROOTS, verifier_key=service.ledger.verifier_key)
    assert found.stamp is not None
    assert (found.head.size, found.stamp.at) == (1, AT + HOUR), "the earliest that was stamped says the most"
    assert problems(service.database, service.ledger) == []


def test_a_log_that_did_not_grow_is_not_stamped_again(service: Service, clock: Clock, outsiders: ExitStack) -> None:
    server = authority(outsiders, clock)
    service = with_authorities(service, server.url)
    assert go_round(service) == [], "an empty log says nothing"
    grow(service)
    assert go_round(service) == ["done"]
    clock.pass_by(2 * HOUR)
    assert go_round(service) == []
    assert len(server.asked) == 1


def test_an_authority_is_asked_no_more_often_than_said(service: Service, clock: Clock, outsiders: ExitStack) -> None:
    server = authority(outsiders, clock)
    service = with_authorities(service, server.url)
    for _ in range(25):  # two hours of rounds, in which the log always grows
        grow(service)
        go_round(service)
        clock.pass_by(ROUND)
    assert len(server.asked) == 3
    with service.database.reading() as session:
        assert list(session.scalars(sa.select(LedgerTimestamp.at).order_by(LedgerTimestamp.size))) == [
            AT, AT + HOUR, AT + 2 * HOUR
        ]  # fmt: skip


@pytest.mark.parametrize("answer", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_from_one_authority_is_refused_and_the_next_is_asked(
    service: Service, clock: Clock, outsiders: ExitStack, answer: Reply
) -> None:
    bad = outsiders.enter_context(outsider(lambda _body: answer))
    good = authority(outsiders, clock)
    service = with_authorities(service, bad.url, good.url)
    grow(service)
    assert go_round(service) == ["done"]
    assert (len(bad.asked), len(good.asked)) == (1, 1)


@pytest.mark.parametrize("lie", ["another root", "a time to come", "a time long past", "played again"])
def test_a_stamp_that_does_not_hold_is_never_kept(
    service: Service, outsiders: ExitStack, caplog: pytest.LogCaptureFixture, lie: str
) -> None:
    signer, at = AUTHORITY, AT
    if lie == "another root":
        signer = Authority(at=AT)
    if lie == "a time to come":
        at = AT + timedelta(minutes=11)
    if lie == "a time long past":
        at = AT - timedelta(days=30)
    nonce = 7 if lie == "played again" else None
    liar = outsiders.enter_context(outsider(lambda body: Reply(body=signer.answer(body, at=at, nonce=nonce))))
    service = with_authorities(service, liar.url)
    grow(service)
    with caplog.at_level(logging.CRITICAL):
        assert go_round(service) == ["queued"]
    with service.database.reading() as session:
        assert session.scalars(sa.select(LedgerTimestamp)).all() == []
        with pytest.raises(NotFound):
            anchors.timestamp_of(session, None)


def test_an_authority_that_is_down_is_asked_again_later_and_holds_up_nothing(
    service: Service, clock: Clock, outsiders: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as gone:
        nobody = gone.enter_context(outsider(lambda _body: Reply()))
    good = authority(outsiders, clock)
    down, up = with_authorities(service, nobody.url), with_authorities(service, good.url)
    work = grow(down)
    with caplog.at_level(logging.CRITICAL):
        assert go_round(down) == ["queued"]
    with service.database.transaction() as session:  # the log goes on, and proves
        made = ledger.receipt(session, session.get_one(Work, work.id), service.ledger, at=clock())
    assert prove(write(made)).stamp is None
    with pytest.raises(BadReceipt, match="no time-stamp"):
        prove(write(made), tsa_roots=ROOTS)
    clock.pass_by(timedelta(seconds=10))
    assert run_due(up) == ["done"]


@pytest.mark.parametrize("trickle_s", [0.02, 30.0])
def test_an_authority_that_trickles_is_hung_up_on(
    service: Service, clock: Clock, outsiders: ExitStack, monkeypatch: pytest.MonkeyPatch, trickle_s: float
) -> None:
    monkeypatch.setattr(anchoring, "_TIMEOUT_S", 0.5)
    slow = outsiders.enter_context(outsider(lambda _body: Reply(body=b"\x30" * 1000, trickle_s=trickle_s)))
    good = authority(outsiders, clock)
    service = with_authorities(service, slow.url, good.url)
    grow(service)
    assert go_round(service) == ["done"]
    assert len(slow.asked) == 1


# -- witnesses ---------------------------------------------------------------------------------


def test_a_witness_cosigns_and_its_line_is_in_the_note(
    service: Service, identity: LedgerIdentity, clock: Clock, outsiders: ExitStack
) -> None:
    one, other = witness_of(identity), witness_of(identity, "other.example")
    service = with_witnesses(service, outsiders, one, other)
    work = grow(service)
    assert go_round(service) == ["done", "done"]
    with service.database.transaction() as session:
        note = ledger.checkpoint(session, identity, at=clock())
        made = ledger.receipt(session, session.get_one(Work, work.id), identity, at=clock())
    assert open_checkpoint(note, verifier_key=identity.verifier_key).size == 1
    for witness in (one, other):
        assert open_cosignature(note, witness_key=witness.verifier_key).at == AT
    found = prove(write(made), witnesses=[one.verifier_key, other.verifier_key])
    assert {said.witness for said in found.cosignatures} == {"witness.example", "other.example"}
    assert problems(service.database, identity) == []


def test_a_witness_is_led_from_what_it_saw_last_to_each_newer_log(
    service: Service, identity: LedgerIdentity, clock: Clock, outsiders: ExitStack
) -> None:
    witness = witness_of(identity)
    service = with_witnesses(service, outsiders, witness)
    for size in (1, 2, 3, 4):
        grow(service)
        clock.pass_by(ROUND)
        assert go_round(service) == ["done"]
        assert witness.seen is not None
        assert witness.seen.size == size
    assert go_round(service) == [], "nothing was added"
    with service.database.reading() as session:
        assert anchors.newest_cosigned(session, ["witness.example"]).size == 4
        with pytest.raises(NotFound):
            anchors.newest_cosigned(session, ["witness.example", "nobody"])
        with pytest.raises(NotFound):
            anchors.newest_cosigned(session, ["witness_example"]), "a name is no pattern"


def test_a_witness_that_remembers_more_than_we_do_is_asked_from_there(
    service: Service, identity: LedgerIdentity, outsiders: ExitStack
) -> None:
    """What was kept of its cosignatures is lost: it answers 409 with the size that it saw."""
    witness = witness_of(identity)
    service = with_witnesses(service, outsiders, witness)
    grow(service)
    go_round(service)
    tamper(service.database, "DELETE FROM ledger_cosignatures")
    grow(service)
    assert go_round(service) == ["done"]
    with service.database.reading() as session:
        assert anchors.last_cosigned(session, witness.verifier_key) == 2


def test_a_witness_that_saw_a_longer_log_shows_that_ours_was_cut(
    service: Service, outsiders: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    longer = outsiders.enter_context(
        outsider(lambda _body: Reply(status=409, media_type="text/x.tlog.size", body=b"999\n"))
    )
    key = encode_witness_key(name="witness.example", key=generate_key().public_key())
    service = replace(service, witnesses=(Witness(key=key, url=longer.url),))
    grow(service)
    assert go_round(service) == ["queued"]
    assert "has seen 999 entries and the log has 1" in caplog.text


def test_a_witness_that_saw_another_log_shows_that_ours_was_rewritten(
    service: Service, identity: LedgerIdentity, outsiders: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    witness = witness_of(identity)
    service = with_witnesses(service, outsiders, witness)
    grow(service)
    go_round(service)
    assert witness.seen is not None
    witness.seen = replace(witness.seen, root=bytes(32))
    grow(service)
    assert go_round(service) == ["queued"]
    assert "answered HTTP 422" in caplog.text


@pytest.mark.parametrize("lie", ["another key", "another note", "nothing", "garbage", "endless", "not text", "to come"])
def test_what_a_lying_witness_says_is_never_kept(
    service: Service, outsiders: ExitStack, caplog: pytest.LogCaptureFixture, lie: str
) -> None:
    key = generate_key()
    name, signer = "witness.example", generate_key() if lie == "another key" else key

    def answer(body: bytes) -> Reply:
        note = body.decode().partition("\n\n")[2]
        if lie == "another note":
            note = note.replace("\n1\n", "\n2\n")
        at = AT + timedelta(days=1) if lie == "to come" else AT
        line = cosign(note, name=name, key=signer, at=at).line.encode() + b"\n"
        return Reply(
            body={
                "nothing": b"", "garbage": b"\x00\n\n\n", "endless": line * 10_000, "not text": b"\xff\xfe",
            }.get(lie, line)
        )  # fmt: skip

    server = outsiders.enter_context(outsider(answer))
    known = encode_witness_key(name=name, key=key.public_key())
    service = replace(service, witnesses=(Witness(key=known, url=server.url),))
    grow(service)
    with caplog.at_level(logging.CRITICAL):
        assert go_round(service) == ["queued"]
    with service.database.reading() as session:
        assert session.scalars(sa.select(LedgerCosignature)).all() == []


def test_one_witness_that_is_down_holds_up_no_other(
    service: Service,
    identity: LedgerIdentity,
    clock: Clock,
    outsiders: ExitStack,
    caplog: pytest.LogCaptureFixture,
) -> None:
    witness = witness_of(identity)
    service = with_witnesses(service, outsiders, witness)
    with ExitStack() as gone:
        nobody = gone.enter_context(outsider(lambda _body: Reply()))
    key = encode_witness_key(name="down.example", key=generate_key().public_key())
    service = replace(service, witnesses=(*service.witnesses, Witness(key=key, url=nobody.url)))
    with caplog.at_level(logging.CRITICAL):
        for _ in range(3):
            grow(service)
            go_round(service)
            clock.pass_by(ROUND)
    assert witness.seen is not None
    assert witness.seen.size == 3
    with service.database.reading() as session:
        waiting = session.scalars(sa.select(Job).where(Job.kind == JobKind.COSIGN, Job.state == JobState.QUEUED)).all()
        assert [job.subject_id for job in waiting] == [f"1 {key}"], "it is asked by one job at a time"


def test_a_witness_that_is_no_longer_wanted_is_not_asked(service: Service, identity: LedgerIdentity) -> None:
    witness = witness_of(identity)
    grow(service)
    housekeeping.sign_checkpoint(service)
    with service.database.transaction() as session:
        jobs.enqueue(session, JobKind.COSIGN, f"1 {witness.verifier_key}", at=AT, run_at=AT)
    assert run_due(service) == ["done"]
    assert witness.seen is None


def test_a_receipt_is_proved_on_the_command_line_with_what_outsiders_say(
    service: Service, identity: LedgerIdentity, clock: Clock, outsiders: ExitStack, tmp_path: Path
) -> None:
    witness = witness_of(identity)
    service = with_witnesses(with_authorities(service, authority(outsiders, clock).url), outsiders, witness)
    work = grow(service)
    assert go_round(service) == ["done", "done"]
    file, roots, strangers = tmp_path / "receipt.json", tmp_path / "roots.pem", tmp_path / "strangers.pem"
    with service.database.transaction() as session:
        file.write_bytes(write(ledger.receipt(session, session.get_one(Work, work.id), identity, at=clock())))
    roots.write_bytes(AUTHORITY.roots_pem)
    strangers.write_bytes(Authority(at=AT).roots_pem)
    command = ["ledger", "prove", str(file), "--json", "--witness", witness.verifier_key, "--tsa-roots"]
    proved = CliRunner().invoke(app, [*command, str(roots)])
    assert proved.exit_code == 0, proved.output
    told = json.loads(proved.stdout)
    assert told["timestamp"] == {"at": AT.isoformat(), "authority": "CN=Test Time-stamps", "verified": True}
    assert told["witnesses"] == [{"key": witness.verifier_key, "at": AT.isoformat()}]
    refused = CliRunner().invoke(app, [*command, str(strangers)])
    assert refused.exit_code == 1
    assert "known root" in json.loads(refused.stdout)["problem"]
    shown = CliRunner().invoke(app, ["ledger", "prove", str(file)]).stdout
    assert "not verified: give --tsa-roots" in " ".join(shown.split())


# -- what is proved of them --------------------------------------------------------------------


def test_an_anchor_that_was_changed_is_noticed(
    service: Service, identity: LedgerIdentity, clock: Clock, outsiders: ExitStack
) -> None:
    witness = witness_of(identity)
    service = with_witnesses(with_authorities(service, authority(outsiders, clock).url), outsiders, witness)
    for _ in range(2):
        grow(service)
        clock.pass_by(HOUR)
        assert go_round(service) == ["done", "done"]
    tamper(service.database, "UPDATE ledger_cosignatures SET line = (SELECT min(line) FROM ledger_cosignatures)")
    [found] = problems(service.database, identity)
    assert "the cosignature of the checkpoint of size" in found
    tamper(service.database, "DELETE FROM ledger_cosignatures")
    with service.database.transaction() as session:
        first, second = session.scalars(sa.select(LedgerTimestamp).order_by(LedgerTimestamp.size))
        first.reply = second.reply
    assert problems(service.database, identity) == ["the time-stamp of the checkpoint of size 1 is not one of it"]


def test_settings_that_cannot_be_meant_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="LEDGER_TSA_ROOTS"):
        Settings(data_dir=tmp_path, ledger_tsa_urls="https://tsa.example")
    with pytest.raises(ValueError, match="ledger_tsa_urls"):
        Settings(data_dir=tmp_path, ledger_tsa_urls="ftp://tsa.example", ledger_tsa_roots="roots.pem")
