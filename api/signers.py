"""Who signs: the development signer, the one that the settings name, or the newest of a ring of certificates.

Decides which signer is in force now, and how another takes over without a moment in which none is. A ring lies
in the keys folder, one numbered folder for each certificate: its chain, the CA certificates that it ends at, and
where its key lies. The settings' own certificate is the oldest of it. A process looks at the folder each time, so
a rotation needs no new start; releases of older signers are verified by their CA certificates, which stay.
"""

import json
import os
import shutil
import tempfile
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image

from api.settings import Environment, Settings, SettingsError
from api.signing_keys import BadKeyReference, open_key, without_secrets
from provenance.authority import (
    Credentials,
    Signer,
    Standing,
    TrustAnchor,
    development_anchors,
    development_certificates,
    ensure_development_signer,
    load_signer,
    place,
    renew_development_signer,
)
from provenance.errors import IdentityInvalid
from provenance.isolated import IsolatedEngine
from provenance.keys import PemKey, SigningKey
from provenance.model import AssertedCheck, ReleaseClaim
from provenance.source_types import SourceType
from provenance.trust import BadTrustList, TrustLists, read_certificates

_OPERATOR_URI = "urn:clearmark:operator"
_KEY, _REQUESTED = "key.pem", "requested.pem"
_LONGEST_ROTATION = timedelta(hours=1)


@dataclass(slots=True)
class Signers:
    """The signers of a service."""

    settings: Settings
    _known: tuple[object, list[Signer]] | None = None

    @property
    def ring(self) -> Path:
        return self.settings.keys_folder / "signers"

    @property
    def requested_key(self) -> Path:
        """The key of which a certificate was requested and that waits for it."""
        return self.ring / _REQUESTED

    def current(self, *, at: datetime) -> Signer:
        """Who signs now: the newest whose certificate has begun, also when it has ended; then nothing is signed.

        A former one is never signed with again: it may have been replaced because its key leaked.
        """
        signers = self._all(at)
        if self.is_development and signers[-1].identity.not_after <= at:
            self._known = None
            signers = self._all(at)
        begun = [one for one in signers if one.identity.not_before <= at]
        return (begun or signers)[-1]

    def anchors(self, *, at: datetime) -> tuple[TrustAnchor, ...]:
        """The CA certificates of all signers, former ones too; outside production also the development CA's."""
        known = [anchor for one in self._all(at) for anchor in one.identity.anchors]
        if self.settings.env is Environment.DEVELOPMENT:
            known += development_anchors(self.settings.keys_folder)
        return tuple(dict.fromkeys(known))

    def certificates_sha256(self, *, at: datetime) -> tuple[str, ...]:
        """The certificates that were ever signed with."""
        known = [one.identity.certificate_sha256 for one in self._all(at)]
        if self.settings.env is Environment.DEVELOPMENT:
            known += development_certificates(self.settings.keys_folder)
        return tuple(dict.fromkeys(known))

    @property
    def is_development(self) -> bool:
        return not self.settings.signer_key and not _generations(self.ring)

    def require_key(self, *, at: datetime) -> None:
        """Where the key of who signs now lies in a file, require that it is the certificate's.

        Raises:
            IdentityInvalid, KeyUnavailable: it is not, or is not there.
        """
        signer = self.current(at=at)
        if isinstance(signer.key, PemKey):
            signer.identity.require_key(signer.key)

    def rotate(self, chain: Path, key: str, anchors: Path, *, at: datetime) -> Signer:
        """Put another certificate at the end of the ring, once it was seen to sign a file that holds.

        Args:
            key: where its key lies; a PEM file is copied into the ring.
            anchors: the CA certificates that the chain ends at.
        Raises:
            IdentityInvalid, KeyUnavailable, SigningFailed: it would sign nothing that holds.
        """
        self.ring.mkdir(mode=0o700, parents=True, exist_ok=True)
        _forget_trials(self.ring, at=at)
        opened = _open(key, self.settings, said_in="The key")
        try:
            files = {"chain.pem": chain.read_bytes(), "anchors.pem": anchors.read_bytes()}
            if isinstance(opened, PemKey):
                files[_KEY] = opened.path.read_bytes()
        except OSError as error:
            raise IdentityInvalid(reason=f"its files cannot be read ({error.strerror})") from error
        files["signer.json"] = json.dumps({"key": _KEY if _KEY in files else key}).encode()
        with tempfile.TemporaryDirectory(prefix=".trial-", dir=self.ring) as trial:
            place(Path(trial, "signer"), files)
            signer = _load(Path(trial, "signer"), self.settings)
            signer.identity.require_key(signer.key)
            signer.identity.require_valid(at=at)
            require_signature(signer, at=at)
        while True:  # until no other rotation takes the same place
            folder = self.ring / f"{max(_generations(self.ring), default=0) + 1:04d}"
            if place(folder, files):
                return _load(folder, self.settings)

    def renew_development(self, *, at: datetime) -> Signer:
        """Another development certificate under the development CA."""
        ensure_development_signer(self.settings.keys_folder, at=at)
        return renew_development_signer(self.settings.keys_folder, at=at)

    def request_key(self) -> Path:
        """A new P-256 key for a certificate that is yet to be issued; one that waits already is kept."""
        self.ring.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.requested_key.exists():
            pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            descriptor = os.open(self.requested_key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(pem)
        return self.requested_key

    def _all(self, at: datetime) -> list[Signer]:
        """All signers, oldest first, read again when a folder changed."""
        state, known = (_state(self.settings.keys_folder), _state(self.ring)), self._known
        if known is None or known[0] != state:  # what changes while it is read is read again next time
            known = self._known = state, self._load_all(at)
        return known[1]

    def _load_all(self, at: datetime) -> list[Signer]:
        settings = self.settings
        if self.is_development:
            return [ensure_development_signer(settings.keys_folder, at=at)]
        signers = []
        if settings.signer_key:
            anchor = _operators(Path(settings.trust_anchors))
            chain = Path(settings.signer_certificates)
            signers.append(_signer(chain, _open(settings.signer_key, settings), (anchor,), settings.signer_key))
        return [*signers, *(_load(self.ring / f"{number:04d}", settings) for number in _generations(self.ring))]


def credentials_of(settings: Settings, signers: Signers, lists: TrustLists, *, at: datetime) -> Credentials:
    """Whom a service signs as and believes, at that time."""
    signer = signers.current(at=at)
    trusted = (*signers.anchors(at=at), *lists.anchors())
    return Credentials(
        signer=signer,
        trust_anchors=trusted,
        former_sha256=signers.certificates_sha256(at=at),
        tsa_urls=settings.claim_tsa_urls,
    )


def require_signature(signer: Signer, *, at: datetime) -> None:
    """Sign a picture of one pixel and read it back as a stranger would.

    Raises:
        ProvenanceError: that did not hold.
    """
    with tempfile.TemporaryDirectory() as folder:
        Image.new("L", (1, 1)).save(source := Path(folder, "source.png"))
        with closing(IsolatedEngine(lambda: Credentials(signer=signer))) as engine:
            engine.sign(source, Path(folder, "signed.png"), trial_claim(at=at))


def trial_claim(*, at: datetime) -> ReleaseClaim:
    """What is claimed of a picture that is nobody's release."""
    nothing = AssertedCheck(
        check_id="none", verdict="none", algorithms=(), index_sequence=0, ledger_origin="none", ledger_index=None,
        checked_at=at,
    )  # fmt: skip
    return ReleaseClaim(
        title="Trial of a signer",
        release_id="none",
        media_type="image/png",
        created_at=at,
        generator_name=None,
        generator_version=None,
        source_type=SourceType.DIGITAL_CREATION,
        check=nothing,
    )


def _operators(path: Path) -> TrustAnchor:
    try:
        return TrustAnchor(pem=read_certificates(path.read_bytes()), uri=_OPERATOR_URI, standing=Standing.OWN)
    except OSError as error:
        raise IdentityInvalid(reason=f"the CA certificates in {path} cannot be read ({error.strerror})") from error
    except BadTrustList as error:
        raise IdentityInvalid(reason=f"the CA certificates in {path} cannot be read: {error}") from error


def _open(key: str, settings: Settings, *, said_in: str = "CLEARMARK_SIGNER_KEY") -> SigningKey:
    try:
        return open_key(key, token=settings.signer_token)
    except BadKeyReference as error:
        raise SettingsError(f"{said_in}: {error.reason}") from error


def _load(folder: Path, settings: Settings) -> Signer:
    described = folder / "signer.json"
    try:
        reference = str(json.loads(described.read_text())["key"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IdentityInvalid(reason=f"{described} is missing or damaged; rotate to the certificate anew") from error
    said = str(folder / _KEY) if reference == _KEY else reference
    key = _open(said, settings, said_in=str(described))
    return _signer(folder / "chain.pem", key, (_operators(folder / "anchors.pem"),), said)


def _signer(chain: Path, key: SigningKey, anchors: tuple[TrustAnchor, ...], said: str) -> Signer:
    """A signer whose key is not asked: it may be away just now, and a former one for good."""
    return load_signer(chain, key, anchors, key_at=without_secrets(said))


def _forget_trials(ring: Path, *, at: datetime) -> None:
    """Remove what rotations that were killed left behind: a copy of a key may be in it."""
    for left in (*ring.glob(".trial-*"), *ring.glob(".new-*")):
        with suppress(FileNotFoundError):
            if datetime.fromtimestamp(left.stat().st_mtime, UTC) < at - _LONGEST_ROTATION:
                shutil.rmtree(left, ignore_errors=True)


def _generations(ring: Path) -> list[int]:
    return sorted(int(path.name) for path in ring.glob("[0-9][0-9][0-9][0-9]"))


def _state(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
