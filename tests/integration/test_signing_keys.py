"""Keys wherever they lie: one contract for files, tokens, AWS KMS and signing services, each real; and their failures.

The token is SoftHSM's. KMS and the signing service are servers of ours that sign with real keys and check who asks.
"""

import functools
import io
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import c2pa  # type: ignore[import-untyped]  # it ships no types
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from PIL import Image
from pkcs11 import ObjectClass

from api import keys_kms
from api.keys_kms import AwsKmsKey
from api.keys_pkcs11 import Pkcs11Key, parse_pkcs11_uri
from api.keys_remote import RemoteKey
from api.signing_keys import BadKeyReference, open_key, request_certificate, without_secrets
from provenance.authority import C2PA_CLAIM_SIGNING, EMAIL_PROTECTION
from provenance.errors import IdentityInvalid, KeyUnavailable
from provenance.keys import PemKey, PublicKey, SigningKey, algorithm_of
from tests.certificates import CertificateAuthority
from tests.servers.kms import ACCESS_KEY, REGION, SECRET_KEY, KmsServer, kms_server
from tests.servers.lacking import not_tested
from tests.servers.remote_signer import (
    Failure,
    PrivateKey,
    RemoteSigner,
    generate,
    remote_signer,
    remote_signer_process,
)
from tests.servers.softhsm import PIN, NoSoftHsm, SoftToken, find_module, soft_token

KINDS = ("es256", "es384", "es512", "ps256", "ed25519")
PLACES = ("pem", "pkcs11", "kms", "remote")
TOKEN = "a-token-of-the-signing-service"
DATA = b"a claim, as it is signed"
REPOSITORY = Path(__file__).parents[2]
AT = datetime.now(UTC)
_DIGESTS: dict[int, hashes.HashAlgorithm] = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}


@pytest.fixture(scope="module")
def token() -> Iterator[SoftToken]:
    """A token with a key of every kind, and one that wants its PIN for each signature."""
    try:
        find_module()
    except NoSoftHsm as absent:
        not_tested("keys in tokens", absent, excused=bool(os.environ.get("CLEARMARK_WITHOUT_SOFTHSM")))
    with soft_token() as made:
        for kind in KINDS:
            made.generate(kind, kind)
        made.generate("es256", "each-time", each_time=True)
        yield made


@pytest.fixture(scope="module")
def kms() -> Iterator[KmsServer]:
    """KMS with a key of every kind, and credentials for it where botocore looks for them."""
    with pytest.MonkeyPatch.context() as patch, kms_server(**{kind: kind for kind in KINDS}) as server:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield server


@pytest.fixture(scope="module")
def kms_key(kms: KmsServer) -> Callable[[str], SigningKey]:
    """A key of that KMS by its kind; making botocore's client is slow, so each is made once."""
    return functools.cache(lambda kind: open_key(kms_uri(kms, kind)))


@pytest.fixture(scope="module")
def signers() -> Iterator[Callable[[str], RemoteSigner]]:
    """A signing service for each kind of key that is asked for."""
    with ExitStack() as running:
        yield functools.cache(lambda kind: running.enter_context(remote_signer(kind, token=TOKEN)))


@pytest.fixture
def signer(signers: Callable[[str], RemoteSigner]) -> Iterator[RemoteSigner]:
    """The one with P-256, which each test finds whole."""
    found = signers("es256")
    found.asked.clear()
    public_pem = found.public_pem
    yield found
    found.failure, found.public_pem = Failure.NONE, public_pem


@pytest.fixture(scope="module")
def written() -> Callable[[Path, str], Path]:
    """Writes a PEM file with the key of a kind."""
    made = functools.cache(generate)
    return lambda folder, kind: write_key(folder / "key.pem", made(kind))


@pytest.fixture(params=[(place, kind) for place in PLACES for kind in KINDS], ids="-".join)
def key(request: pytest.FixtureRequest, tmp_path: Path) -> SigningKey:
    """Every kind of key in every place, opened as an operator does."""
    place, kind = request.param
    match place:
        case "pem":
            return open_key(str(request.getfixturevalue("written")(tmp_path, kind)))
        case "pkcs11":
            return open_key(request.getfixturevalue("token").uri(kind))
        case "kms":
            opened: Callable[[str], SigningKey] = request.getfixturevalue("kms_key")
            return opened(kind)
        case _:
            return open_key(request.getfixturevalue("signers")(kind).url, token=TOKEN)


def write_key(path: Path, key: PrivateKey, *, password: bytes = b"") -> Path:
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock))
    return path


def kms_uri(server: KmsServer, name: str) -> str:
    return f"awskms:///alias/{name}?region={REGION}&endpoint={server.url}"


def verify(public: PublicKey, signature: bytes, data: bytes = DATA) -> None:
    """By the rules of COSE, and by no code of the service. Raises: InvalidSignature."""
    match public:
        case ec.EllipticCurvePublicKey():
            half = (public.key_size + 7) // 8
            assert len(signature) == 2 * half
            der = encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))
            public.verify(der, data, ec.ECDSA(_DIGESTS[public.key_size]))
        case rsa.RSAPublicKey():
            public.verify(signature, data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        case ed25519.Ed25519PublicKey():
            public.verify(signature, data)


def refusal(ask: Callable[[], object]) -> str:
    """Why a key is unavailable; neither that nor anything beneath it tells a secret."""
    with pytest.raises(KeyUnavailable) as refused:
        ask()
    told = "".join(traceback.format_exception(refused.value))
    for secret in (PIN, "wrong-pin", TOKEN, "wrong-token", SECRET_KEY, "wrong-secret"):
        assert secret not in told
    return refused.value.reason


# ---- what every key does


def test_what_a_key_signs_is_confirmed_by_its_public_half(key: SigningKey) -> None:
    verify(key.public_key(), key.sign(DATA))


def test_a_key_signs_for_many_threads_at_once(key: SigningKey) -> None:
    many = [b"%d" % number for number in range(12)]
    with ThreadPoolExecutor(6) as threads:
        signatures = list(threads.map(key.sign, many))
    for data, signature in zip(many, signatures, strict=True):
        verify(key.public_key(), signature, data)


def test_a_request_for_a_certificate_is_signed_by_the_key(key: SigningKey) -> None:
    request = x509.load_pem_x509_csr(
        request_certificate(key, common_name="Films of Ours", organization="Ours", country="NL")
    )
    assert request.is_signature_valid
    assert request.public_key() == key.public_key()
    assert request.subject.rfc4514_string() == "CN=Films of Ours,O=Ours,C=NL"
    uses = request.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(uses) == {ObjectIdentifier(C2PA_CLAIM_SIGNING), ExtendedKeyUsageOID.EMAIL_PROTECTION}
    assert request.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    if isinstance(key.public_key(), rsa.RSAPublicKey):
        assert isinstance(request.signature_algorithm_parameters, padding.PSS)


def test_a_country_is_said_or_left_out(tmp_path: Path) -> None:
    key = PemKey(write_key(tmp_path / "key.pem", generate("es256")))
    request = x509.load_pem_x509_csr(request_certificate(key, common_name="A", organization="B", country=None))
    assert not request.subject.get_attributes_for_oid(NameOID.COUNTRY_NAME)
    with pytest.raises(ValueError, match="2"):
        request_certificate(key, common_name="A", organization="B", country="NLD")


def test_a_file_signed_with_the_key_is_trusted(key: SigningKey, tmp_path: Path) -> None:
    chain, root = certify(key)
    signed = tmp_path / "signed.jpg"
    algorithm = c2pa.C2paSigningAlg[algorithm_of(key.public_key()).name]
    trusting = {
        "builder": {"thumbnail": {"enabled": False}},
        "trust": {"trust_config": f"{C2PA_CLAIM_SIGNING}\n{EMAIL_PROTECTION}", "trust_anchors": root},
    }
    action = {
        "action": "c2pa.created",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    }
    manifest = {"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}]}
    with c2pa.Context.from_dict(trusting) as context:
        with (
            c2pa.Builder(manifest, context) as builder,
            c2pa.Signer.from_callback(key.sign, algorithm, chain) as signer,
            signed.open("w+b") as target,
        ):
            builder.sign(signer, "image/jpeg", picture(), target)
        with signed.open("rb") as stream, c2pa.Reader("image/jpeg", stream, context=context) as reader:
            report = json.loads(reader.json())
    assert report["validation_state"] == "Trusted", report.get("validation_status")


AUTHORITY = CertificateAuthority(at=AT)


def certify(key: SigningKey) -> tuple[str, str]:
    """What an authority makes of a key's own request: its chain, and the root, in PEM."""
    request = request_certificate(key, common_name="A", organization="B", country=None)
    return AUTHORITY.answer(request), AUTHORITY.pem


@functools.cache
def drawn() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 32), "teal").save(file, "JPEG")
    return file.getvalue()


def picture() -> io.BytesIO:
    return io.BytesIO(drawn())


# ---- how a key is referred to


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("var/key.pem", PemKey),
        ("file:///etc/key%20one.pem", PemKey),
        ("pkcs11:object=c2pa?module-path=/usr/lib/x.so", Pkcs11Key),
        ("awskms:///1234abcd-12ab-34cd-56ef-1234567890ab", AwsKmsKey),
        ("https://signer.example/c2pa", RemoteKey),
        ("http://[::1]:8080/c2pa", RemoteKey),
        ("http://localhost/c2pa", RemoteKey),
    ],
)
def test_the_scheme_says_where_a_key_lies(said: str, kind: type[object]) -> None:
    assert isinstance(open_key(said), kind)


def test_a_file_url_is_decoded() -> None:
    assert open_key("file:///etc/key%20one.pem") == PemKey(Path("/etc/key one.pem"))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "give the path"),
        ("gcpkms://projects/p", "pkcs11:"),
        ("file://elsewhere/key.pem", "whole path"),
        ("file:key.pem", "whole path"),
        ("http://signer.example/c2pa", "https://"),
        ("http://10.0.0.8/c2pa", "https://"),
        ("https://user:a-secret@signer.example", "user name and password"),
        ("https://", "a host"),
        ("https://signer.example:port/", "no URL"),
        ("awskms://key", "awskms:///"),
        ("awskms:///", "awskms:///"),
        ("awskms:///key?profile=x", "`region` and `endpoint`"),
        ("awskms:///key?region=eu-west-1&region=us-east-1", "once"),
        ("awskms:///key?endpoint=http://kms.example", "https://"),
        ("pkcs11:token=x?module-path=/x.so", "`object`"),
        ("pkcs11:object=x", "`module-path`"),
        ("pkcs11:object=x?module-path=x.so", "`module-path`"),
        ("pkcs11:object=x;type=cert?module-path=/x.so", "`type` is private"),
        ("pkcs11:object=x;slot-id=one?module-path=/x.so", "`slot-id` is a number"),
        ("pkcs11:object=x;object=y?module-path=/x.so", "once"),
        ("pkcs11:object=x;library-version=3?module-path=/x.so", "`library-version` is not"),
        ("pkcs11:object=%FF?module-path=/x.so", "UTF-8"),
        ("pkcs11:object=x?module-path=/x.so&pin-value=a-secret&pin-source=file:/pin", "not both"),
        ("pkcs11:object=x?module-path=/x.so&pin-source=|a-secret", "`pin-source` is file:"),
        ("pkcs11:object=x?module-path=/x.so&pin-value=1&a-secret", "without ="),
    ],
)
def test_what_refers_to_no_key_is_refused_in_words(said: str, why: str) -> None:
    with pytest.raises(BadKeyReference) as refused:
        open_key(said)
    assert why in refused.value.reason
    assert "a-secret" not in refused.value.reason


def test_a_token_that_would_break_the_header_is_refused() -> None:
    with pytest.raises(BadKeyReference):
        open_key("https://signer.example", token="one\r\nX-Other: two")


def test_a_pkcs11_uri_is_decoded_as_its_rfc_says() -> None:
    said = "pkcs11:token=The%20Software;object=a%3Bb+c;id=%69%95%00?pin-value=p%26n&module-path=/usr/lib/x.so"
    uri = parse_pkcs11_uri(said)
    assert (uri.token, uri.object, uri.id, uri.pin()) == ("The Software", "a;b+c", b"\x69\x95\x00", "p&n")
    assert "p&n" not in repr(uri)
    assert "p%26n" not in without_secrets(said)
    assert without_secrets(said).endswith("?pin-value=***&module-path=/usr/lib/x.so")


def test_the_region_of_an_arn_needs_not_be_said_again() -> None:
    arn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd"
    assert keys_kms.parse_kms_uri(f"awskms:///{arn}").region == "eu-central-1"
    assert keys_kms.parse_kms_uri(f"awskms:///{arn}?region=us-east-1").region == "us-east-1"


@pytest.mark.parametrize(
    ("package", "said"),
    [("pkcs11", "pkcs11:object=x?module-path=/x.so"), ("botocore", f"awskms:///x?region={REGION}")],
)
def test_without_its_extra_a_key_says_what_to_install(package: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert "clearmark[" in refusal(open_key(said).public_key)


# ---- files


def test_a_file_that_is_gone_or_locked_is_unavailable(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(PemKey(tmp_path / "none.pem").public_key)
    locked = write_key(tmp_path / "locked.pem", generate("es256"), password=PIN.encode())
    assert "cannot be read" in refusal(lambda: PemKey(locked).sign(DATA))


# ---- tokens


def test_a_token_is_asked_once_with_a_pin_that_it_refuses(token: SoftToken, tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_text("wrong-pin\n")
    key = Pkcs11Key(token.uri("es256").replace(str(token.pin_file), str(pin)))
    assert "refused the PIN" in refusal(key.public_key)
    assert "refused this PIN before" in refusal(lambda: key.sign(DATA))
    pin.write_text(f"{PIN}\n")
    verify(key.public_key(), key.sign(DATA))


def test_a_pin_may_stand_in_the_uri(token: SoftToken) -> None:
    key = Pkcs11Key(token.uri("es256", pin=PIN))
    verify(key.public_key(), key.sign(DATA))
    assert PIN not in repr(key)
    assert "refused the PIN" in refusal(Pkcs11Key(token.uri("es256", pin="wrong-pin")).public_key)


def test_a_key_that_wants_its_pin_each_time_gets_it(token: SoftToken) -> None:
    key = Pkcs11Key(token.uri("each-time"))
    for _ in range(2):
        verify(key.public_key(), key.sign(DATA))


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"token": "another"}, "no token in reach fits"),
        ({"serial": "0000"}, "no token in reach fits"),
        ({"slot_id": "99"}, "no token in reach fits"),
        ({"object": "another"}, "no private key"),
        ({"id": "another"}, "no private key"),
    ],
)
def test_a_token_or_key_that_is_not_there_is_unavailable(
    token: SoftToken, attributes: dict[str, str], why: str
) -> None:
    key = Pkcs11Key(token.uri("es256", **attributes))
    assert why in refusal(key.public_key)
    assert why in refusal(lambda: key.sign(DATA))


def test_a_library_that_is_none_is_unavailable(token: SoftToken, tmp_path: Path) -> None:
    (tmp_path / "none.so").write_bytes(b"no library")
    for path in (tmp_path / "none.so", tmp_path / "missing.so"):
        key = Pkcs11Key(token.uri("es256").replace(str(token.module), str(path)))
        assert "cannot be used" in refusal(key.public_key)


def test_a_pin_file_that_is_gone_is_unavailable(token: SoftToken) -> None:
    key = Pkcs11Key(token.uri("es256").replace(str(token.pin_file), "/nowhere/pin"))
    assert "/nowhere/pin" in refusal(key.public_key)


def test_without_a_pin_the_private_keys_are_not_seen(token: SoftToken) -> None:
    assert "without a PIN" in refusal(Pkcs11Key(token.uri("es256").partition("&pin")[0]).public_key)


def test_a_key_that_is_deleted_signs_no_more(token: SoftToken) -> None:
    token.generate("es256", "passing")
    key = Pkcs11Key(token.uri("passing"))
    verify(key.public_key(), key.sign(DATA))
    token.destroy(ObjectClass.PRIVATE_KEY, "passing")
    assert "no private key" in refusal(lambda: key.sign(DATA))


def test_a_key_whose_label_is_not_its_own_is_not_guessed(token: SoftToken) -> None:
    token.generate("es256", "twin")
    token.generate("es256", "twin")
    assert "several private keys" in refusal(Pkcs11Key(token.uri("twin")).public_key)


def test_a_certificate_in_the_token_tells_the_public_key(token: SoftToken) -> None:
    token.generate("es384", "certified")
    key = Pkcs11Key(token.uri("certified"))
    chain, _ = certify(key)
    certificate = x509.load_pem_x509_certificate(chain.encode())
    token.destroy(ObjectClass.PUBLIC_KEY, "certified")
    assert "no public key and no certificate" in refusal(key.public_key)
    token.keep_certificate(certificate.public_bytes(serialization.Encoding.DER), "certified")
    assert key.public_key() == certificate.public_key()
    verify(key.public_key(), key.sign(DATA))


def test_a_token_that_was_pulled_signs_when_it_is_back(token: SoftToken) -> None:
    key = Pkcs11Key(token.uri("es256"))
    key.public_key()
    away = token.folder.with_name("away")
    token.folder.rename(away)
    token.folder.mkdir()
    try:
        refusal(lambda: key.sign(DATA))
    finally:
        token.folder.rmdir()
        away.rename(token.folder)
    verify(key.public_key(), key.sign(DATA))


def test_a_forked_process_opens_the_token_for_itself(token: SoftToken) -> None:
    program = """
import os, sys
from api.keys_pkcs11 import Pkcs11Key
key = Pkcs11Key(sys.argv[1])
key.sign(b"before")
if not os.fork():
    os._exit(0 if key.sign(b"after") else 1)
_, status = os.wait()
key.sign(b"still")
sys.exit(os.waitstatus_to_exitcode(status))
"""
    command = [sys.executable, "-c", program, token.uri("es256")]
    subprocess.run(command, cwd=REPOSITORY, check=True, timeout=30)


# ---- AWS KMS


def test_kms_is_given_the_digest_of_what_is_too_long_for_it(kms_key: Callable[[str], SigningKey]) -> None:
    for kind in ("es256", "ps256"):
        verify(kms_key(kind).public_key(), kms_key(kind).sign(bytes(4097)), bytes(4097))


def test_ed25519_in_kms_signs_what_kms_takes_and_says_what_it_does_not(kms_key: Callable[[str], SigningKey]) -> None:
    assert kms_key("ed25519").sign(bytes(4096))
    assert "4096 bytes" in refusal(lambda: kms_key("ed25519").sign(bytes(4097)))


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("AccessDeniedException", "allow kms:Sign"),
        ("DisabledException", "enable it"),
        ("KMSInvalidStateException", "to be deleted"),
        ("ExpiredTokenException", "credentials"),
        ("SomethingNewException", "AWS KMS failed (SomethingNewException)"),
    ],
)
def test_what_kms_refuses_says_what_to_do(
    kms: KmsServer, kms_key: Callable[[str], SigningKey], code: str, why: str
) -> None:
    key = kms_key("es256")
    key.public_key()
    kms.failures.append(code)
    assert why in refusal(lambda: key.sign(DATA))


def test_kms_is_asked_again_when_it_is_busy(kms: KmsServer, kms_key: Callable[[str], SigningKey]) -> None:
    key = kms_key("es256")
    key.public_key()
    kms.failures.append("ThrottlingException")
    verify(key.public_key(), key.sign(DATA))


def test_a_key_that_kms_lacks_is_unavailable(kms: KmsServer) -> None:
    assert "no such key" in refusal(AwsKmsKey(kms_uri(kms, "another")).public_key)


def test_wrong_or_missing_credentials_are_said(kms: KmsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    assert "credentials" in refusal(AwsKmsKey(kms_uri(kms, "es256")).public_key)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "half of the AWS credentials" in refusal(AwsKmsKey(kms_uri(kms, "es256")).public_key)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert "no AWS credentials" in refusal(AwsKmsKey(kms_uri(kms, "es256")).public_key)


def test_a_region_is_asked_for(kms: KmsServer) -> None:  # noqa: ARG001 - its environment
    assert "?region=" in refusal(AwsKmsKey("awskms:///alias/es256").public_key)


def test_a_kms_that_is_slow_or_down_is_unavailable(kms: KmsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_kms, "READ_TIMEOUT_S", 0.2)
    monkeypatch.setattr(keys_kms, "MOST_ATTEMPTS", 1)
    monkeypatch.setattr(kms, "is_slow", True)
    assert "does not answer" in refusal(AwsKmsKey(kms_uri(kms, "es256")).public_key)
    gone = AwsKmsKey(f"awskms:///alias/es256?region={REGION}&endpoint=http://127.0.0.1:9")
    assert "does not answer" in refusal(gone.public_key)


def test_a_key_that_was_replaced_behind_its_alias_signs_nothing(kms: KmsServer) -> None:
    kms.keys["alias/replaced"] = generate("es256")
    key = AwsKmsKey(kms_uri(kms, "replaced"))
    key.public_key()
    kms.keys["alias/replaced"] = generate("es256")
    assert "no signature by its public key" in refusal(lambda: key.sign(DATA))


# ---- signing services


def remote(signer: RemoteSigner, *, token: str = TOKEN, timeout_s: float = 5.0) -> RemoteKey:
    return RemoteKey(signer.url, token=token, timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (Failure.ERROR, "the signing service failed (500)"),
        (Failure.BUSY, "the signing service failed (503)"),
        (Failure.SLOW, "does not answer"),
        (Failure.GARBAGE, "no signature by its public key"),
        (Failure.LONG, "longer than 8192 bytes"),
        (Failure.REDIRECT, "sends elsewhere"),
    ],
)
def test_a_signing_service_that_fails_is_unavailable(signer: RemoteSigner, failure: Failure, why: str) -> None:
    key = remote(signer, timeout_s=2.0 if failure is Failure.SLOW else 30.0)
    key.public_key()
    signer.failure = failure
    assert why in refusal(lambda: key.sign(DATA))


@pytest.mark.parametrize("failure", [Failure.BUSY_ONCE, Failure.HANGS_UP_ONCE])
def test_a_signing_service_that_failed_in_passing_is_asked_once_more(signer: RemoteSigner, failure: Failure) -> None:
    key = remote(signer)
    public = key.public_key()
    signer.failure = failure
    verify(public, key.sign(DATA))
    assert signer.asked == ["GET", "POST", "POST"]


def test_a_signing_service_that_stays_busy_is_not_pressed(signer: RemoteSigner) -> None:
    signer.failure = Failure.BUSY
    refusal(remote(signer).public_key)
    assert signer.asked == ["GET", "GET"]


@pytest.mark.parametrize("token", ["wrong-token", ""])
def test_a_wrong_token_is_said_and_not_shown(signer: RemoteSigner, token: str) -> None:
    assert "refuses the token" in refusal(remote(signer, token=token).public_key)


def test_a_signing_service_may_answer_with_its_certificates(signer: RemoteSigner) -> None:
    key = remote(signer)
    chain, _ = certify(key)
    signer.public_pem = chain.encode()
    assert key.public_key() == signer.key.public_key()
    verify(key.public_key(), key.sign(DATA))


def test_what_is_no_public_key_is_not_taken_for_one(signer: RemoteSigner) -> None:
    signer.public_pem = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
    assert "no public key" in refusal(remote(signer).public_key)
    signer.public_pem = signer.public_pem * 2000
    assert "longer than 65536 bytes" in refusal(remote(signer).public_key)


def test_a_kind_of_key_that_c2pa_does_not_allow_is_refused(signer: RemoteSigner) -> None:
    signer.public_pem = (
        ec.generate_private_key(ec.SECP256K1())
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(IdentityInvalid):
        remote(signer).public_key()


def test_a_signing_service_is_a_process_that_may_die() -> None:
    with remote_signer_process("es256", token=TOKEN) as (url, process):
        key = RemoteKey(url, token=TOKEN)
        verify(key.public_key(), key.sign(DATA))
        httpx.put(url, content=Failure.ERROR)
        assert "500" in refusal(lambda: key.sign(DATA))
        process.kill()
        process.wait()
        began_s = time.monotonic()
        assert "does not answer" in refusal(lambda: key.sign(DATA))
        assert time.monotonic() - began_s < 5
