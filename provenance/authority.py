"""Signing identities: an operator's certificate, or a development one made at first start.

Decides what a development certificate looks like and how two processes that
start at once end with one identity. It does not sign, and it hands out the
path of the key, not the key: only the process that signs opens it.

The development files lie in `ca/` and `signer-NNNN/`. Each folder is written
whole under another name and then renamed, which fails when the other process
was first; the loser takes what it finds.
"""

import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from provenance.errors import IdentityInvalid

C2PA_CLAIM_SIGNING = "1.3.6.1.4.1.62558.2.1"
EMAIL_PROTECTION = ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string
DEVELOPMENT_CA_NAME = "Clearmark DEVELOPMENT CA - not for production"
DEVELOPMENT_SIGNER_NAME = "Clearmark DEVELOPMENT signer - not for production"
DEVELOPMENT_TRUST_URI = "urn:clearmark:development-ca"

_CA_LIFETIME = timedelta(days=30 * 365)
_SIGNER_LIFETIME = timedelta(days=365)
_CLOCK_SKEW = timedelta(days=1)  # so that a reader whose clock is behind accepts a new certificate


class SigningAlgorithm(StrEnum):
    """Claim signature algorithms that C2PA allows."""

    ES256 = "es256"
    ES384 = "es384"
    ES512 = "es512"
    PS256 = "ps256"
    ED25519 = "ed25519"


class AnchorKind(StrEnum):
    """What an anchor is trusted for: signing claims, or stamping time."""

    MANIFEST = "manifest"
    TIME_STAMP = "tsa"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchor:
    """One or more CA certificates of a trust list, and the list's name."""

    pem: str
    uri: str
    kind: AnchorKind = AnchorKind.MANIFEST


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningIdentity:
    """A certificate chain (signer first), where its key is, and the anchors that vouch for it."""

    certificate_chain_pem: str
    key_path: Path
    algorithm: SigningAlgorithm
    anchors: tuple[TrustAnchor, ...]
    not_after: datetime
    name: str
    development: bool


def unambiguous(anchors: Iterable[TrustAnchor]) -> tuple[TrustAnchor, ...]:
    """Anchors such that no certificate is both a manifest and a time-stamp anchor.

    When both lists know a signer, the library names one of them at random, and
    the signer would be trusted now and then. A manifest anchor vouches for
    time-stamps too, so leaving it out of the time-stamp lists loses nothing.
    """
    unique = tuple(dict.fromkeys(anchors))
    manifest = [anchor for anchor in unique if anchor.kind is AnchorKind.MANIFEST]
    known = {certificate for anchor in manifest for certificate in _certificates(anchor)}
    kept = []
    for anchor in unique:
        if anchor.kind is AnchorKind.TIME_STAMP:
            rest = [certificate for certificate in _certificates(anchor) if certificate not in known]
            if rest:
                kept.append(replace(anchor, pem=b"".join(map(_pem, rest)).decode("ascii")))
    return (*manifest, *kept)


def load_identity(cert_chain_pem_path: Path, key_pem_path: Path, anchors: tuple[TrustAnchor, ...]) -> SigningIdentity:
    """The identity of an operator's own certificate.

    Raises:
        IdentityInvalid: the files cannot be read or are not a chain and its key.
    """
    return _identity(cert_chain_pem_path, key_pem_path, anchors, development=False)


def ensure_development_signer(folder: Path, *, at: datetime) -> SigningIdentity:
    """The development identity kept in `folder`, made or renewed when there is none valid at `at`.

    Idempotent, and safe for several processes at once.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca = folder / "ca"
    if not ca.exists():
        _place(ca, _new_ca(at))
    anchors = (TrustAnchor(pem=(ca / "certificate.pem").read_text(), uri=DEVELOPMENT_TRUST_URI),)

    signers = sorted(folder.glob("signer-[0-9][0-9][0-9][0-9]"))
    if signers:
        newest = _development_identity(signers[-1], anchors)
        if newest.not_after > at:
            return newest
    signer = folder / f"signer-{len(signers) + 1:04d}"
    _place(signer, _new_signer(ca, at))
    return _development_identity(signer, anchors)


def _certificates(anchor: TrustAnchor) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(anchor.pem.encode("ascii"))


def _development_identity(signer: Path, anchors: tuple[TrustAnchor, ...]) -> SigningIdentity:
    return _identity(signer / "chain.pem", signer / "key.pem", anchors, development=True)


def _identity(
    chain_path: Path, key_path: Path, anchors: tuple[TrustAnchor, ...], *, development: bool
) -> SigningIdentity:
    try:
        chain_pem = chain_path.read_text(encoding="ascii")
        leaf = x509.load_pem_x509_certificates(chain_pem.encode("ascii"))[0]
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:  # TypeError: the key is encrypted
        reason = f"certificate chain or key cannot be read ({type(error).__name__})"
        raise IdentityInvalid(reason=reason) from error
    if leaf.public_key() != key.public_key():
        raise IdentityInvalid(reason="the key is not the certificate's")
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return SigningIdentity(
        certificate_chain_pem=chain_pem,
        key_path=key_path.absolute(),
        algorithm=_algorithm(key),
        anchors=anchors,
        not_after=leaf.not_valid_after_utc,
        name=str(names[0].value) if names else leaf.subject.rfc4514_string(),
        development=development,
    )


def _algorithm(key: object) -> SigningAlgorithm:
    by_curve = {
        "secp256r1": SigningAlgorithm.ES256,
        "secp384r1": SigningAlgorithm.ES384,
        "secp521r1": SigningAlgorithm.ES512,
    }
    match key:
        case ec.EllipticCurvePrivateKey() if key.curve.name in by_curve:
            return by_curve[key.curve.name]
        case rsa.RSAPrivateKey():
            return SigningAlgorithm.PS256
        case ed25519.Ed25519PrivateKey():
            return SigningAlgorithm.ED25519
    raise IdentityInvalid(reason=f"{type(key).__name__} is not a kind of key that C2PA allows")


def _place(target: Path, files: Mapping[str, bytes]) -> None:
    """Put a folder of files at `target` at once, or leave the one that is already there."""
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
    uses = [ObjectIdentifier(C2PA_CLAIM_SIGNING), ExtendedKeyUsageOID.EMAIL_PROTECTION]
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    until = min(at + _SIGNER_LIFETIME, ca_certificate.not_valid_after_utc)
    certificate = (
        _certificate(_name(DEVELOPMENT_SIGNER_NAME), ca_certificate.subject, key.public_key(), at, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
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
