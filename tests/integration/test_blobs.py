"""Where files lie: a folder and an object store keep one contract; what an object store adds is tried on a real one."""

import hashlib
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions  # type: ignore[import-untyped]
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from api import s3_blobs
from api.app import create_app
from api.backup import BadBackup, back_up, restore
from api.blobs import FolderBlobs
from api.fsck import repair
from api.pages import playback
from api.pages.visit import SIGN_IN
from api.runner import Runner
from api.s3_blobs import PART_BYTES, S3Blobs
from api.s3_place import parse_s3_url
from api.sent_blobs import media_type_of_blob, sent_blob
from api.service import Service, make_blobs
from api.settings import Settings, SettingsError
from registry import checks
from registry.access import Scope
from registry.blobs import BlobDamaged, BlobsAway, BlobStore
from registry.consistency import Code
from registry.jobs import JobKind
from registry.models import Check, Holder, Job
from tests import factories
from tests.api.service import environment_of, run_cli_here
from tests.factories import SHA256
from tests.integration.inside import Inside
from tests.integration.small_registry import fill
from tests.people import cookie_of
from tests.servers.loopback import Answer, Asked, serving
from tests.servers.s3 import BUCKET, CREDENTIALS, S3Server, s3_server

TOMORROW = datetime.now(UTC) + timedelta(days=1)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
CONTENT = bytes(range(256)) * 40
NOT_KEYS = ("", "../secret", "/etc/passwd", "asset/1", "ASSET_1", "asset 1", "asset.1", "a" * 81, "asset_1\n", "ä")


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def s3_store(s3: S3Server, tmp_path: Path) -> S3Blobs:
    """A place of its own in the bucket."""
    return S3Blobs(parse_s3_url(s3.blob_url(f"{tmp_path.name}/blobs")), tmp_path / "staging")


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "folder":
        return FolderBlobs(tmp_path / "blobs")
    store: S3Blobs = request.getfixturevalue("s3_store")
    return store


@pytest.fixture
def url_of_nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where no object store answers."""
    monkeypatch.setattr(s3_blobs, "MOST_ATTEMPTS", 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        yield f"s3://{BUCKET}?endpoint=http://127.0.0.1:{taken.getsockname()[1]}&region=eu-west-1"


@pytest.fixture
def nobody(url_of_nobody: str, tmp_path: Path) -> S3Blobs:
    """An object store that does not answer."""
    return S3Blobs(parse_s3_url(url_of_nobody), tmp_path / "staging")


def put(blobs: BlobStore, key: str, content: bytes = CONTENT) -> str:
    path = blobs.staging / "upload"
    path.write_bytes(content)
    blobs.adopt(path, key)
    return key


def keys(blobs: BlobStore, prefix: str = "") -> set[str]:
    return set(blobs.keys(older_than=TOMORROW, prefix=prefix))


# -- the contract --------------------------------------------------------------------------------


def test_what_is_adopted_is_there_whole_and_its_file_is_gone(blobs: BlobStore) -> None:
    put(blobs, "asset_1")
    put(blobs, "asset_2", b"")
    assert list(blobs.staging.iterdir()) == []
    with blobs.open("asset_1") as path:
        assert path.read_bytes() == CONTENT
    with blobs.open("asset_2") as path:
        assert path.read_bytes() == b""
    assert (blobs.size_bytes("asset_1"), blobs.size_bytes("asset_2")) == (len(CONTENT), 0)
    assert list(blobs.staging.iterdir()) == [], "a copy lives as long as somebody reads it"


def test_a_part_is_read_as_a_part(blobs: BlobStore) -> None:
    put(blobs, "asset_1")
    for start, end in ((0, len(CONTENT)), (0, 1), (5, 300), (len(CONTENT) - 1, len(CONTENT)), (7, 7)):
        assert b"".join(blobs.read("asset_1", start, end)) == CONTENT[start:end]


def test_what_is_not_there_is_said_to_be_absent(blobs: BlobStore) -> None:
    with pytest.raises(FileNotFoundError), blobs.open("asset_1"):
        pass
    with pytest.raises(FileNotFoundError):
        blobs.size_bytes("asset_1")
    with pytest.raises(FileNotFoundError):  # at once, not when it is read
        blobs.read("asset_1", 0, 1)
    blobs.delete("asset_1")


def test_what_is_deleted_is_gone(blobs: BlobStore) -> None:
    put(blobs, "asset_1")
    blobs.delete("asset_1")
    assert keys(blobs) == set()
    with pytest.raises(FileNotFoundError), blobs.open("asset_1"):
        pass


def test_nothing_from_outside_becomes_a_path(blobs: BlobStore) -> None:
    secret = blobs.staging.parent / "secret"
    secret.write_bytes(b"not yours")
    file = blobs.staging / "upload"
    file.write_bytes(b"x")
    for name in NOT_KEYS:
        with pytest.raises(ValueError, match="no blob key"):
            blobs.adopt(file, name)
        with pytest.raises(ValueError, match="no blob key"), blobs.open(name):
            pass
        with pytest.raises(ValueError, match="no blob key"):
            blobs.read(name, 0, 1)
        with pytest.raises(ValueError, match="no blob key"):
            blobs.size_bytes(name)
        with pytest.raises(ValueError, match="no blob key"):
            blobs.delete(name)
    assert secret.read_bytes() == b"not yours"
    assert keys(blobs) == set()


def test_what_nobody_puts_on_record_is_not_kept(blobs: BlobStore) -> None:
    path = blobs.staging / "upload"
    path.write_bytes(CONTENT)

    def put_on_record() -> None:
        with blobs.adopted(path, "asset_1"):
            assert keys(blobs) == {"asset_1"}
            raise RuntimeError("the database is away")

    with pytest.raises(RuntimeError):
        put_on_record()
    assert keys(blobs) == set()


def test_keys_are_listed_by_age_and_by_how_they_begin(blobs: BlobStore) -> None:
    for key in ("asset_1", "asset_2", "snapshot_1"):
        put(blobs, key, b"abc")
    assert keys(blobs) == {"asset_1", "asset_2"}, "no row names a snapshot, and none is missed"
    assert keys(blobs, "asset_1") == {"asset_1"}
    assert keys(blobs, "snapshot_") == {"snapshot_1"}
    assert list(blobs.keys(older_than=LONG_AGO)) == []
    used = blobs.usage(most=10)
    assert (used.files, used.bytes, used.is_all) == (3, 9, True)
    assert not blobs.usage(most=2).is_all


def test_what_an_interrupted_upload_left_in_staging_is_swept(blobs: BlobStore) -> None:
    (blobs.staging / "half").write_bytes(b"half")
    (blobs.staging / "upl_1").mkdir()
    blobs.sweep_staging(older_than=LONG_AGO)
    assert len(list(blobs.staging.iterdir())) == 2
    blobs.sweep_staging(older_than=TOMORROW)
    assert list(blobs.staging.iterdir()) == []


def test_a_file_is_sent_whole_or_in_one_range(blobs: BlobStore) -> None:
    put(blobs, "asset_1")

    def answer(request: Request) -> Response:
        return sent_blob(blobs, "asset_1", request, media_type="video/mp4", etag='"e1"')

    app = FastAPI()
    app.add_route("/", answer)
    client, size = Inside(app), len(CONTENT)
    whole = client.get("/")
    assert (whole.status_code, whole.content, whole.headers["content-length"]) == (HTTPStatus.OK, CONTENT, str(size))
    assert (whole.headers["accept-ranges"], whole.headers["etag"]) == ("bytes", '"e1"')
    for said, start, end in (
        ("bytes=0-0", 0, 1), ("bytes=4-11", 4, 12), ("bytes=10000-", 10000, size), ("bytes=-10", size - 10, size),
        (f"bytes=10-{size * 2}", 10, size), (f"bytes=-{size * 2}", 0, size),
    ):  # fmt: skip
        some = client.get("/", headers={"Range": said, "If-Range": '"e1"'})
        assert (some.status_code, some.content) == (HTTPStatus.PARTIAL_CONTENT, CONTENT[start:end]), said
        assert some.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert some.headers["content-length"] == str(end - start)
    for said in (f"bytes={size}-", "bytes=9-3", "bytes=-0"):
        refused = client.get("/", headers={"Range": said})
        assert (refused.status_code, refused.headers["content-range"]) == (416, f"bytes */{size}"), said
    for said in ("bytes=-", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "bytes=" + "9" * 40 + "-"):
        assert client.get("/", headers={"Range": said}).content == CONTENT, said
    assert client.get("/", headers={"Range": "bytes=0-1", "If-Range": '"older"'}).content == CONTENT


def test_a_file_is_what_its_first_bytes_say_wherever_it_lies(blobs: BlobStore) -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x10\x00" + bytes(2048)  # 2,048 bytes of tag, then the file proper
    for content, media_type in (
        (b"\x00\x00\x00\x18ftypisom", "video/mp4"), (tag + b"fLaC" + bytes(8), "audio/flac"), (tag, "audio/mpeg"),
        (b"", None), (b"<html>", None),
    ):  # fmt: skip
        assert media_type_of_blob(blobs, put(blobs, "asset_1", content)) == media_type


# -- an object store -----------------------------------------------------------------------------


def test_a_large_file_goes_in_parts_and_comes_back_the_same(s3: S3Server, s3_store: S3Blobs, tmp_path: Path) -> None:
    content = b"0123456789abcdef" * (PART_BYTES // 16) + b"and more"
    put(s3_store, "asset_1", content)
    stored = s3.client().head_object(Bucket=BUCKET, Key=f"{tmp_path.name}/blobs/asset_1")
    assert stored["ETag"].strip('"').endswith("-2"), "in two parts"
    assert stored["Metadata"] == {"sha256": hashlib.sha256(content).hexdigest()}
    with s3_store.open("asset_1") as path:
        assert path.read_bytes() == content


def test_an_upload_that_breaks_off_leaves_nothing(s3: S3Server, s3_store: S3Blobs, tmp_path: Path) -> None:
    def break_off(params: dict[str, Any], **_: Any) -> None:
        if "partNumber=2" in params["url"] or params["query_string"].get("partNumber") == 2:
            raise exceptions.ConnectionClosedError(endpoint_url=s3.url)

    s3_store._s3.meta.events.register("before-call.s3.UploadPart", break_off)
    path = s3_store.staging / "upload"
    path.write_bytes(bytes(PART_BYTES + 10))
    with pytest.raises(BlobsAway):
        s3_store.adopt(path, "asset_1")
    assert path.exists(), "whoever sent it may try again"
    assert keys(s3_store) == set()
    begun = s3.client().list_multipart_uploads(Bucket=BUCKET, Prefix=tmp_path.name)
    assert begun.get("Uploads", []) == []


def test_parts_of_an_upload_whose_process_died_are_swept(s3: S3Server, s3_store: S3Blobs, tmp_path: Path) -> None:
    client, ours, theirs = s3.client(), f"{tmp_path.name}/blobs/asset_1", f"{tmp_path.name}/theirs"
    for key in (ours, theirs):
        begun = client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
        client.upload_part(Bucket=BUCKET, Key=key, UploadId=begun, PartNumber=1, Body=b"part")
    assert keys(s3_store) == set()
    for older_than, left in ((LONG_AGO, {ours, theirs}), (TOMORROW, {theirs})):
        s3_store.sweep_staging(older_than=older_than)
        found = client.list_multipart_uploads(Bucket=BUCKET, Prefix=tmp_path.name)["Uploads"]
        assert {one["Key"] for one in found} == left


def test_what_is_not_what_was_stored_is_not_used(s3: S3Server, s3_store: S3Blobs, tmp_path: Path) -> None:
    put(s3_store, "asset_1")
    client, named = s3.client(), {"Bucket": BUCKET, "Key": f"{tmp_path.name}/blobs/asset_1"}
    told = client.head_object(**named)["Metadata"]
    flipped = bytearray(CONTENT)
    flipped[7] ^= 1
    for content, metadata in ((CONTENT[:-100], told), (bytes(flipped), told), (b"", told), (CONTENT, {})):
        client.put_object(**named, Body=content, Metadata=metadata)
        with pytest.raises(BlobDamaged, match="asset_1"), s3_store.open("asset_1"):
            pass
    assert list(s3_store.staging.iterdir()) == []


def test_what_others_put_into_the_bucket_is_left_alone(s3: S3Server, s3_store: S3Blobs, tmp_path: Path) -> None:
    for name in ("blobs/folder/asset_1", "blobs/README.txt", "asset_2", "blobs_too/asset_3"):
        s3.client().put_object(Bucket=BUCKET, Key=f"{tmp_path.name}/{name}", Body=b"theirs")
    put(s3_store, "asset_1")
    assert keys(s3_store) == {"asset_1"}
    assert s3_store.usage(most=10).files == 1


def test_more_than_one_page_is_listed(s3_store: S3Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        put(s3_store, f"asset_{number}", b"x")
    paginator = s3_store._s3.get_paginator("list_objects_v2")
    by_two = type("ByTwo", (), {"paginate": lambda _, **asked: paginator.paginate(**asked, MaxKeys=2)})()
    monkeypatch.setattr(s3_store._s3, "get_paginator", lambda _name: by_two)
    assert len(keys(s3_store)) == 5


def test_a_store_that_does_not_answer_is_away_and_a_delete_is_done_later(
    nobody: S3Blobs, caplog: pytest.LogCaptureFixture
) -> None:
    path = nobody.staging / "upload"
    path.write_bytes(b"x")
    with pytest.raises(BlobsAway, match="does not answer"):
        nobody.adopt(path, "asset_1")
    assert path.exists()
    with pytest.raises(BlobsAway), nobody.open("asset_1"):
        pass
    with pytest.raises(BlobsAway):
        nobody.read("asset_1", 0, 1)
    with pytest.raises(BlobsAway):
        list(nobody.keys(older_than=TOMORROW))
    nobody.delete("asset_1")
    assert "asset_1 is deleted later" in caplog.text


def test_a_disk_without_room_for_a_copy_is_said_to_be(s3_store: S3Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3_store, "asset_1")
    monkeypatch.setattr(s3_blobs, "_SPARE_DISK_BYTES", 1 << 60)
    with pytest.raises(BlobsAway, match="has no room"), s3_store.open("asset_1"):
        pass
    assert list(s3_store.staging.iterdir()) == []


# -- what stops the start ------------------------------------------------------------------------


def _refused(url: str, tmp_path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        make_blobs(Settings(data_dir=tmp_path, blob_url=url))
    said = str(caught.value)
    assert said.startswith("CLEARMARK_BLOB_URL: ")
    assert len(said.splitlines()) == 1
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in said
    return said


def test_a_store_that_cannot_be_used_stops_the_start(
    s3: S3Server, url_of_nobody: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no such bucket" in _refused(s3.blob_url(bucket="another"), tmp_path)
    assert "does not answer" in _refused(url_of_nobody, tmp_path)
    for code, said in (
        ("AccessDenied", "s3:AbortMultipartUpload"),
        ("InvalidAccessKeyId", "credentials"),
        ("Odd", "(Odd)"),
    ):

        def refuse(_asked: Asked, code: str = code) -> Answer:
            body = f"<Error><Code>{code}</Code><Message>{CREDENTIALS['AWS_SECRET_ACCESS_KEY']}</Message></Error>"
            return Answer(body=body.encode(), status=403, headers={"content-type": "application/xml"})

        with serving(refuse) as url:
            assert said in _refused(f"s3://{BUCKET}?endpoint={url}&region=eu-west-1", tmp_path)
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    assert "no credentials were found" in _refused(s3.blob_url(), tmp_path)


def test_a_store_that_is_away_holds_up_no_command_that_needs_no_files(url_of_nobody: str, tmp_path: Path) -> None:
    """Least of all one that an operator needs in such an hour."""
    environment = environment_of(tmp_path / "var", {"blob_url": url_of_nobody})
    for command in (
        ("keys", "create", "--holder", "Studio", "--scopes", "works:write"), ("keys", "list"), ("ledger", "verify"),
        ("index", "status"), ("audit", "list"),
    ):  # fmt: skip
        assert (ran := run_cli_here(*command, environment=environment)).returncode == 0, ran.stderr
    for needing in (("fsck",), ("backup", tmp_path / "backup")):
        ran = run_cli_here(*needing, environment=environment)
        assert (ran.returncode, len(ran.stderr.splitlines())) == (1, 1), ran.stderr
        assert "CLEARMARK_BLOB_URL: it does not answer" in ran.stderr
    assert not (tmp_path / "backup").exists(), "it begins no backup that it cannot end"


def test_without_the_extra_it_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "api.s3_blobs", None)
    assert "clearmark[s3]" in _refused("s3://bucket", tmp_path)


# -- the service on an object store ---------------------------------------------------------------


def _asked(service: Service) -> tuple[str, str]:
    """A check whose answer waits for its file, and the cookie of who asked."""
    with service.database.transaction() as session:
        asker = factories.actor(session)
        check = checks.ask(
            session, asker, context={}, at=service.now(), blob_key="check_1", sha256=SHA256, media_type="video/mp4"
        )
        checks.enqueue_answer(session, check, at=service.now())
        key = factories.key(session, session.get_one(Holder, asker.holder_id), Scope.CHECKS_WRITE).key
        return check.id, cookie_of(service, key)


def test_media_is_played_from_the_store(service: Service, s3_store: S3Blobs) -> None:
    service = replace(service, blobs=s3_store)
    put(s3_store, "check_1", b"\x00\x00\x00\x18ftypisom" + CONTENT)
    check_id, cookie = _asked(service)
    client, headers = Inside(create_app(service)), {"Cookie": f"{SIGN_IN}={cookie}"}
    some = client.get(f"/media/checks/{check_id}", headers=headers | {"Range": "bytes=4-7"})
    assert (some.status_code, some.content) == (HTTPStatus.PARTIAL_CONTENT, b"ftyp")
    assert some.headers["content-type"] == "video/mp4"
    assert list(s3_store.staging.iterdir()) == [], "nothing was copied here"


def test_while_the_store_is_away_requests_say_so_and_jobs_wait(service: Service, nobody: S3Blobs) -> None:
    service = replace(service, blobs=nobody)
    check_id, cookie = _asked(service)
    answer = Inside(create_app(service)).get(f"/media/checks/{check_id}", headers={"Cookie": f"{SIGN_IN}={cookie}"})
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert int(answer.headers["retry-after"]) > 0
    with service.database.reading() as session:
        check = session.get_one(Check, check_id)
        actor = factories.actor_of(session.get_one(Holder, check.holder_id))
        assert playback.of_check(service, session, actor, check) is None, "its page is shown without a player"
        job = session.query(Job).filter_by(subject_id=check_id, kind=JobKind.CHECK.value).one()
    Runner(service).run(job.id)
    with service.database.reading() as session:
        tried = session.get_one(Job, job.id)
        assert (tried.state, tried.attempts) == ("queued", 1)
        assert "does not answer" in str(tried.error)
        assert session.get_one(Check, check_id).status != "done"


# -- an object store that is mended, and one that a backup is put back into ------------------------


@pytest.mark.parametrize("backend", ["sqlite"])
def test_an_object_that_is_not_what_was_stored_is_taken_out_of_the_bucket(
    service: Service, s3: S3Server, s3_store: S3Blobs, tmp_path: Path
) -> None:
    service = replace(service, blobs=s3_store)
    registry = fill(service)
    client, named = s3.client(), {"Bucket": BUCKET, "Key": f"{tmp_path.name}/blobs/release_1"}
    told, flipped = client.head_object(**named)["Metadata"], b"R" + (b"release_1" * 20)[1:]
    client.put_object(**named, Body=flipped, Metadata=told)
    report = repair(service, is_quick=False)
    assert [(flaw.code, flaw.subject) for flaw in report.mended] == [(Code.BLOB_CHANGED, registry.release)]
    assert [flaw.code for flaw in report.flaws if flaw.counts] == [Code.BLOB_MISSING]
    assert "release_1" not in keys(s3_store)
    assert (service.settings.data_dir / "lost+found" / "release_1").read_bytes() == flipped


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_backup_is_not_put_beside_the_files_of_another_registry_unasked(
    service: Service, s3: S3Server, s3_store: S3Blobs, tmp_path: Path
) -> None:
    fill(service)
    made = back_up(service, tmp_path / "backup", with_keys=True, with_database=True, at=service.now())
    elsewhere = Settings(
        data_dir=tmp_path / "elsewhere", blob_url=s3.blob_url(f"{tmp_path.name}/blobs"), log_origin="log.example/ledger"
    )
    put(s3_store, "asset_9")
    with pytest.raises(BadBackup, match="files in the bucket"):
        restore(tmp_path / "backup", elsewhere, moves_aside=False, at=service.now())
    assert not elsewhere.data_dir.exists()
    restore(tmp_path / "backup", elsewhere, moves_aside=True, at=service.now())
    assert keys(s3_store) == {"asset_9", *made.blobs}
