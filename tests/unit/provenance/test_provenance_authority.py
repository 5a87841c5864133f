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
    Standing,
    TrustAnchor,
    ensure_development_signer,
    load_signer,
    renew_development_signer,
    unambiguous,
)
from provenance.errors import IdentityInvalid, KeyUnavailable
from provenance.keys import PemKey, SigningAlgorithm

AT = datetime(2026, 3, 1, tzinfo=UTC)


def write_key(path: Path, key: ed25519.Ed25519PrivateKey) -> None:
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def test_the_development_identity_is_made_once(tmp_path: Path) -> None:
    first = ensure_development_signer(tmp_path, at=AT)
    assert ensure_development_signer(tmp_path, at=AT + timedelta(days=300)) == first
    assert first.identity.development
    assert first.identity.not_after == AT + timedelta(days=365)


def test_processes_that_start_at_once_end_with_one_identity(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for go in range(20):
            keys = tmp_path / str(go)
            made = list(pool.map(lambda _, keys=keys: ensure_development_signer(keys, at=AT), range(8)))
            assert len(set(made)) == 1
            assert sorted(path.name for path in keys.iterdir()) == ["ca", "signer-0001"]


def test_an_expired_signer_is_renewed_under_the_same_authority(tmp_path: Path) -> None:
    old = ensure_development_signer(tmp_path, at=AT)
    new = ensure_development_signer(tmp_path, at=old.identity.not_after)
    assert new.identity.not_after > old.identity.not_after
    assert new.key != old.key
    assert new.identity.anchors == old.identity.anchors


def test_a_signer_is_renewed_before_its_time_and_the_newest_signs(tmp_path: Path) -> None:
    old = ensure_development_signer(tmp_path, at=AT)
    new = renew_development_signer(tmp_path, at=AT + timedelta(days=1))
    assert ensure_development_signer(tmp_path, at=AT + timedelta(days=1)) == new != old
    assert new.identity.serial != old.identity.serial


def test_keys_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    ensure_development_signer(tmp_path / "keys", at=AT)
    for path in (tmp_path / "keys").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_development_certificates_say_what_they_are(tmp_path: Path) -> None:
    identity = ensure_development_signer(tmp_path, at=AT).identity
    leaf, ca = x509.load_pem_x509_certificates(identity.certificate_chain_pem.encode())
    assert "Clearmark DEVELOPMENT CA - not for production" in ca.subject.rfc4514_string()
    assert "DEVELOPMENT" in identity.name
    assert identity.anchors[0].uri == "urn:clearmark:development-ca"
    leaf.verify_directly_issued_by(ca)


def test_the_signers_certificate_has_the_claim_signing_profile(tmp_path: Path) -> None:
    identity = ensure_development_signer(tmp_path, at=AT).identity
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
    assert ensure_development_signer(tmp_path, at=AT).identity.name


def chain_of(key: object) -> Path:
    assert isinstance(key, PemKey)
    return key.path.with_name("chain.pem")


def test_an_operators_identity_is_not_development(tmp_path: Path) -> None:
    made = ensure_development_signer(tmp_path, at=AT)
    loaded = load_signer(chain_of(made.key), made.key, made.identity.anchors, key_at="here")
    assert not loaded.identity.development
    assert loaded.identity.algorithm is SigningAlgorithm.ES256
    assert loaded.identity.certificate_chain_pem == made.identity.certificate_chain_pem


def test_an_identity_signs_only_while_its_certificate_is_valid(tmp_path: Path) -> None:
    identity = ensure_development_signer(tmp_path, at=AT).identity
    identity.require_valid(at=AT)
    with pytest.raises(IdentityInvalid, match="expired on 2027-03-01"):
        identity.require_valid(at=identity.not_after)
    with pytest.raises(IdentityInvalid, match="not valid before"):
        identity.require_valid(at=AT - timedelta(days=2))


def test_a_ca_is_no_signer(tmp_path: Path) -> None:
    made = ensure_development_signer(tmp_path, at=AT)
    with pytest.raises(IdentityInvalid, match="put the signer's own first"):
        load_signer(tmp_path / "ca" / "certificate.pem", made.key, (), key_at="here")


def test_no_certificate_vouches_for_claims_and_time_stamps_both(tmp_path: Path) -> None:
    (one,) = ensure_development_signer(tmp_path / "one", at=AT).identity.anchors
    (other,) = ensure_development_signer(tmp_path / "other", at=AT).identity.anchors
    stamps = TrustAnchor(pem=one.pem + other.pem, uri="urn:example:tsa", kind=AnchorKind.TIME_STAMP)
    assert unambiguous((stamps, one, one)) == (one, replace(stamps, pem=other.pem))
    assert unambiguous((replace(stamps, pem=one.pem), one)) == (one,)


def test_each_certificate_stands_in_one_list_and_the_more_official_names_it(tmp_path: Path) -> None:
    (own,) = ensure_development_signer(tmp_path / "one", at=AT).identity.anchors
    (other,) = ensure_development_signer(tmp_path / "other", at=AT).identity.anchors
    operator = TrustAnchor(pem=own.pem + other.pem, uri="urn:example:operator", standing=Standing.OPERATOR)
    official = TrustAnchor(pem=own.pem, uri="urn:example:official", standing=Standing.OFFICIAL)
    assert unambiguous((own, operator, official)) == (official, replace(operator, pem=other.pem))


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    made = ensure_development_signer(tmp_path / "keys", at=AT)
    write_key(other := tmp_path / "other.pem", ed25519.Ed25519PrivateKey.generate())
    made.identity.require_key(made.key)
    with pytest.raises(IdentityInvalid, match="not the certificate's"):
        made.identity.require_key(PemKey(other))


@pytest.mark.parametrize("content", [b"", b"not pem", "caf\u00e9".encode()])
def test_files_that_are_no_identity_are_refused(tmp_path: Path, content: bytes) -> None:
    (path := tmp_path / "file.pem").write_bytes(content)
    made = ensure_development_signer(tmp_path / "keys", at=AT)
    for chain in (path, tmp_path / "none.pem"):
        with pytest.raises(IdentityInvalid, match="cannot be read"):
            load_signer(chain, made.key, (), key_at="here")
    for key in (path, tmp_path / "none.pem"):
        with pytest.raises(KeyUnavailable, match="cannot be read"):
            made.identity.require_key(PemKey(key))
