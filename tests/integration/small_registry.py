"""A little of everything that a service keeps, all of which fits together."""

import hashlib
from dataclasses import dataclass, replace

import sqlalchemy as sa

from api.service import Service
from registry import releases, works
from registry.ledger import introduce_keys
from registry.models import Job
from registry.releases import NewRelease
from tests import factories


def keep(service: Service, key: str, content: bytes) -> str:
    """Store a file; returns its SHA-256."""
    path = service.blobs.staging / key
    path.write_bytes(content)
    service.blobs.adopt(path, key)
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A little of everything, all of which fits."""

    asset: str
    second: str
    third: str
    upload: str
    check: str
    release: str
    notice: str


def fill(service: Service) -> Registry:
    """Files of a work, a check, its release and a notice about that; the index is saved."""
    clip, signed = (keep(service, key, key.encode() * 20) for key in ("check_1", "release_1"))
    film, *_ = (keep(service, f"asset_1{letter}", b"a film") for letter in "abc")
    at = service.now()
    with service.database.transaction() as session:
        introduce_keys(session, service.ledger, at=at)
        owner = factories.actor(session)
        work = factories.work(session, owner, at=at)
        assets = [
            factories.asset(session, owner, work, service.index, factories.fingerprint(seed), at=at)
            for seed in (1, 3, 4)
        ]
        for number, asset in enumerate(assets):
            asset.blob_key, asset.sha256 = f"asset_1{'abc'[number]}", film
            session.execute(sa.delete(Job).where(Job.subject_id == asset.id))  # it is done
        upload = works.add_upload(session, owner, work.id, blob_key="asset_2", sha256=keep(service, "asset_2", b"new"),
                                  at=at)  # fmt: skip
        asked = factories.check(session, owner, service.index, factories.fingerprint(2), sha256=clip, at=at)
        prepared = releases.prepare(
            session, owner, NewRelease(check_id=asked.id, title="T"), ledger_origin="o", at=at
        )  # fmt: skip
        made = replace(factories.signed_file(signed), size_bytes=len(b"release_1" * 20))
        release = releases.publish(session, owner, prepared, made, blob_key="release_1", at=at)
        notice = factories.notice(session, service.desk, factories.actor(session), release, at=at)
        made_of = Registry(
            asset=assets[0].id, second=assets[1].id, third=assets[2].id, upload=upload.id, check=asked.id,
            release=release.id, notice=notice.id,
        )  # fmt: skip
    with service.database.reading() as session:
        service.index.catch_up(session, timeout_s=30)
    service.index.save(service.settings.snapshot_path)
    return made_of
