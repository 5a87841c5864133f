"""`CLEARMARK_BLOB_URL`: what names a bucket, and what is refused with a reason."""

from pathlib import Path

import pytest

from api.s3_place import S3Place, parse_s3_url
from api.settings import Settings, SettingsError, load_settings


def test_a_bucket_is_enough() -> None:
    assert parse_s3_url("s3://media") == S3Place(bucket="media", prefix="", endpoint=None, region=None)


def test_prefix_endpoint_and_region_may_be_said() -> None:
    said = "s3://media.example/clearmark/blobs/?endpoint=https://store.example:9000&region=eu-west-1"
    place = S3Place(
        bucket="media.example", prefix="clearmark/blobs/", endpoint="https://store.example:9000", region="eu-west-1"
    )
    assert parse_s3_url(said) == place
    assert Settings(blob_url=said).s3_place == place


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("s3://", "name of a bucket"),
        ("s3://UPPER", "name of a bucket"),
        ("s3://a", "name of a bucket"),
        ("s3://media#x", "name of a bucket"),
        ("s3://key:secret@media", "credentials are not part of it"),
        ("s3://media/../other", "what keys begin with"),
        ("s3://media/a//b", "what keys begin with"),
        ("s3://media/a b", "what keys begin with"),
        ("s3://media?endpoint=ftp://store", "https:// or http://"),
        ("s3://media?endpoint=https://", "and a host"),
        ("s3://media?endpoint=https://key:secret@store", "and a host"),
        ("s3://media?endpoint=", "each once"),
        ("s3://media?region=a&region=b", "each once"),
        ("s3://media?acl=public", "each once"),
        ("s3://media?endpoint", "cannot be read"),
        ("s3://[", "cannot be read"),
        ("/srv/blobs", "begin with file://"),
        ("gs://media", "begin with file://"),
    ],
)
def test_what_is_not_understood_is_refused_with_a_reason(said: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARMARK_BLOB_URL", said)
    with pytest.raises(SettingsError, match=rf"^CLEARMARK_BLOB_URL: .*{why}"):
        load_settings()


def test_keys_and_trust_lists_may_lie_where_all_machines_see_them(tmp_path: Path) -> None:
    alone = Settings(data_dir=tmp_path / "var")
    assert (alone.keys_folder, alone.trust_folder) == (tmp_path / "var/keys", tmp_path / "var/trust")
    one_of_many = Settings(data_dir=tmp_path / "var", shared_dir=str(tmp_path / "shared"))
    assert one_of_many.keys_folder == tmp_path / "shared/keys"
    assert one_of_many.trust_folder == tmp_path / "shared/trust"
    assert one_of_many.snapshot_path.parent == one_of_many.staging_folder.parent == tmp_path / "var"
