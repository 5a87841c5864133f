"""A certificate authority for tests: it answers requests for a claim signer's certificate, as an operator's would."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from provenance.keys import PublicKey

_DAY = timedelta(days=1)


@dataclass(slots=True, kw_only=True)
class CertificateAuthority:
    """A root that certifies whoever asks, from a day before `at` on."""

    at: datetime
    name: str = "Root of tests"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    root: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        constraints = x509.Extension(x509.BasicConstraints.oid, True, x509.BasicConstraints(ca=True, path_length=0))
        self.root = self._sign(subject, self.key.public_key(), 3650 * _DAY, [constraints])

    @property
    def pem(self) -> str:
        return _pem(self.root)

    def answer(self, request_pem: bytes, *, lifetime: timedelta = 90 * _DAY) -> str:
        """The chain, PEM, for a request: what it asks for, and whose key vouches."""
        request = x509.load_pem_x509_csr(request_pem)
        assert request.is_signature_valid
        ours = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        extensions = [*request.extensions, x509.Extension(ours.oid, False, ours)]
        public: PublicKey = request.public_key()  # type: ignore[assignment]  # those of claim signers
        return _pem(self._sign(request.subject, public, lifetime, extensions)) + self.pem

    def _sign(
        self,
        subject: x509.Name,
        public: PublicKey,
        lifetime: timedelta,
        extensions: Sequence[x509.Extension[x509.ExtensionType]],
    ) -> x509.Certificate:
        issuer = subject if not hasattr(self, "root") else self.root.subject
        made = (
            x509.CertificateBuilder()
            .issuer_name(issuer)
            .subject_name(subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.at - _DAY)
            .not_valid_after(self.at + lifetime)
        )
        for extension in extensions:
            made = made.add_extension(extension.value, critical=extension.critical)
        return made.sign(self.key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")
