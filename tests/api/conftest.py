"""One service, a few holders and a few clips, shared by all tests of the API."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests import media
from tests.api.service import RunningService, finished, ok, running_service, send

HOLDER_SCOPES = ("works:write", "checks:write", "releases:write", "notices:write", "webhooks:write", "holder:write")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    # The clips that tests draw differ by their hashes; to a network trained on photographs they are all discs.
    with running_service(tmp_path_factory.mktemp("service"), sscd_model="none") as started:
        yield started


def _client(service: RunningService, holder: str, *scopes: str) -> Iterator[httpx.Client]:
    with service.client(service.key(holder, *(scopes or HOLDER_SCOPES))) as client:
        yield client


@pytest.fixture(scope="session")
def studio(service: RunningService) -> Iterator[httpx.Client]:
    """A rights holder."""
    yield from _client(service, "Studio")


@pytest.fixture(scope="session")
def pipeline(service: RunningService) -> Iterator[httpx.Client]:
    """One who generates clips and asks before they go out."""
    yield from _client(service, "Pipeline")


@pytest.fixture(scope="session")
def stranger(service: RunningService) -> Iterator[httpx.Client]:
    """Another holder with every scope of a holder."""
    yield from _client(service, "Stranger")


@pytest.fixture(scope="session")
def reviewer(service: RunningService) -> Iterator[httpx.Client]:
    """A person of the operator's who decides."""
    yield from _client(service, "Operator", "review")


@pytest.fixture(scope="session")
def operator(service: RunningService) -> Iterator[httpx.Client]:
    """The operator, who may do anything."""
    yield from _client(service, "Operator", "admin")


@pytest.fixture
def anyone(service: RunningService) -> Iterator[httpx.Client]:
    """Somebody without a key."""
    with service.client() as client:
        yield client


@dataclass(frozen=True, slots=True, kw_only=True)
class Clips:
    """Clips that differ, and a copy.

    Attributes:
        film: 12 s, registered by the studio with its output use reserved.
        cut: seconds 3 to 9 of the film, smaller and re-encoded.
        trailer: 8 s, registered by the studio, who asks that copies be reviewed.
        unrelated: 6 s that nobody registered.
    """

    film: Path
    cut: Path
    trailer: Path
    unrelated: Path


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    folder = tmp_path_factory.mktemp("clips")
    film = media.clip_with_sound(folder / "film.mp4", seconds=12, seed=1)
    return Clips(
        film=film,
        cut=media.copied(film, folder / "cut.mp4", start_s=3, seconds=6, options=["-vf", "scale=128:-2", "-crf", "28"]),
        trailer=media.clip_with_sound(folder / "trailer.mp4", seconds=8, seed=2),
        unrelated=media.clip_with_sound(folder / "unrelated.mp4", seconds=6, seed=3),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A work with one indexed asset."""

    work_id: str
    asset_id: str


def register(holder: httpx.Client, path: Path, **said: object) -> Registered:
    """Register a work with one file and wait until it can be found."""
    work = ok(holder.post("/v1/works", json={"title": path.stem, "kind": "clip", **said}), 201)
    accepted = ok(send(holder, f"/v1/works/{work['id']}/assets", path), 202)
    asset = finished(holder, f"/v1/assets/{accepted['id']}")
    assert asset["status"] == "indexed", asset
    return Registered(work_id=work["id"], asset_id=asset["id"])


@pytest.fixture(scope="session")
def film(studio: httpx.Client, clips: Clips) -> Registered:
    reserved = [{"use": "depict_in_output", "value": "reserved"}, {"use": "train", "value": "reserved"}]
    return register(studio, clips.film, title="The Film", kind="film", policy="block", reservations=reserved)


@pytest.fixture(scope="session")
def trailer(studio: httpx.Client, clips: Clips) -> Registered:
    return register(studio, clips.trailer, title="The Trailer", policy="review")
