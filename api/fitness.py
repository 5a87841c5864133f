"""What is only fit for trying out, and so refused when `CLEARMARK_ENV=production`.

Decides what is unsafe where others rely on the service: what loses or forgets, what signs in nobody's name, and secrets
that everybody knows. What is wrong in any environment is the settings' own to say.
"""

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from cryptography import x509

if TYPE_CHECKING:
    from api.settings import Settings

# What servers come with, and what stands in examples, in whatever case.
_KNOWN_PASSWORDS: Final = frozenset(
    {"guest", "postgres", "password", "passwd", "secret", "changeme", "change-me", "clearmark", "admin", "root", "test",
     "minioadmin", "example", "123456", "12345678"}
)  # fmt: skip


def unfit_for_production(settings: "Settings") -> list[str]:
    """What is only fit for trying out, each with its name and what to do."""
    secrets = {
        "DATABASE_URL": _password(settings.database_url), "BROKER_URL": _password(settings.broker_url),
        "MAIL_URL": _password(settings.mail_url), "LIMITS_URL": _password(settings.limits_url),
        "INDEX_URL": _password(settings.index_url), "OIDC_CLIENT_SECRET": settings.oidc_client_secret,
        "SIGNER_TOKEN": settings.signer_token, "METRICS_TOKEN": settings.metrics_token,
    }  # fmt: skip
    fields = type(settings).model_fields
    unnamed = settings.operator in ("", fields["operator"].default)
    unfit = {
        "CLEARMARK_DATABASE_URL: name a PostgreSQL database": settings.database.startswith("sqlite"),
        "CLEARMARK_BROKER_URL: name a Redis or RabbitMQ broker": settings.is_embedded,
        "CLEARMARK_CLOCK: leave it empty; deadlines are counted by the real time": bool(settings.clock),
        "CLEARMARK_SIGNER_KEY: the development signer proves nothing to others": not settings.signer_key,
        "CLEARMARK_PUBLIC_URL: say where others reach this service, an address with https://": (
            not settings.public_url.startswith("https://")
        ),
        "CLEARMARK_OPERATOR: say who runs this service; letters and notices are signed so": unnamed,
        "CLEARMARK_MAIL_URL: name a mail server, smtps://user:password@host:465; letters in files reach nobody": (
            not settings.mail_url
        ),
        "CLEARMARK_LOG_ORIGIN: choose the name of your ledger, clearmark.example/ledger, and keep it": (
            settings.log_origin in ("", fields["log_origin"].default)
        ),
        **{
            f"CLEARMARK_{name}: its password is one that everybody knows; make another": (
                secret is not None and secret.casefold() in _KNOWN_PASSWORDS
            )
            for name, secret in secrets.items()
        },
    }
    return [problem for problem, applies in unfit.items() if applies]


def unfit_at_start(keys: Path, chain_pem: str) -> list[str]:
    """The same of what lies in files.

    Args:
        keys: the folder of keys.
        chain_pem: the certificates of who signs releases.
    """
    unfit = {
        f"CLEARMARK_DATA_DIR: anybody on this machine may look into {keys}; run chmod 700 on it": bool(
            stat.S_IMODE(keys.stat().st_mode) & stat.S_IRWXO
        ),
        "CLEARMARK_SIGNER_CERTIFICATES: the development CA vouches for this one; get a certificate from a CA": any(
            "DEVELOPMENT CA" in one.issuer.rfc4514_string()
            for one in x509.load_pem_x509_certificates(chain_pem.encode("ascii"))
        ),
    }
    return [problem for problem, applies in unfit.items() if applies]


def _password(url: str) -> str | None:
    """The password in a URL."""
    try:
        said = urlsplit(url).password
    except ValueError:
        return None
    return unquote(said) if said else None
