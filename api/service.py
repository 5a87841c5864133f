"""The service put together from its settings: what routes, commands and workers all work with."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from alembic import command
from alembic.config import Config
from cryptography.x509 import Certificate

import migrations
from api import snapshots
from api.blobs import FolderBlobs
from api.clock import Clock, make_clock, utc_now
from api.fitness import unfit_at_start
from api.keyring import adopt, open_ring
from api.limits import RateLimiter
from api.logs import CarryingExecutor
from api.mail import Post, make_post
from api.oidc import OpenIdProvider
from api.outbound import Outbound
from api.pages.visit import Seals
from api.probes import InternetProbe
from api.remembered import Memory
from api.settings import WITHOUT, Environment, Settings, SettingsError
from api.signers import Signers, credentials_of
from api.slots import Slots
from fingerprinting.decode import DecodeLimits
from fingerprinting.index.embedded import embedded_index
from fingerprinting.index.milvus_address import parse_milvus_url
from fingerprinting.model import Algorithm
from fingerprinting.onnx_embedder import BadModel, OnnxEmbedder, find_model
from fingerprinting.phash import FRAME_PX, disagreements_with_imagehash
from fingerprinting.sscd import FrameEmbedder
from fingerprinting.traits import TRAITS
from provenance.authority import Credentials
from provenance.engine import ProvenanceEngine
from provenance.errors import ProvenanceError
from provenance.isolated import IsolatedEngine
from provenance.isolation import WorkerLimits
from provenance.trust import TrustLists
from registry.blobs import BlobsAway, BlobStore
from registry.checks import Rules
from registry.database import Database
from registry.domain import tokens
from registry.domain.checkpoint import BadCheckpoint, generate_key, key_from_pem, key_to_pem
from registry.domain.timestamp import BadTimestamp, read_roots
from registry.domain.witness import name_of
from registry.domains import DomainProbe
from registry.errors import LedgerError
from registry.index import SEARCHED, IndexAway, IndexEngine
from registry.ledger import LedgerIdentity, introduce_keys
from registry.quarantine import FloodLimits
from registry.shared_index import SharedIndexes
from takedown.domain.deadlines import BusinessCalendar
from takedown.errors import UnknownCalendar
from takedown.policy import Policy
from takedown.service import Desk

# Checks answered while their request waits. Each has a decoder of its own beside it.
_SYNC_CHECKS = 4
_PROVENANCE_LIMITS = WorkerLimits(cpu_s=120, wall_s=120.0, memory_bytes=4 << 30, file_bytes=16 << 30)


# Smooth, noisy and flat: what rounding would show in.
_SELF_CHECK_FRAMES = np.stack(
    [
        np.random.default_rng(0).integers(0, 256, (FRAME_PX, FRAME_PX), dtype=np.uint8),
        np.add.outer(np.arange(FRAME_PX), np.arange(FRAME_PX)).astype(np.uint8),
        np.full((FRAME_PX, FRAME_PX), 128, np.uint8),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """Somebody who cosigns our checkpoints, by their verifier key."""

    key: str
    url: str

    @property
    def name(self) -> str:
        return name_of(self.key)


@dataclass(slots=True, kw_only=True)
class Service:
    """Everything a process needs; made once, passed around, never global."""

    settings: Settings
    database: Database
    blobs: BlobStore
    index: IndexEngine
    provenance: ProvenanceEngine
    signers: Signers
    trust: TrustLists
    ledger: LedgerIdentity
    tokens: tokens.TokenKeys
    desk: Desk
    limiter: RateLimiter
    post: Post
    seals: Seals
    probe: DomainProbe
    oidc: OpenIdProvider | None = None
    embedder: FrameEmbedder | None = None
    witnesses: tuple[Witness, ...] = ()
    tsa_roots: tuple[Certificate, ...] = ()
    outbound: Outbound = field(default_factory=Outbound)
    now: Clock = utc_now
    # Tells the worker, wherever it runs, to look at a job now; without one the sweep finds it.
    hint: Callable[[str, str], None] = lambda _job_id, _kind: None
    executor: ThreadPoolExecutor = field(default_factory=lambda: CarryingExecutor(_SYNC_CHECKS, "check"))
    # What requests wait for. Children that decode media or read documents only slow each other when there are more of
    # them; files for sites cost nobody anything to ask for; a look at a domain waits for others' servers. All together
    # they leave some of the threads to other requests.
    media_slots: Slots = field(default_factory=lambda: Slots(4, waiting=4, wait_s=10, name="media"))
    document_slots: Slots = field(default_factory=lambda: Slots(3, waiting=5, wait_s=10, name="documents"))
    hosted_slots: Slots = field(default_factory=lambda: Slots(1, waiting=8, wait_s=5, name="hosted"))
    probe_slots: Slots = field(default_factory=lambda: Slots(4, waiting=4, wait_s=5, name="probes"))
    check_slots: Slots = field(default_factory=lambda: Slots(_SYNC_CHECKS, waiting=12, wait_s=20, name="checks"))
    memory: Memory = field(default_factory=Memory)
    index_ready: threading.Event = field(default_factory=threading.Event)
    index_problem: str | None = None
    broker_away_since: datetime | None = None
    hash_disagreement: int = 0

    @property
    def algorithms(self) -> tuple[Algorithm, ...]:
        """Those by which this service compares what it decodes."""
        return tuple(a for a in Algorithm if a is not Algorithm.VIDEO_SSCD_V1 or self.embedder is not None)

    @property
    def decode_limits(self) -> DecodeLimits:
        return DecodeLimits(max_duration_s=self.settings.max_media_s)

    @property
    def rules(self) -> Rules:
        settings = self.settings
        window = timedelta(seconds=settings.flood_window_s)
        flood = FloodLimits(checks=settings.flood_checks, askers=settings.flood_askers, window=window)
        return Rules(flood=flood, block_from=settings.block_from)

    def credentials(self) -> Credentials:
        """Whom we sign as and believe now."""
        return credentials_of(self.settings, self.signers, self.trust, at=self.now())

    def load_index(self) -> None:
        """Bring the index up: from the snapshot where it is sound, the rest from the database."""
        self.index_problem = snapshots.restore(self)
        with self.database.reading() as session, suppress(IndexAway):  # which is told of, and may end any moment
            self.index.catch_up(session, timeout_s=24 * 3600)
        self.hash_disagreement = disagreements_with_imagehash(_SELF_CHECK_FRAMES)
        self.index_ready.set()

    def close(self) -> None:
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.provenance.close()
        self.database.dispose()


def build_service(settings: Settings, *, compares_pictures: bool = True, asks_store: bool = True) -> Service:
    """Make folders, keys and tables where they are missing, and put the parts together.

    Args:
        compares_pictures: whether to start the network for it, which takes longer than most commands in all.
        asks_store: as `make_blobs` has it.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    settings.keys_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    blobs = make_blobs(settings, asks_store=asks_store)
    database = Database(settings.database)
    upgrade_database(settings.database)
    now, at = make_clock(settings.clock), utc_now()
    signers, trust = Signers(settings), TrustLists(settings.trust_folder)
    try:
        signers.require_key(at=at)
        credentials = credentials_of(settings, signers, trust, at=at)
    except ProvenanceError as error:
        raise SettingsError(f"CLEARMARK_SIGNER_CERTIFICATES, CLEARMARK_SIGNER_KEY, trust lists: {error}") from error
    if settings.env is Environment.PRODUCTION and (
        unfit := unfit_at_start(settings.keys_folder, credentials.signer.identity.certificate_chain_pem)
    ):
        raise SettingsError("not fit for production: " + "; ".join(unfit))
    outbound = Outbound()
    token_keys = tokens.TokenKeys(open_ring(settings.keys_folder / "tokens", tokens.generate_pem))
    identity = ledger_identity(settings)
    _introduce(database, identity, now())
    return Service(
        settings=settings,
        database=database,
        blobs=blobs,
        index=IndexEngine(make_index=embedded_index, shared=make_shared(settings.index_url)),
        provenance=IsolatedEngine(
            lambda: credentials_of(settings, signers, trust, at=utc_now()), limits=_PROVENANCE_LIMITS
        ),
        signers=signers,
        trust=trust,
        ledger=identity,
        tokens=token_keys,
        desk=Desk(calendar=_calendar(settings), policy=_policy(settings)),
        limiter=RateLimiter(settings),
        post=make_post(settings),
        seals=Seals(settings.keys_folder / "pages"),
        oidc=OpenIdProvider(settings, token_keys) if settings.oidc_issuer else None,
        probe=InternetProbe(outbound),
        outbound=outbound,
        embedder=make_embedder(settings) if compares_pictures else None,
        witnesses=_witnesses(settings),
        tsa_roots=_tsa_roots(settings),
        now=now,
    )


def make_shared(index_url: str) -> SharedIndexes | None:
    """The indexes that all processes share, where the setting names an engine for them. Raises: SettingsError."""
    if index_url == "faiss://":
        return None
    try:
        from fingerprinting.index.milvus_index import Milvus, MilvusRows  # an extra, and it takes a while to import
    except ImportError as error:
        problem = "Milvus needs the extra `milvus`: install clearmark[milvus]"
        raise SettingsError(f"CLEARMARK_INDEX_URL: {problem} ({error})") from error
    milvus, corpora = Milvus(parse_milvus_url(index_url)), [corpus.value for corpus in SEARCHED]
    return SharedIndexes(rows={algorithm: MilvusRows(milvus, algorithm, corpora) for algorithm in TRAITS})


def make_blobs(settings: Settings, *, asks_store: bool = True) -> BlobStore:
    """Where the settings say that media lies.

    Args:
        asks_store: whether to ask an object store now whether it can be used: not for what needs no files.
    Raises:
        SettingsError: an object store that cannot be used so.
    """
    place = settings.s3_place
    if place is None:
        return FolderBlobs(settings.blob_folder)
    try:
        from api.s3_blobs import S3Blobs  # what it needs is an extra, and takes a while to import

        blobs = S3Blobs(place, settings.staging_folder)
        if asks_store:
            blobs.require()
    except ImportError as error:
        raise SettingsError("CLEARMARK_BLOB_URL: s3:// needs the extra `s3`: clearmark[s3]") from error
    except BlobsAway as away:
        raise SettingsError(f"CLEARMARK_BLOB_URL: {away.reason}") from away
    return blobs


def alembic_config(url: str) -> Config:
    """Alembic pointed at our one history of migrations."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["url"] = url
    return config


def upgrade_database(url: str) -> None:
    """Bring the tables to this version's shape."""
    command.upgrade(alembic_config(url), "head")


def make_embedder(settings: Settings) -> FrameEmbedder | None:
    """The network that the settings name, or the one that is installed; None where there is none."""
    if settings.sscd_model == WITHOUT:
        return None
    model = Path(settings.sscd_model) if settings.sscd_model else find_model()
    try:
        return OnnxEmbedder(model) if model else None
    except BadModel as error:
        raise SettingsError(f"CLEARMARK_SSCD_MODEL: {error}") from error


def _calendar(settings: Settings) -> BusinessCalendar:
    country, subdivision, time_zone = settings.country, settings.subdivision or None, settings.time_zone
    try:
        return BusinessCalendar(country=country, subdivision=subdivision, time_zone=time_zone)
    except UnknownCalendar as error:
        names = "CLEARMARK_COUNTRY, CLEARMARK_SUBDIVISION, CLEARMARK_TIME_ZONE"
        raise SettingsError(f"{names}: {error}") from error


def _policy(settings: Settings) -> Policy:
    return Policy(
        operator=settings.operator,
        url=settings.url,
        email=settings.takedown_mail or None,
        platform_holder=settings.platform_holder or None,
        four_eyes=settings.four_eyes,
        notices_per_day=settings.notices_per_day,
        notices_per_day_trusted=settings.notices_per_day_trusted,
        notices_per_day_anonymous=settings.notices_per_day_anonymous,
        strikes_to_suspend=settings.strikes_to_suspend,
        strike_lasts=timedelta(days=settings.strike_days),
        retention=timedelta(days=settings.keep_notices_days),
    )


def ledger_identity(settings: Settings) -> LedgerIdentity:
    """The ring of keys that sign checkpoints, as it is now; a key from before there was a ring is its first."""
    folder = ledger_ring(settings)
    adopt(folder, settings.keys_folder / "ledger.pem")
    *older, newest = (key_from_pem(pem) for pem in open_ring(folder, new_ledger_key))
    return LedgerIdentity(origin=settings.log_origin, key=newest, older=tuple(older))


def _introduce(database: Database, identity: LedgerIdentity, at: datetime) -> None:
    """Put keys that are new on record; a service without the key that introduces the next does not start."""
    try:
        with database.transaction() as session:
            introduce_keys(session, identity, at=at)
    except LedgerError:
        database.dispose()
        raise


def ledger_ring(settings: Settings) -> Path:
    return settings.keys_folder / "ledger"


def new_ledger_key() -> bytes:
    return key_to_pem(generate_key())


def _witnesses(settings: Settings) -> tuple[Witness, ...]:
    found: list[Witness] = []
    for said in filter(None, map(str.strip, settings.ledger_witnesses.split(","))):
        key, _, url = said.partition(" ")
        try:
            name = name_of(key)
        except BadCheckpoint as bad:
            raise SettingsError(f"CLEARMARK_LEDGER_WITNESSES: {bad.reason}") from None
        if not url.strip().startswith(("https://", "http://")):
            raise SettingsError(f"CLEARMARK_LEDGER_WITNESSES: after the key of {name} comes its URL")
        if name == settings.log_origin or name in {witness.name for witness in found}:
            raise SettingsError(f"CLEARMARK_LEDGER_WITNESSES: {name} is taken; each has a name of its own")
        found.append(Witness(key=key, url=url.strip()))
    return tuple(found)


def _tsa_roots(settings: Settings) -> tuple[Certificate, ...]:
    if not settings.ledger_tsa_roots:
        return ()
    try:
        return read_roots(Path(settings.ledger_tsa_roots).read_bytes())
    except (OSError, BadTimestamp) as error:
        raise SettingsError(f"CLEARMARK_LEDGER_TSA_ROOTS: {error}") from None
