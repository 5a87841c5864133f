"""Who signs: the certificates of a ring, one after another, with no moment in which nobody does."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image

from api.degraded import of_process, of_signer
from api.problems import problem_of
from api.service import Service
from api.settings import Settings
from api.signers import Signers, credentials_of, trial_claim
from api.signing_keys import open_key, request_certificate
from provenance.authority import Credentials, SigningIdentity
from provenance.errors import IdentityInvalid, KeyUnavailable, SigningFailed
from provenance.isolated import IsolatedEngine
from provenance.keys import PemKey
from provenance.model import IntegrityState, SignerState
from provenance.trust import BadTrustList, TrustLists
from tests.certificates import CertificateAuthority
from tests.servers.remote_signer import Failure, RemoteSigner, remote_signer

# The library compares certificates with the machine's clock.
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority(at=NOW)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(data_dir=tmp_path / "data")
    made.keys_folder.mkdir(parents=True)
    return made


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (32, 32), "teal").save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def pem_key(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def certified(authority: CertificateAuthority, key: Path, folder: Path, *, lifetime: timedelta = 90 * DAY) -> Path:
    """The chain that an authority gave for a key."""
    folder.mkdir(exist_ok=True)
    request = request_certificate(PemKey(key), common_name="Ours", organization="Ours", country=None)
    (chain := folder / "chain.pem").write_text(authority.answer(request, lifetime=lifetime))
    (folder / "anchors.pem").write_text(authority.pem)
    return chain


def rotated(
    signers: Signers, authority: CertificateAuthority, folder: Path, *, lifetime: timedelta = 90 * DAY
) -> SigningIdentity:
    folder.mkdir(exist_ok=True)
    key = pem_key(folder / "key.pem")
    chain = certified(authority, key, folder, lifetime=lifetime)
    return signers.rotate(chain, str(key), folder / "anchors.pem", at=NOW).identity


def signed(settings: Settings, signers: Signers, source: Path, target: Path) -> SignerState:
    """Sign with whoever signs now, and how that reads."""
    with engine(settings, signers) as made:
        made.sign(source, target, CLAIM)
        facts = made.read(target, "image/png")
    assert facts.integrity.state is IntegrityState.INTACT
    return facts.signer.state


def engine(settings: Settings, signers: Signers) -> "closing[IsolatedEngine]":
    def credentials() -> Credentials:
        return credentials_of(settings, signers, TrustLists(settings.trust_folder), at=NOW)

    return closing(IsolatedEngine(credentials))


CLAIM = trial_claim(at=NOW)


def test_a_certificate_takes_over_and_what_was_signed_before_stays_trusted(
    settings: Settings, authority: CertificateAuthority, picture: Path, tmp_path: Path
) -> None:
    signers, elsewhere = Signers(settings), Signers(settings)
    first = rotated(signers, authority, tmp_path / "first")
    assert signed(settings, signers, picture, tmp_path / "old.png") is SignerState.TRUSTED
    assert elsewhere.current(at=NOW).identity.serial == first.serial

    another = CertificateAuthority(at=NOW, name="Another root")
    second = rotated(signers, another, tmp_path / "second")
    for process in (signers, elsewhere):  # a running service follows, without a new start
        assert process.current(at=NOW).identity.serial == second.serial != first.serial
    assert signed(settings, elsewhere, picture, tmp_path / "new.png") is SignerState.TRUSTED
    with engine(settings, elsewhere) as reading:
        assert reading.read(tmp_path / "old.png", "image/png").signer.state is SignerState.TRUSTED


def test_a_former_certificate_never_signs_again(
    settings: Settings, authority: CertificateAuthority, tmp_path: Path
) -> None:
    signers = Signers(settings)
    rotated(signers, authority, tmp_path / "long", lifetime=90 * DAY)
    short = rotated(signers, authority, tmp_path / "short", lifetime=2 * DAY)
    assert signers.current(at=NOW).identity.serial == short.serial
    assert signers.current(at=NOW + 3 * DAY).identity.serial == short.serial  # its key may be why it was replaced
    with pytest.raises(IdentityInvalid, match="expired"):
        signers.current(at=NOW + 3 * DAY).identity.require_valid(at=NOW + 3 * DAY)


def test_a_former_key_may_be_destroyed(
    settings: Settings, authority: CertificateAuthority, picture: Path, tmp_path: Path
) -> None:
    signers = Signers(settings)
    rotated(signers, authority, tmp_path / "first")
    assert signed(settings, signers, picture, tmp_path / "old.png") is SignerState.TRUSTED
    rotated(signers, authority, tmp_path / "second")
    (signers.ring / "0001" / "key.pem").unlink()
    again = Signers(settings)
    again.require_key(at=NOW)
    assert signed(settings, again, picture, tmp_path / "new.png") is SignerState.TRUSTED
    with engine(settings, again) as reading:
        facts = reading.read(tmp_path / "old.png", "image/png")
    assert facts.signer.state is SignerState.TRUSTED
    assert facts.check is not None  # what a former certificate of ours said is still ours


def test_a_service_does_not_start_with_a_key_that_is_not_its_certificates(
    settings: Settings, authority: CertificateAuthority, tmp_path: Path
) -> None:
    signers = Signers(settings)
    rotated(signers, authority, tmp_path / "first")
    pem_key(signers.ring / "0001" / "key.pem")
    with pytest.raises(IdentityInvalid, match="not the certificate's"):
        Signers(settings).require_key(at=NOW)


@pytest.mark.parametrize("wrong", ["key", "anchors", "expired", "leaf"])
def test_a_signer_that_would_sign_nothing_that_holds_changes_nothing(
    settings: Settings, authority: CertificateAuthority, tmp_path: Path, wrong: str
) -> None:
    signers = Signers(settings)
    first = rotated(signers, authority, tmp_path / "first")
    (folder := tmp_path / "second").mkdir()
    key = pem_key(folder / "key.pem")
    chain = certified(authority, key, folder, lifetime=-DAY / 2 if wrong == "expired" else DAY)
    if wrong == "key":
        key = pem_key(folder / "other.pem")
    if wrong == "anchors":
        (folder / "anchors.pem").write_text(CertificateAuthority(at=NOW).pem)
    if wrong == "leaf":
        chain.write_text(authority.pem)
    with pytest.raises((IdentityInvalid, SigningFailed)):
        signers.rotate(chain, str(key), folder / "anchors.pem", at=NOW)
    assert signers.current(at=NOW).identity.serial == first.serial
    assert [path.name for path in signers.ring.iterdir()] == ["0001"]


def test_the_settings_certificate_is_the_oldest_of_the_ring(
    settings: Settings, authority: CertificateAuthority, tmp_path: Path
) -> None:
    chain = certified(authority, key := pem_key(tmp_path / "key.pem"), tmp_path / "said")
    said = settings.model_copy(
        update={
            "signer_certificates": str(chain),
            "signer_key": str(key),
            "trust_anchors": str(chain.with_name("anchors.pem")),
        }
    )
    signers = Signers(said)
    assert not signers.is_development
    first = signers.current(at=NOW)
    assert first.key_at == str(key)
    second = rotated(signers, authority, tmp_path / "second")
    assert signers.current(at=NOW).identity.serial == second.serial
    assert len(signers.anchors(at=NOW)) == 1  # the same root vouches for both


def test_a_requested_key_waits_for_its_certificate(
    settings: Settings, authority: CertificateAuthority, tmp_path: Path
) -> None:
    signers = Signers(settings)
    key = signers.request_key()
    assert signers.request_key() == key
    assert key.stat().st_mode & 0o777 == 0o600
    chain = certified(authority, key, tmp_path / "said")
    made = signers.rotate(chain, str(key), chain.with_name("anchors.pem"), at=NOW)
    kept = signers.ring / "0001"
    assert json.loads((kept / "signer.json").read_text()) == {"key": "key.pem"}
    assert (kept / "key.pem").stat().st_mode & 0o777 == 0o600
    assert made.key_at == str(kept / "key.pem")


def test_a_development_signer_is_renewed_under_its_ca(settings: Settings, picture: Path, tmp_path: Path) -> None:
    signers = Signers(settings)
    first = signers.current(at=NOW)
    assert signed(settings, signers, picture, tmp_path / "old.png") is SignerState.TRUSTED
    second = signers.renew_development(at=NOW)
    assert signers.current(at=NOW).identity.serial == second.identity.serial != first.identity.serial
    with engine(settings, signers) as reading:
        assert reading.read(tmp_path / "old.png", "image/png").signer.state is SignerState.TRUSTED


@pytest.fixture
def elsewhere() -> Iterator[RemoteSigner]:
    with remote_signer("es256", token="a-secret") as running:
        yield running


def test_a_signing_service_signs_releases_and_only_verification_goes_on_without_it(
    settings: Settings, authority: CertificateAuthority, elsewhere: RemoteSigner, picture: Path, tmp_path: Path
) -> None:
    (folder := tmp_path / "remote").mkdir()
    remote = settings.model_copy(update={"signer_token": elsewhere.token})
    request = request_certificate(
        open_key(elsewhere.url, token=elsewhere.token), common_name="Ours", organization="Ours", country=None
    )
    (chain := folder / "chain.pem").write_text(authority.answer(request))
    (anchors := folder / "anchors.pem").write_text(authority.pem)
    signers = Signers(remote)
    made = signers.rotate(chain, elsewhere.url, anchors, at=NOW)
    assert made.key_at == elsewhere.url
    assert not (signers.ring / "0001" / "key.pem").exists()
    assert signed(remote, signers, picture, tmp_path / "signed.png") is SignerState.TRUSTED

    elsewhere.failure = Failure.ERROR
    with engine(remote, Signers(remote)) as again:
        with pytest.raises(KeyUnavailable):
            again.sign(picture, tmp_path / "late.png", CLAIM)
        assert again.read(tmp_path / "signed.png", "image/png").signer.state is SignerState.TRUSTED
    assert not (tmp_path / "late.png").exists()


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(days=31), None),
        (timedelta(days=12), "ends in 12 days"),
        (timedelta(0), "has expired: nothing can be released"),
    ],
)
def test_an_operator_is_told_before_a_certificate_ends(
    service: Service, authority: CertificateAuthority, tmp_path: Path, left: timedelta, said: str | None
) -> None:
    identity = rotated(service.signers, authority, tmp_path / "first")
    ending = replace(identity, not_after=service.now() + left)
    told = [one.meaning for one in of_signer(ending, at=service.now(), warn_days=30)]
    assert (told == []) if said is None else (said in told[0])


@pytest.mark.parametrize(
    "content", [None, b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_anchors_that_cannot_be_read_are_said_before_anything_is_signed(
    settings: Settings, authority: CertificateAuthority, tmp_path: Path, content: bytes | None
) -> None:
    key = pem_key(tmp_path / "key.pem")
    chain = certified(authority, key, tmp_path / "made")
    anchors = tmp_path / "given.pem"
    if content is not None:
        anchors.write_bytes(content)
    said = {"signer_certificates": str(chain), "signer_key": str(key), "trust_anchors": str(anchors)}
    with pytest.raises(IdentityInvalid, match=r"given\.pem cannot be read"):
        Signers(settings.model_copy(update=said)).current(at=NOW)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"key'])
def test_a_damaged_ring_says_what_to_do(
    settings: Settings, authority: CertificateAuthority, tmp_path: Path, content: str | None
) -> None:
    signers = Signers(settings)
    rotated(signers, authority, tmp_path / "first")
    described = signers.ring / "0001" / "signer.json"
    described.unlink() if content is None else described.write_text(content)
    with pytest.raises(IdentityInvalid, match="rotate to the certificate anew"):
        Signers(settings).current(at=NOW)


def test_a_rotation_that_was_killed_leaves_no_copy_of_a_key_for_long(
    settings: Settings, authority: CertificateAuthority, tmp_path: Path
) -> None:
    signers = Signers(settings)
    rotated(signers, authority, tmp_path / "first")
    left, going_on = signers.ring / ".trial-left", signers.ring / ".trial-now"
    for folder in (left, going_on):
        (folder / "signer").mkdir(parents=True)
        pem_key(folder / "signer" / "key.pem")
    long_ago = (NOW - DAY).timestamp()
    os.utime(left, (long_ago, long_ago))
    rotated(signers, authority, tmp_path / "second")
    assert (left.exists(), going_on.exists()) == (False, True)


def test_a_damaged_trust_list_is_the_operators_matter(service: Service) -> None:
    service.settings.trust_folder.mkdir(parents=True, exist_ok=True)
    (service.settings.trust_folder / "mine.json").write_text("{")
    assert "damaged" in {one.state for one in of_process(service)}
    with pytest.raises(BadTrustList) as damaged:
        service.credentials()
    said = problem_of(damaged.value)
    assert (said.status, said.name) == (503, "trust-list-damaged")
    assert "mine" not in said.detail


def test_where_a_key_lies_is_not_told_to_who_asks(caplog: pytest.LogCaptureFixture) -> None:
    said = problem_of(KeyUnavailable(reason="the library /opt/hsm/lib.so cannot be used"))
    assert (said.status, said.name) == (503, "signing-unavailable")
    assert "/opt" not in said.detail
    assert "/opt/hsm/lib.so" in caplog.text
