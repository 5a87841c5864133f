"""Keys in the AWS Key Management Service, or what answers as it does.

Decides how `awskms:` finds a key and what is asked of it. Whom AWS takes us for is botocore's matter: it looks in
the environment, the shared files, and the roles of the machine or container.

Source: the API reference of AWS KMS, `Sign` and `GetPublicKey`.
"""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from api.distant_keys import BadKeyReference, DistantKey, digest_of, split_url
from provenance.errors import KeyUnavailable
from provenance.keys import PublicKey, SigningAlgorithm, algorithm_of, joined

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECT_TIMEOUT_S, READ_TIMEOUT_S, MOST_ATTEMPTS = 3.0, 5.0, 3
_MAX_RAW_BYTES = 4096  # KMS takes no longer message; of the others it is given the digest
_ALGORITHMS = {
    SigningAlgorithm.ES256: "ECDSA_SHA_256",
    SigningAlgorithm.ES384: "ECDSA_SHA_384",
    SigningAlgorithm.ES512: "ECDSA_SHA_512",
    SigningAlgorithm.PS256: "RSASSA_PSS_SHA_256",
    SigningAlgorithm.ED25519: "ED25519_SHA_512",
}
_UNKNOWN_TO_AWS = "AWS does not take the credentials that it was shown; see the role or the access key, and the clock"
_REASONS = {
    "AccessDeniedException": "AWS refused; allow kms:Sign and kms:GetPublicKey on it to the role in use",
    "NotFoundException": "AWS KMS has no such key in this region",
    "DisabledException": "it is disabled in AWS KMS; enable it",
    "KMSInvalidStateException": "it is disabled in AWS KMS, or is to be deleted",
    "InvalidKeyUsageException": "it was not made in AWS KMS to sign: SIGN_VERIFY",
    "UnsupportedOperationException": "it is not a pair of keys that signs: SIGN_VERIFY",
    "UnrecognizedClientException": _UNKNOWN_TO_AWS,
    "InvalidClientTokenId": _UNKNOWN_TO_AWS,
    "InvalidSignatureException": _UNKNOWN_TO_AWS,
    "IncompleteSignature": _UNKNOWN_TO_AWS,
    "ExpiredTokenException": _UNKNOWN_TO_AWS,
    "MissingAuthenticationTokenException": _UNKNOWN_TO_AWS,
    "NoCredentialsError": "no AWS credentials were found; give the machine a role, or set AWS_ACCESS_KEY_ID and"
    " AWS_SECRET_ACCESS_KEY",
    "PartialCredentialsError": "half of the AWS credentials were found; set AWS_ACCESS_KEY_ID and"
    " AWS_SECRET_ACCESS_KEY",
    "NoRegionError": "AWS wants to know where it lies; add ?region=",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsUri:
    """A key's id, ARN, or `alias/NAME`, and where it is asked; None: as AWS's own settings say."""

    key: str
    region: str | None
    endpoint: str | None


def parse_kms_uri(said: str) -> KmsUri:
    """Read a URI such as `awskms:///alias/c2pa?region=eu-west-1`; an ARN has its region in it.

    Raises:
        BadKeyReference: it names no key, or says what is not understood.
    """
    try:
        parsed = urlsplit(said)
    except ValueError:
        parsed = urlsplit("")
    key = unquote(parsed.path.removeprefix("/"))
    if parsed.scheme != "awskms" or parsed.netloc or not key or parsed.fragment:
        raise BadKeyReference(reason="a key in AWS KMS is written awskms:/// and its id, ARN, or alias/NAME")
    query = parse_qsl(parsed.query, keep_blank_values=True)
    asked = dict(query)
    if len(asked) < len(query) or not asked.keys() <= {"region", "endpoint"} or not all(asked.values()):
        raise BadKeyReference(reason="after the ? of awskms:, `region` and `endpoint` are understood, each once")
    if "endpoint" in asked:
        split_url(asked["endpoint"])
    region = asked.get("region")
    if region is None and key.startswith("arn:") and key.count(":") >= 5:
        region = key.split(":")[3]
    return KmsUri(key=key, region=region, endpoint=asked.get("endpoint"))


class AwsKmsKey(DistantKey):
    """The private key that an `awskms:` URI names."""

    def __init__(self, said: str) -> None:
        """Raises: BadKeyReference."""
        self._uri = parse_kms_uri(said)
        self._lock = threading.Lock()
        self._client: Any = None

    def _ask_public_key(self) -> PublicKey:
        answer = self._ask(lambda kms: kms.get_public_key(KeyId=self._uri.key))
        try:
            # DistantKey refuses the kinds that C2PA does not allow.
            return serialization.load_der_public_key(answer["PublicKey"])  # type: ignore[return-value]
        except (KeyError, TypeError, ValueError) as error:
            raise KeyUnavailable(reason="AWS KMS gave a public key that cannot be read") from error

    def _ask_signature(self, data: bytes, public: PublicKey) -> bytes:
        algorithm = algorithm_of(public)
        message, kind = data, "RAW"
        if algorithm.digest is not None:
            message, kind = digest_of(data, algorithm.digest), "DIGEST"
        elif len(data) > _MAX_RAW_BYTES:
            raise KeyUnavailable(
                reason=f"AWS KMS signs no more than {_MAX_RAW_BYTES} bytes with Ed25519, and this claim has more;"
                " shorten the certificate chain, or use an elliptic curve key"
            )
        asked = {"Message": message, "MessageType": kind, "SigningAlgorithm": _ALGORITHMS[algorithm]}
        signature = self._ask(lambda kms: kms.sign(KeyId=self._uri.key, **asked)).get("Signature", b"")
        return joined(signature, public.curve) if isinstance(public, ec.EllipticCurvePublicKey) else signature

    def _ask(self, ask: "Callable[[Any], dict[str, Any]]") -> dict[str, Any]:
        try:
            from botocore import exceptions  # type: ignore[import-untyped]  # it ships no types
        except ImportError as error:
            raise KeyUnavailable(reason="keys in AWS KMS need the extra `kms`: clearmark[kms]") from error
        try:
            return ask(self._kms())
        except exceptions.ClientError as error:
            name = str(error.response.get("Error", {}).get("Code", ""))
            raise KeyUnavailable(
                reason=_REASONS.get(name, f"AWS KMS failed ({name[:60]})")
            ) from None  # the rest is AWS's to know
        except (
            exceptions.ConnectionError,
            exceptions.HTTPClientError,
        ) as error:  # nobody there, too late, or not to be believed
            raise KeyUnavailable(reason=f"AWS KMS does not answer ({type(error).__name__})") from error
        except (exceptions.BotoCoreError, ValueError) as error:
            name = type(error).__name__
            raise KeyUnavailable(reason=_REASONS.get(name, f"AWS KMS cannot be asked ({name})")) from error

    def _kms(self) -> Any:
        """The client, which threads may share; making it takes a tenth of a second."""
        from botocore.config import Config  # type: ignore[import-untyped]
        from botocore.session import get_session  # type: ignore[import-untyped]

        with self._lock:
            if self._client is None:
                self._client = get_session().create_client(
                    "kms",
                    region_name=self._uri.region,
                    endpoint_url=self._uri.endpoint,
                    config=Config(
                        connect_timeout=CONNECT_TIMEOUT_S,
                        read_timeout=READ_TIMEOUT_S,
                        retries={"mode": "standard", "total_max_attempts": MOST_ATTEMPTS},
                    ),
                )
            return self._client
