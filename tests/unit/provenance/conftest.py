"""Small real media, development identities and a claim to sign.

The native library compares certificates with the machine's clock, so the
identities here must be current: `now` is the one place that asks the time.
"""

import dataclasses
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import imageio_ffmpeg
import pytest

from provenance.authority import Credentials, SigningIdentity, ensure_development_signer
from provenance.engine import LibraryEngine, ProvenanceEngine
from provenance.isolated import IsolatedEngine
from provenance.model import (
    AssertedCheck,
    AssertedConsent,
    MiningEntry,
    MiningRule,
    MiningUse,
    ReleaseClaim,
    SoftBinding,
    TrainingMining,
)
from provenance.source_types import SourceType

VIDEO = ["-f", "lavfi", "-i", "mandelbrot=s=96x64:r=10", "-t", "0.4", "-pix_fmt", "yuv420p"]
AUDIO = ["-f", "lavfi", "-i", "sine=440:duration=0.3"]
PICTURE = ["-f", "lavfi", "-i", "testsrc=s=64x64", "-frames:v", "1"]
RECIPES: dict[str, list[str]] = {
    "mp4": VIDEO,
    "mov": VIDEO,
    "avi": VIDEO,
    "mkv": VIDEO,
    "webm": VIDEO,
    "ts": VIDEO,
    "gif": [*VIDEO[:-2]],
    "wav": AUDIO,
    "mp3": AUDIO,
    "flac": AUDIO,
    "m4a": AUDIO,
    "ogg": AUDIO,
    "aac": AUDIO,
    "aiff": AUDIO,
    "jpg": PICTURE,
    "png": PICTURE,
    "webp": PICTURE,
    "tiff": PICTURE,
    "bmp": PICTURE,
    "avif": [*PICTURE, "-c:v", "libaom-av1", "-still-picture", "1", "-cpu-used", "8"],
}

type MediaMaker = Callable[[str], Path]
type EngineMaker = Callable[[Credentials], ProvenanceEngine]


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> MediaMaker:
    """A file of a given suffix, made once; tests must not write to it."""
    folder = tmp_path_factory.mktemp("media")

    def make(suffix: str) -> Path:
        path = folder / f"clip.{suffix}"
        if not path.exists():
            command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *RECIPES[suffix], str(path)]
            subprocess.run(command, check=True, timeout=60)
        return path

    return make


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory, now: datetime) -> Credentials:
    return Credentials(signer=ensure_development_signer(tmp_path_factory.mktemp("own"), at=now))


@pytest.fixture(scope="session")
def identity(own: Credentials) -> SigningIdentity:
    return own.signer.identity


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory, now: datetime) -> Credentials:
    """A signer with a certificate authority that we do not know."""
    made = ensure_development_signer(tmp_path_factory.mktemp("stranger"), at=now)
    (anchor,) = made.identity.anchors
    identity = dataclasses.replace(made.identity, anchors=(dataclasses.replace(anchor, uri="urn:example:stranger"),))
    return Credentials(signer=dataclasses.replace(made, identity=identity))


@pytest.fixture(params=["library", "isolated"])
def make_engine(request: pytest.FixtureRequest) -> Iterator[EngineMaker]:
    """Both engines: what holds for one holds for the other."""
    with ExitStack() as stack:

        def make(credentials: Credentials) -> ProvenanceEngine:
            if request.param == "library":
                return LibraryEngine(credentials)
            return stack.enter_context(closing(IsolatedEngine(lambda: credentials)))

        yield make


@pytest.fixture
def engine(make_engine: EngineMaker, own: Credentials) -> ProvenanceEngine:
    return make_engine(own)


@pytest.fixture(scope="session")
def claim(now: datetime) -> ReleaseClaim:
    return ReleaseClaim(
        title="A clip",
        release_id="rel_1",
        media_type="video/mp4",
        created_at=now,
        generator_name="Dreamer",
        generator_version="3.1",
        source_type=SourceType.TRAINED_ALGORITHMIC_MEDIA,
        check=AssertedCheck(
            check_id="chk_1",
            verdict="clear",
            algorithms=("video-phash-v1", "audio-chromaprint-v1"),
            index_sequence=42,
            ledger_origin="clearmark.example/ledger",
            ledger_index=7,
            checked_at=now,
        ),
        consents=(AssertedConsent(consent_id="cns_1", token=f"e.{'p' * 900}.s"),),
        soft_bindings=(
            SoftBinding(algorithm="io.iscc.v0", value=b"ISCC:KACT"),
            SoftBinding(algorithm="org.clearmark.video-phash-v1", value=bytes(range(32))),
        ),
        training_mining=TrainingMining(
            entries={
                MiningEntry.AI_GENERATIVE_TRAINING: MiningRule(use=MiningUse.NOT_ALLOWED),
                MiningEntry.AI_TRAINING: MiningRule(
                    use=MiningUse.CONSTRAINED, constraint_info="https://example.org/terms"
                ),
            }
        ),
    )
