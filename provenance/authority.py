"""Signing identities: an operator's certificate, or a development one made at first start.

Decides what a development certificate looks like, what makes a chain and a key a signer, and how two
processes that start at once end with one identity. Where the key lies and how it signs is keys' matter.

The development files lie in `ca/` and `signer-NNNN/`. Each folder is written
whole under another name and then renamed, which fails when the other process
was first; the loser takes what it finds.
"""

import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from provenance.errors import IdentityInvalid
from provenance.keys import PemKey, PublicKey, SigningAlgorithm, SigningKey, algorithm_of

C2PA_CLAIM_SIGNING = "1.3.6.1.4.1.62558.2.1"
EMAIL_PROTECTION = ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string
DEVELOPMENT_CA_NAME = "Clearmark DEVELOPMENT CA - not for production"
DEVELOPMENT_SIGNER_NAME = "Clearmark DEVELOPMENT signer - not for production"
DEVELOPMENT_TRUST_URI = "urn:clearmark:development-ca"

_SIGNING_USES = {ObjectIdentifier(C2PA_CLAIM_SIGNING), ExtendedKeyUsageOID.EMAIL_PROTECTION}
_CA_LIFETIME = timedelta(days=30 * 365)
_SIGNER_LIFETIME = timedelta(days=365)
_CLOCK_SKEW = timedelta(days=1)  # so that a reader whose clock is behind accepts a new certificate


class AnchorKind(StrEnum):
    """What an anchor is trusted for: signing claims, or stamping time."""

    MANIFEST = "manifest"
    TIME_STAMP = "tsa"


class Standing(StrEnum):
    """Whose word a trust list is; where several know a signer, the first of these names it."""

    OFFICIAL = "official"
    INTERIM = "interim"
    OPERATOR = "operator"
    OWN = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchor:
    """One or more CA certificates of a trust list, and the list's name."""

    pem: str
    uri: str
    kind: AnchorKind = AnchorKind.MANIFEST
    standing: Standing = Standing.OWN


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningIdentity:
    """A certificate chain (signer first) and the anchors that vouch for it; nothing of it is secret."""

    certificate_chain_pem: str
    algorithm: SigningAlgorithm
    anchors: tuple[TrustAnchor, ...]
    not_before: datetime
    not_after: datetime
    name: str
    serial: str
    certificate_sha256: str
    development: bool

    def require_valid(self, *, at: datetime) -> None:
        """Raises IdentityInvalid when the certificate is not valid at that time."""
        if at >= self.not_after:
            raise IdentityInvalid(reason=f"the signer's certificate expired on {self.not_after:%Y-%m-%d}; replace it")
        if at < self.not_before:
            raise IdentityInvalid(reason=f"the signer's certificate is not valid before {self.not_before:%Y-%m-%d}")

    def require_key(self, key: SigningKey) -> None:
        """Raises IdentityInvalid when the key is another's, KeyUnavailable when it cannot be asked."""
        if self.public_key() != key.public_key():
            raise IdentityInvalid(reason="the key is not the certificate's")

    def public_key(self) -> PublicKey:
        """That of the certificate; its kind was seen when the identity was read (`algorithm_of`)."""
        leaf = x509.load_pem_x509_certificates(self.certificate_chain_pem.encode("ascii"))[0]
        return cast("PublicKey", leaf.public_key())


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """An identity and the key that signs for it; `key_at` says where that lies, in words that hold no secret."""

    identity: SigningIdentity
    key: SigningKey
    key_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Whom we sign as, whom we believe beside ourselves, and who may stamp the time, tried in this order.

    Attributes:
        former_sha256: the certificates, DER, that we signed with before.
    """

    signer: Signer
    trust_anchors: tuple[TrustAnchor, ...] = ()
    former_sha256: tuple[str, ...] = ()
    tsa_urls: tuple[str, ...] = ()

    @property
    def anchors(self) -> tuple[TrustAnchor, ...]:
        """All that we believe; every certificate is read for it, so ask once in an operation."""
        return unambiguous((*self.signer.identity.anchors, *self.trust_anchors))

    def is_ours(self, certificate_sha256: str) -> bool:
        """Whether that is a certificate of ours. A CA that vouches for us may vouch for others as well."""
        return certificate_sha256 in (self.signer.identity.certificate_sha256, *self.former_sha256)


def unambiguous(anchors: Sequence[TrustAnchor]) -> tuple[TrustAnchor, ...]:
    """Anchors such that each certificate stands in one list.

    When several lists know a signer, the library names one of them at random: the list named would change from
    one time to the next, and between a manifest list and one for time-stamps the signer would be trusted now and
    then. Manifest anchors vouch for time-stamps too, so what is left out of the other lists loses nothing.
    """
    order = list(Standing)
    manifest = [anchor for anchor in anchors if anchor.kind is AnchorKind.MANIFEST]
    ranked = sorted(dict.fromkeys(manifest), key=lambda anchor: order.index(anchor.standing))
    ranked += dict.fromkeys(anchor for anchor in anchors if anchor.kind is AnchorKind.TIME_STAMP)
    known: set[x509.Certificate] = set()
    kept = []
    for anchor in ranked:
        rest = [certificate for certificate in _certificates(anchor) if certificate not in known]
        known.update(rest)
        if rest:
            kept.append(replace(anchor, pem=b"".join(map(_pem, rest)).decode("ascii")))
    return tuple(kept)


def load_signer(chain_path: Path, key: SigningKey, anchors: tuple[TrustAnchor, ...], *, key_at: str) -> Signer:
    """An operator's own certificate, and the key that is said to be its own; see `SigningIdentity.require_key`.

    Raises:
        IdentityInvalid: the file cannot be read, is no chain, or may not sign.
    """
    return Signer(identity=_identity(chain_path, anchors, development=False), key=key, key_at=key_at)


def ensure_development_signer(folder: Path, *, at: datetime) -> Signer:
    """The development signer kept in `folder`, made or renewed when there is none valid at `at`.

    Idempotent, and safe for several processes at once.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca = folder / "ca"
    if not ca.exists():
        place(ca, _new_ca(at))
    anchors = development_anchors(folder)

    signers = _signers(folder)
    if signers:
        newest = _development_signer(signers[-1], anchors)
        if newest.identity.not_after > at:
            return newest
    return _next_signer(folder, signers, at)


def renew_development_signer(folder: Path, *, at: datetime) -> Signer:
    """Another development signer under the CA of `folder`, which is the newest from now on."""
    return _next_signer(folder, _signers(folder), at)


def development_anchors(folder: Path) -> tuple[TrustAnchor, ...]:
    """The development CA of `folder`; none where none was made."""
    certificate = folder / "ca" / "certificate.pem"
    return (TrustAnchor(pem=certificate.read_text(), uri=DEVELOPMENT_TRUST_URI),) if certificate.exists() else ()


def development_certificates(folder: Path) -> list[str]:
    """The SHA-256 of every development signer's certificate, DER, in hexadecimal digits."""
    chains = [(signer / "chain.pem").read_bytes() for signer in _signers(folder)]
    leaves = [x509.load_pem_x509_certificates(chain)[0] for chain in chains]
    return [leaf.fingerprint(hashes.SHA256()).hex() for leaf in leaves]


def _signers(folder: Path) -> list[Path]:
    return sorted(folder.glob("signer-[0-9][0-9][0-9][0-9]"))


def _next_signer(folder: Path, seen: Sequence[Path], at: datetime) -> Signer:
    """The signer after those that the caller saw: one made since then is that signer, and no other is made."""
    number = int(seen[-1].name.removeprefix("signer-")) + 1 if seen else 1
    signer = folder / f"signer-{number:04d}"
    if not signer.exists():
        place(signer, _new_signer(folder / "ca", at))
    return _development_signer(signer, development_anchors(folder))


def _certificates(anchor: TrustAnchor) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(anchor.pem.encode("ascii"))


def _development_signer(folder: Path, anchors: tuple[TrustAnchor, ...]) -> Signer:
    key = PemKey((folder / "key.pem").absolute())
    identity = _identity(folder / "chain.pem", anchors, development=True)
    return Signer(identity=identity, key=key, key_at=str(key.path))


def _identity(chain_path: Path, anchors: tuple[TrustAnchor, ...], *, development: bool) -> SigningIdentity:
    try:
        chain_pem = chain_path.read_text(encoding="ascii")
        leaf = x509.load_pem_x509_certificates(chain_pem.encode("ascii"))[0]
    except (OSError, ValueError) as error:
        raise IdentityInvalid(reason=f"the certificate chain cannot be read ({type(error).__name__})") from error
    _require_claim_signer(leaf)
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return SigningIdentity(
        certificate_chain_pem=chain_pem,
        algorithm=algorithm_of(leaf.public_key()),
        anchors=anchors,
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        name=str(names[0].value) if names else leaf.subject.rfc4514_string(),
        serial=f"{leaf.serial_number:x}",
        certificate_sha256=leaf.fingerprint(hashes.SHA256()).hex(),
        development=development,
    )


def _require_claim_signer(leaf: x509.Certificate) -> None:
    """What every reader asks of a signer's certificate (C2PA 2.4 section 14.5.1), said before anything is signed."""
    try:
        constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value
        if constraints.ca:
            raise IdentityInvalid(reason="the first certificate of the chain is a CA's; put the signer's own first")
    except x509.ExtensionNotFound:
        pass
    for kind, wanted in (
        (x509.KeyUsage, "digitalSignature"),
        (x509.ExtendedKeyUsage, "C2PA claim signing or emailProtection"),
        (x509.AuthorityKeyIdentifier, "an authorityKeyIdentifier"),
    ):
        try:
            value = leaf.extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            raise IdentityInvalid(reason=f"the certificate lacks {wanted}") from None
        if isinstance(value, x509.KeyUsage) and not value.digital_signature:
            raise IdentityInvalid(reason=f"the certificate lacks {wanted}")
        if isinstance(value, x509.ExtendedKeyUsage) and not _SIGNING_USES & set(value):
            raise IdentityInvalid(reason=f"the certificate lacks {wanted}")


def place(target: Path, files: Mapping[str, bytes]) -> bool:
    """Put a folder of files at `target` at once, or leave the one that is already there; whether it is this one."""
    scratch = target.with_name(f".new-{secrets.token_hex(8)}")
    scratch.mkdir(mode=0o700)
    try:
        for name, content in files.items():
            descriptor = os.open(scratch / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        try:
            scratch.rename(target)
        except OSError:
            if not target.is_dir():  # not a lost race
                raise
            return False
        return True
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _new_ca(at: datetime) -> dict[str, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(DEVELOPMENT_CA_NAME)
    certificate = (
        _certificate(subject, subject, key.public_key(), at, at + _CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return {"certificate.pem": _pem(certificate), "key.pem": _key_pem(key)}


def _new_signer(ca: Path, at: datetime) -> dict[str, bytes]:
    """Leaf profile of C2PA 2.x section 14.5.1, and emailProtection, which validators still ask for."""
    ca_certificate = x509.load_pem_x509_certificate((ca / "certificate.pem").read_bytes())
    ca_key = serialization.load_pem_private_key((ca / "key.pem").read_bytes(), password=None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise IdentityInvalid(reason="the development CA's key is not the one that was made")
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    until = min(at + _SIGNER_LIFETIME, ca_certificate.not_valid_after_utc)
    certificate = (
        _certificate(_name(DEVELOPMENT_SIGNER_NAME), ca_certificate.subject, key.public_key(), at, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(sorted(_SIGNING_USES, key=lambda use: use.dotted_string)), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return {"chain.pem": _pem(certificate) + _pem(ca_certificate), "key.pem": _key_pem(key)}


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, at: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _CLOCK_SKEW)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Clearmark development"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
