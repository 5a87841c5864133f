"""Development identities: made once, kept private, renewed in time; and an operator's own."""

import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from provenance.authority import (
    C2PA_CLAIM_SIGNING,
    AnchorKind,
    SigningAlgorithm,
    TrustAnchor,
    ensure_development_signer,
    load_identity,
    unambiguous,
)
from provenance.errors import IdentityInvalid

AT = datetime(2026, 3, 1, tzinfo=UTC)


def write_key(path: Path, key: ed25519.Ed25519PrivateKey) -> None:
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def test_the_development_identity_is_made_once(tmp_path: Path) -> None:
    first = ensure_development_signer(tmp_path, at=AT)
    assert ensure_development_signer(tmp_path, at=AT + timedelta(days=300)) == first
    assert first.development
    assert first.not_after == AT + timedelta(days=365)


def test_processes_that_start_at_once_end_with_one_identity(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ensure_development_signer(tmp_path / "keys", at=AT), range(8)))
    assert len(set(made)) == 1
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["ca", "signer-0001"]


def test_an_expired_signer_is_renewed_under_the_same_authority(tmp_path: Path) -> None:
    old = ensure_development_signer(tmp_path, at=AT)
    new = ensure_development_signer(tmp_path, at=old.not_after)
    assert new.not_after > old.not_after
    assert new.key_path != old.key_path
    assert new.anchors == old.anchors


def test_keys_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    ensure_development_signer(tmp_path / "keys", at=AT)
    for path in (tmp_path / "keys").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_development_certificates_say_what_they_are(tmp_path: Path) -> None:
    identity = ensure_development_signer(tmp_path, at=AT)
    leaf, ca = x509.load_pem_x509_certificates(identity.certificate_chain_pem.encode())
    assert "Clearmark DEVELOPMENT CA - not for production" in ca.subject.rfc4514_string()
    assert "DEVELOPMENT" in identity.name
    assert identity.anchors[0].uri == "urn:clearmark:development-ca"
    leaf.verify_directly_issued_by(ca)


def test_the_signers_certificate_has_the_claim_signing_profile(tmp_path: Path) -> None:
    identity = ensure_development_signer(tmp_path, at=AT)
    leaf = x509.load_pem_x509_certificates(identity.certificate_chain_pem.encode())[0]
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    uses = {oid.dotted_string for oid in leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value}
    assert usage.digital_signature
    assert not usage.key_cert_sign
    assert {C2PA_CLAIM_SIGNING, "1.3.6.1.5.5.7.3.4"} == uses
    assert leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)


def test_an_interrupted_start_leaves_no_half_identity(tmp_path: Path) -> None:
    (tmp_path / ".new-0123").mkdir()
    (tmp_path / ".new-0123" / "key.pem").write_bytes(b"half")
    assert ensure_development_signer(tmp_path, at=AT).name


def test_an_operators_identity_is_not_development(tmp_path: Path) -> None:
    made = ensure_development_signer(tmp_path, at=AT)
    loaded = load_identity(made.key_path.with_name("chain.pem"), made.key_path, made.anchors)
    assert not loaded.development
    assert loaded.algorithm is SigningAlgorithm.ES256
    assert (loaded.certificate_chain_pem, loaded.key_path) == (made.certificate_chain_pem, made.key_path)


def test_no_certificate_vouches_for_claims_and_time_stamps_both(tmp_path: Path) -> None:
    (one,) = ensure_development_signer(tmp_path / "one", at=AT).anchors
    (other,) = ensure_development_signer(tmp_path / "other", at=AT).anchors
    stamps = TrustAnchor(pem=one.pem + other.pem, uri="urn:example:tsa", kind=AnchorKind.TIME_STAMP)
    assert unambiguous((stamps, one, one)) == (one, replace(stamps, pem=other.pem))
    assert unambiguous((replace(stamps, pem=one.pem), one)) == (one,)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    made = ensure_development_signer(tmp_path / "keys", at=AT)
    write_key(other := tmp_path / "other.pem", ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(IdentityInvalid, match="not the certificate's"):
        load_identity(made.key_path.with_name("chain.pem"), other, made.anchors)


@pytest.mark.parametrize("content", [b"", b"not pem", "caf\u00e9".encode()])
def test_files_that_are_no_identity_are_refused(tmp_path: Path, content: bytes) -> None:
    (path := tmp_path / "file.pem").write_bytes(content)
    with pytest.raises(IdentityInvalid):
        load_identity(path, path, ())
    with pytest.raises(IdentityInvalid):
        load_identity(tmp_path / "none.pem", path, ())
