"""What a file shows is found out once, whoever asks, and of a release not at all where its check kept all of it."""

import hashlib
from pathlib import Path

import pytest

from api.app import create_app
from api.service import Service
from api.shown import shown_in
from api.uploads import Upload
from fingerprinting.extract import Extracted, extract_query
from tests import factories, media
from tests.fakes import FakeEmbedder
from tests.integration.inside import Inside


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Each file that was decoded."""
    opened: list[Path] = []

    def noted(path: Path, **how: object) -> Extracted:
        opened.append(path)
        return extract_query(path, **how)  # type: ignore[arg-type]

    monkeypatch.setattr("api.shown.extract_query", noted)
    return opened


@pytest.fixture
def clip(tmp_path: Path) -> Upload:
    path = media.moving_clip(tmp_path / "clip.mp4", seconds=3, seed=4)
    content = path.read_bytes()
    return Upload(path=path, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def test_who_verifies_a_file_and_who_resolves_it_have_it_decoded_once(
    service: Service, clip: Upload, decoded: list[Path]
) -> None:
    anybody, content = Inside(create_app(service)), clip.path.read_bytes()
    verified = anybody.post("/v1/verifications", files={"file": ("clip.mp4", content, "video/mp4")})
    assert verified.json()["fingerprint_problem"] is None
    resolved = anybody.post("/sbr/matches/byContent", content=content, headers={"Content-Type": "video/mp4"})
    assert (verified.status_code, resolved.status_code, len(decoded)) == (200, 200, 1)


@pytest.mark.parametrize("has_network", [False, True])
def test_a_release_is_decoded_where_a_network_sees_more_than_was_kept(
    service: Service, clip: Upload, decoded: list[Path], has_network: bool
) -> None:
    service.embedder = FakeEmbedder() if has_network else None
    shown = extract_query(clip.path, embedder=service.embedder)
    with service.database.transaction() as session:
        owner = factories.actor(session)
        check = factories.check(session, owner, service.index, shown.fingerprint)
        factories.release(session, owner, check).sha256 = clip.sha256
    assert shown_in(service, clip).fingerprint.duration_s == shown.fingerprint.duration_s
    assert decoded == ([clip.path] if has_network else [])
