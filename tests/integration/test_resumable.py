"""Resumable uploads: they come through whatever breaks, and are their owner's alone."""

import errno
import hashlib
import shutil
from collections import namedtuple
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from fastapi import Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from api import housekeeping, resumable
from api.problems import Problem
from api.resumable import Owner, Uploads, name_in
from api.service import Service
from fingerprinting.errors import MediaError, MediaFault
from registry.errors import Invalid, NotFound
from tests.effort import examples
from tests.fakes import Clock

OURS, THEIRS = Owner.holder("hld_1"), Owner.holder("hld_2")


@pytest.fixture
def uploads(service: Service) -> Uploads:
    return Uploads(service, OURS)


def _body(chunks: Sequence[bytes], *, breaks: bool = False, declared: int | None = None) -> Request:
    """A request whose body comes in these chunks, and then ends or breaks off."""
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": one, "more_body": True} for one in chunks]
    messages.append({"type": "http.disconnect"} if breaks else {"type": "http.request", "body": b""})
    coming = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(coming)

    headers = [] if declared is None else [(b"content-length", str(declared).encode())]
    return Request({"type": "http", "headers": headers, resumable.STREAMED: {}}, receive)


def _append(uploads: Uploads, upload_id: str, request: Request) -> None:
    offset = uploads.find(upload_id).offset_bytes
    anyio.run(resumable.append, request, uploads, upload_id, offset)


def _sent(uploads: Uploads, content: bytes, name: str = "") -> str:
    upload = uploads.create(len(content), name)
    _append(uploads, upload.id, _body([content]))
    return upload.id


def _refused(kind: str, what: Any, *arguments: Any) -> Problem:
    with pytest.raises(Problem) as refused:
        what(*arguments)
    assert refused.value.name == kind
    return refused.value


def _full(monkeypatch: pytest.MonkeyPatch, free: int = 0) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(1 << 40, 0, free))


CONTENT = bytes(range(256)) * 8


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, len(CONTENT)), max_size=6), chunk=st.integers(1, 700))
def test_whatever_byte_it_breaks_at_it_goes_on_there(uploads: Uploads, cuts: list[int], chunk: int) -> None:
    upload = uploads.create(len(CONTENT), "")
    for end in sorted(cuts):
        rest = CONTENT[upload.offset_bytes : end]
        with pytest.raises(ClientDisconnect):
            _append(
                uploads, upload.id, _body([rest[at : at + chunk] for at in range(0, len(rest), chunk)], breaks=True)
            )
        assert upload.offset_bytes == end
    _append(uploads, upload.id, _body([CONTENT[upload.offset_bytes :]]))
    assert upload.path.read_bytes() == CONTENT
    uploads.end(upload.id)


def test_one_at_a_time_writes(uploads: Uploads) -> None:
    upload = uploads.create(10, "")
    with uploads.held(upload.id):
        _refused("locked", _append, uploads, upload.id, _body([b"x"]))
        _refused("locked", uploads.end, upload.id)
    _append(uploads, upload.id, _body([b"x"]))
    assert upload.offset_bytes == 1


def test_a_connection_that_says_nothing_lets_go(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "_SILENCE_S", 0.05)
    upload, said = uploads.create(10, ""), [{"type": "http.request", "body": b"abc", "more_body": True}]

    async def receive() -> dict[str, Any]:
        if not said:
            await anyio.sleep_forever()
        return said.pop()

    request = Request({"type": "http", "headers": [], resumable.STREAMED: {}}, receive)
    _refused("timeout", _append, uploads, upload.id, request)
    assert upload.offset_bytes == 3
    _append(uploads, upload.id, _body([b"defghij"]))
    assert upload.path.read_bytes() == b"abcdefghij"


@pytest.mark.parametrize("declared", [None, 11])
def test_more_than_was_said_is_refused(uploads: Uploads, declared: int | None) -> None:
    upload = uploads.create(10, "")
    _refused("too-large", _append, uploads, upload.id, _body([b"01234", b"567890"], declared=declared))
    assert upload.offset_bytes == (0 if declared else 5)


def test_it_is_kept_for_a_day_from_its_last_piece_and_then_swept(
    uploads: Uploads, service: Service, clock: Clock
) -> None:
    upload = uploads.create(2, "")
    for _ in range(2):
        clock.pass_by(timedelta(hours=23))
        housekeeping.sweep_staging(service)
        _append(uploads, upload.id, _body([b"x"]))
    assert upload.expires_at == service.now() + resumable.KEPT
    clock.pass_by(timedelta(hours=24))
    with pytest.raises(NotFound):
        uploads.find(upload.id)
    clock.pass_by(timedelta(seconds=1))
    housekeeping.sweep_staging(service)
    assert not upload.folder.exists()


def test_nobody_else_has_it(uploads: Uploads, service: Service) -> None:
    upload = uploads.create(1, "")
    ours = Owner.holder("hld_1", visit_id="a")
    visits = [Owner.visitor("a"), Owner.visitor("b"), Owner.visitor("hld_1"), ours]
    assert len({owner.name for owner in [OURS, THEIRS, *visits]}) == 6
    for owner in (THEIRS, *visits):
        others = Uploads(service, owner)
        for what in (others.find, others.end, others.hold):
            with pytest.raises(NotFound):
                what(upload.id)


HOSTILE_IDS = (
    "", "..", "../x", "upl_", "upl_..", "upl_../../about", "upl_*", "upl_" + "0" * 32, "upl_" + "A" * 32, "a" * 5000,
    "upl_" + "0" * 31 + "\n", "upl_" + "0" * 32 + "\n", "UPL_" + "0" * 32, "upl_" + "\u0663" * 32,
)  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE_IDS)
def test_what_is_no_id_leads_nowhere(uploads: Uploads, hostile: str) -> None:
    for what in (uploads.find, uploads.end):
        with pytest.raises(NotFound) as refused:
            what(hostile)
        assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ("", ""),
        ("filename bXkubXA0", "my.mp4"),
        ("filetype dmlkZW8vbXA0,filename bXkubXA0,is_confidential", "my.mp4"),
        ("name bXkubXA0", "my.mp4"),
        ("filename Li4vLi4vZXRjL3Bhc3N3ZA==", "passwd"),
        ("filename QzpcVXNlcnNcYS5tcDQ=", "a.mp4"),
        ("filename YQBiCmMubXA0", "abc.mp4"),  # a NUL and a line end
        ("filename 4oCuNHBtLmV4ZQ==", "4pm.exe"),  # written from right to left
    ],
)
def test_a_name_is_what_can_be_seen_of_it(metadata: str, name: str) -> None:
    assert name_in(metadata) == name


@pytest.mark.parametrize(
    "metadata", ["filename ???", "filename a b", "filename /w==", "filename Y", "x " + "A" * 5000, "filename ÿ"]
)
def test_metadata_that_cannot_be_read_is_refused(uploads: Uploads, metadata: str) -> None:
    assert _refused("bad-request", uploads.create, 1, metadata).status == 400


def test_a_long_name_is_cut() -> None:
    assert len(resumable.plain_name("x" * 3000)) == 255


def test_a_full_disk_is_said_and_what_came_is_kept(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = uploads.create(10, "")
    _append(uploads, upload.id, _body([b"abc"]))
    with monkeypatch.context() as patch:
        _full(patch)
        _refused("no-space", uploads.create, 1, "")
        _refused("no-space", _append, uploads, upload.id, _body([b"def"]))
        _refused("no-space", _append, uploads, upload.id, _body([b"def"], declared=3))
    assert upload.offset_bytes == 3

    def write(_file: Any, _content: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    found, file = uploads.hold(upload.id)
    with file:
        piece = resumable._Piece(uploads.service, found, SimpleNamespace(seek=file.seek, write=lambda _: write(0, 0)))  # type: ignore[arg-type]
        piece.take(b"def")
        _refused("no-space", piece.flush)
    _append(uploads, upload.id, _body([b"defghij"]))
    assert upload.path.read_bytes() == b"abcdefghij"


def test_of_unfinished_ones_an_owner_has_so_many(uploads: Uploads, service: Service) -> None:
    begun = [uploads.create(1, "") for _ in range(resumable.MOST_UPLOADS)]
    for visit in range(2000):
        browser = Uploads(service, Owner.holder("hld_1", visit_id=str(visit)))
        _refused("no-space", (uploads, browser)[visit % 2].create, 1, "")
    assert len(list(service.blobs.staging.iterdir())) == resumable.MOST_UPLOADS
    assert Uploads(service, THEIRS).create(1, "")
    uploads.end(begun[0].id)
    assert uploads.create(1, "")


def test_and_so_many_bytes(uploads: Uploads, service: Service) -> None:
    service.settings.max_upload_bytes = 100
    _refused("too-large", uploads.create, 101, "")
    for size in (100, 99):
        uploads.create(size, "")
    _refused("no-space", uploads.create, 2, "")
    uploads.create(1, "")


def test_visitors_together_have_a_part_of_the_disk(
    uploads: Uploads, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (Uploads(service, Owner.visitor(visit)) for visit in "ab")
    _full(monkeypatch, free=1 << 32)
    _sent(one, b"x" * 1000)
    _full(monkeypatch, free=(512 << 20) + 4000)
    monkeypatch.setattr(resumable, "_SHARE_OF_VISITORS", 2000 / ((512 << 20) + 4000))
    _refused("no-space", other.create, 1001, "")
    assert other.create(1000, "")
    assert uploads.create(1001, "")
    assert Uploads(service, Owner.holder("hld_1", visit_id="a")).create(1001, "")
    begun = other.create(10, "")
    monkeypatch.setattr(resumable, "_MOST_OF_VISITORS", 3)
    _refused("no-space", Uploads(service, Owner.visitor("c")).create, 0, "")
    _append(other, begun.id, _body([b"goes on"]))


def _use(uploads: Uploads, upload_id: str, error: Exception | None = None, adopt: Path | None = None) -> str:
    async def use() -> str:
        async with uploads.taken(upload_id) as (found, sha256):
            assert found.path.is_file()
            _refused("locked", uploads.end, upload_id)
            if adopt:
                found.path.rename(adopt)
            if error:
                raise error
            return sha256

    return anyio.run(use)


def test_a_used_one_is_gone(uploads: Uploads, tmp_path: Path) -> None:
    assert _use(uploads, _sent(uploads, b"abc")) == hashlib.sha256(b"abc").hexdigest()
    _use(uploads, _sent(uploads, b"abc"), adopt=tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() == b"abc"
    assert not list(uploads.service.blobs.staging.iterdir())


def test_one_that_was_not_used_stays_but_not_a_file_that_nobody_can_use(uploads: Uploads, tmp_path: Path) -> None:
    upload_id = _sent(uploads, b"abc")
    for _ in range(2):
        with pytest.raises(Invalid):
            _use(uploads, upload_id, Invalid(field="title", problem="Give one."))
    assert _use(uploads, upload_id)
    broken = MediaError(fault=MediaFault.CORRUPT, problem="It is broken.")
    for error, adopt in ((broken, None), (ValueError(), tmp_path / "taken")):
        upload_id = _sent(uploads, b"abc")
        with pytest.raises(type(error)):
            _use(uploads, upload_id, error, adopt)
        with pytest.raises(NotFound):
            uploads.find(upload_id)


def test_an_unfinished_one_cannot_be_used(uploads: Uploads) -> None:
    upload = uploads.create(10, "")
    _append(uploads, upload.id, _body([b"abc"]))
    refused = _refused("upload-unfinished", _use, uploads, upload.id)
    assert refused.members == {"missing_bytes": 7}
    assert "7 of its 10 bytes" in refused.detail
    assert uploads.find(upload.id)


def test_a_crash_at_its_beginning_leaves_none(uploads: Uploads, service: Service, clock: Clock) -> None:
    upload = uploads.create(10, "")
    for left in (b"", b'{"length_by'):
        Path(upload.folder, "about").write_bytes(left)
        with pytest.raises(NotFound):
            uploads.find(upload.id)
    assert uploads.create(1, "")
    clock.pass_by(timedelta(hours=25))
    housekeeping.sweep_staging(service)
    assert not list(service.blobs.staging.iterdir())


def test_what_ends_meanwhile_is_not_found(uploads: Uploads) -> None:
    upload = uploads.create(10, "")
    found = uploads.find(upload.id)
    uploads.end(upload.id)
    for what in ("offset_bytes", "expires_at", "headers"):
        with pytest.raises(NotFound):
            getattr(found, what)
    with pytest.raises(NotFound):
        found.touch(at=uploads.service.now())
    with suppress(NotFound):
        uploads.end(upload.id)


def test_of_copies_a_holder_has_the_newest_alone(uploads: Uploads, service: Service, tmp_path: Path) -> None:
    file, sent = tmp_path / "works.csv", _sent(uploads, b"another")
    for number in range(resumable.MOST_UPLOADS + 5):
        file.write_bytes(b"%d" % number)
        browser = Uploads(service, Owner.holder("hld_1", visit_id=str(number)))
        kept = browser.copy(file, "wörks.csv")
    assert (kept.name, kept.missing_bytes, kept.path.read_bytes()) == ("wörks.csv", 0, b"%d" % number)
    assert len(list(service.blobs.staging.iterdir())) == 2
    assert uploads.find(sent)
    assert Uploads(service, THEIRS).copy(file, "") != kept
    with browser.held(kept.id):
        uploads.copy(file, "")
        assert browser.find(kept.id), "somebody uses it"
