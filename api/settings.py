"""Settings: the only place that reads the environment. Every name begins with CLEARMARK_.

Decides what can be set, what settings need of each other, and what was misspelt. How a value must be written is
`api.setting_values`' to say, and what is too unsafe for production `api.fitness`'.
"""

import difflib
import logging
import os
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.fitness import unfit_for_production
from api.s3_place import S3Place, parse_s3_url
from api.setting_values import (
    BlobUrl,
    BrokerUrl,
    ClockSetting,
    CollectorUrl,
    CountUrl,
    DatabaseUrl,
    IndexUrl,
    Limit,
    MailAddress,
    MailUrl,
    Networks,
    PublicUrl,
    Token,
    Urls,
    listed,
)
from api.wording import WORDED, worded
from registry.domain.policy import Assurance
from takedown.policy import FourEyes


class Environment(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class SignUp(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class LogFormat(StrEnum):
    BY_ENVIRONMENT = ""
    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


# The value of a setting that says: do without.
WITHOUT = "none"


class SettingsError(Exception):
    """A setting is wrong or missing; the message names it and says what to do."""


class Settings(BaseSettings):
    """How this process runs. `docs/settings.md` lists them; a test holds the two together."""

    model_config = SettingsConfigDict(env_prefix="CLEARMARK_", extra="ignore")

    data_dir: Annotated[Path, Field(description="Folder for everything that has no place of its own.")] = Path("var")
    host: Annotated[str, Field(description="Address the service listens on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port the service listens on.")] = 8000
    env: Annotated[Environment, Field(description="`production` refuses what is only fit for trying out.")] = (
        Environment.DEVELOPMENT
    )
    log_format: Annotated[
        LogFormat,
        Field(description="`json`, a line for machines, or `text`; empty: `json` in production, else `text`."),
    ] = LogFormat.BY_ENVIRONMENT
    log_level: Annotated[LogLevel, Field(description="From `debug`, `info`, `warning`, `error` on it is logged.")] = (
        LogLevel.INFO
    )
    metrics_token: Annotated[
        Token,
        Field(
            description="What `/metrics` asks for, `Authorization: Bearer …`, 16 characters or more. Empty: anybody may"
            " read it, in production nobody."
        ),
    ] = ""
    metrics_port: Annotated[
        int,
        Field(
            ge=0, le=65535,
            description="Port on which this process tells its metrics besides, without a token; a worker has no other."
            " 0: none.",
        ),
    ] = 0  # fmt: skip
    metrics_host: Annotated[str, Field(description="Address of that port.")] = "127.0.0.1"
    traces_url: Annotated[
        CollectorUrl,
        Field(
            description="Collector of traces, OTLP over HTTP: `http://collector:4318/v1/traces`; needs the extra"
            " `telemetry`. Empty: no traces."
        ),
    ] = ""
    database_url: Annotated[
        DatabaseUrl, Field(description="SQLAlchemy URL; empty means SQLite in the data folder.")
    ] = ""
    broker_url: Annotated[
        BrokerUrl, Field(description="Celery broker; `memory://` runs the worker inside the service.")
    ] = "memory://"
    index_url: Annotated[
        IndexUrl,
        Field(
            description="Index engine: `faiss://` is the one inside each process;"
            " `milvus://user:password@host:19530/database` (`milvus+tls://`) is one that all share, and needs the extra"
            " `milvus`."
        ),
    ] = "faiss://"
    sscd_model: Annotated[
        str,
        Field(
            description="ONNX export of SSCD; empty means the one that the extra `neural` installs, `none` that"
            " pictures are compared by hashes alone."
        ),
    ] = ""
    shared_dir: Annotated[
        str,
        Field(
            description="Folder that all machines of one service share, for keys and trust lists; empty means the data"
            " folder, which is each machine's own."
        ),
    ] = ""
    blob_url: Annotated[
        BlobUrl,
        Field(
            description="Where media lies: `file://` and a folder, or `s3://bucket/prefix?endpoint=https://…&region=…`,"
            " with credentials as AWS's own settings say; empty means the data folder."
        ),
    ] = ""
    log_origin: Annotated[
        str,
        Field(description="Name under which the ledger's checkpoints are signed; choose one and keep it."),
    ] = "clearmark.local/ledger"
    public_url: Annotated[
        PublicUrl,
        Field(
            description="Where others reach this service; empty means where it was reached, in letters host and port."
        ),
    ] = ""
    sign_up: Annotated[SignUp, Field(description="`open`: anybody may make an account; `closed`: nobody.")] = (
        SignUp.OPEN
    )
    mail_url: Annotated[
        MailUrl,
        Field(description="`smtp://user:password@host:port` or `smtps://…`; empty: `.eml` files in the data folder."),
    ] = ""
    mail_from: Annotated[str, Field(description="Whose letters these are.")] = "Clearmark <clearmark@localhost>"
    oidc_issuer: Annotated[
        Urls, Field(description="OpenID provider by which people may sign in; empty means by passwords alone.")
    ] = ""
    oidc_client_id: Annotated[str, Field(description="Our name at that provider.")] = ""
    oidc_client_secret: Annotated[str, Field(description="Our secret at that provider.")] = ""
    limit_key: Annotated[Limit, Field(description="What one key may ask, several limits separated by `;`.")] = (
        "6000/minute"
    )
    limit_holder: Annotated[Limit, Field(description="What all keys of one holder may ask together.")] = "12000/minute"
    limit_anonymous: Annotated[Limit, Field(description="What one address may ask without a key.")] = "300/minute"
    limit_verifications: Annotated[
        Limit, Field(description="Files that one address may have verified or looked up without a key.")
    ] = "30/minute"
    limit_verifications_key: Annotated[
        Limit, Field(description="The same of one key, which counts for itself wherever it is used.")
    ] = "3000/minute"
    limit_sign_in: Annotated[
        Limit, Field(description="What one address may try of passwords, codes and wrong keys.")
    ] = "20/minute;200/day"
    trusted_proxies: Annotated[
        Networks,
        Field(
            description="Addresses or networks of your own proxies, comma-separated: of these alone `X-Forwarded-For`"
            " and `X-Forwarded-Proto` are believed. Empty: of nobody."
        ),
    ] = ""
    limits_url: Annotated[
        CountUrl, Field(description="Where requests are counted, `redis://…`; empty: in memory, or in a Redis broker.")
    ] = ""
    ledger_tsa_urls: Annotated[
        Urls,
        Field(
            description="RFC 3161 authorities that time-stamp the ledger's checkpoints, tried in this order;"
            " comma-separated, empty means none."
        ),
    ] = ""
    ledger_tsa_roots: Annotated[
        str, Field(description="PEM file with the root certificates that these authorities' chains end at.")
    ] = ""
    ledger_timestamp_s: Annotated[
        float,
        Field(gt=0, description="Least time between two time-stamps, in seconds; looked at every five minutes."),
    ] = 3600.0
    ledger_witnesses: Annotated[
        str,
        Field(
            description="C2SP witnesses that cosign the ledger's checkpoints: verifier key, a space, URL;"
            " comma-separated, empty means none."
        ),
    ] = ""
    max_upload_bytes: Annotated[int, Field(gt=0, description="Largest file accepted.")] = 8 << 30
    max_media_s: Annotated[float, Field(gt=0, description="Longest media accepted, in seconds.")] = 4 * 3600.0
    keep_fingerprints_days: Annotated[
        float,
        Field(gt=0, description="How long the fingerprints of checks are kept, for works registered later, in days."),
    ] = 365.0
    sync_check_s: Annotated[
        float,
        Field(ge=0, description="Clips up to this long are checked while the request waits, in seconds."),
    ] = 60.0
    catch_up_s: Annotated[
        float,
        Field(gt=0, description="How long a check waits for the index before it is `unknown`, in seconds."),
    ] = 10.0
    flood_checks: Annotated[
        int,
        Field(ge=1, description="Checks matched by one asset within the window that put it in quarantine."),
    ] = 50
    flood_askers: Annotated[
        int,
        Field(ge=1, description="Askers that these must come from; each counts for an equal share at most."),
    ] = 5
    flood_window_s: Annotated[float, Field(gt=0, description="That window, in seconds.")] = 3600.0
    block_from: Annotated[
        Assurance,
        Field(description="How well a holder must be known for their works to block; others lead to a review at most."),
    ] = Assurance.EMAIL
    worker_threads: Annotated[int, Field(ge=1, le=64, description="Jobs done at once by one worker process.")] = 2
    max_backlog: Annotated[
        int, Field(ge=1, description="Files that may wait to be looked at; whoever sends more is told to come again.")
    ] = 2000
    country: Annotated[str, Field(description="Whose business days takedown deadlines count, ISO 3166.")] = "US"
    subdivision: Annotated[str, Field(description="Part of the country whose holidays count too; empty: none.")] = ""
    time_zone: Annotated[str, Field(description="Where a business day ends, IANA name.")] = "America/New_York"
    operator: Annotated[str, Field(description="Who runs this service, as letters about notices are signed.")] = (
        "Clearmark"
    )
    takedown_mail: Annotated[
        MailAddress,
        Field(description="Where the operator is told of takedown deadlines; empty: in the reviewers' queue alone."),
    ] = ""
    platform_holder: Annotated[
        str,
        Field(
            description="Holder whose webhook is told which addresses of your platform to disable and to restore,"
            " and of deadlines; empty: nobody."
        ),
    ] = ""
    four_eyes: Annotated[
        FourEyes,
        Field(
            description="Decisions that need a second reviewer: `none`, `takedowns` (disabling, rejecting as abuse,"
            " restoring) or `all`."
        ),
    ] = FourEyes.NONE
    notices_per_day: Annotated[int, Field(ge=1, description="Notices that one holder may file in 24 hours.")] = 200
    notices_per_day_trusted: Annotated[int, Field(ge=1, description="The same of a trusted flagger.")] = 2000
    notices_per_day_anonymous: Annotated[
        int, Field(ge=1, description="Letters with a code that one address is sent in 24 hours.")
    ] = 5
    strike_days: Annotated[float, Field(gt=0, description="How long a strike counts, in days.")] = 365.0
    strikes_to_suspend: Annotated[
        int, Field(ge=1, description="Strikes from which reviewers are asked to think of a suspension.")
    ] = 3
    keep_notices_days: Annotated[
        float,
        Field(gt=0, description="How long notices are kept as they were written after they are over, in days."),
    ] = 1095.0
    clock: Annotated[
        ClockSetting,
        Field(
            description="For tests alone, refused in production: a time to begin at (`2026-12-24T10:00:00Z`), a shift"
            " (`+14d`), or `file:` and a file that holds one and is read anew each time. Empty: the machine's clock."
        ),
    ] = ""
    signer_certificates: Annotated[
        str, Field(description="PEM file with the C2PA signer's chain; empty means the development signer.")
    ] = ""
    signer_key: Annotated[
        str,
        Field(
            description="Where the C2PA signer's private key lies: a PEM file, `pkcs11:…` (RFC 7512),"
            " `awskms:///KEY?region=…`, or the `https://…` of a signing service."
        ),
    ] = ""
    signer_token: Annotated[str, Field(description="Bearer token for the signing service at `https://…`.")] = ""
    signer_warn_days: Annotated[
        float,
        Field(ge=0, description="So many days before the signer's certificate ends, `/readyz` begins to warn."),
    ] = 30.0
    trust_anchors: Annotated[
        str, Field(description="PEM file with the CA certificates that our signer's chain ends at.")
    ] = ""
    tsa_url: Annotated[
        Urls,
        Field(
            description="RFC 3161 authorities that time-stamp releases, tried in this order; comma-separated, empty"
            " means no time-stamps."
        ),
    ] = ""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if bool(self.signer_certificates) != bool(self.signer_key):
            raise ValueError("CLEARMARK_SIGNER_CERTIFICATES and CLEARMARK_SIGNER_KEY: set both or neither")
        if self.oidc_issuer and not (self.oidc_client_id and self.oidc_client_secret):
            raise ValueError("CLEARMARK_OIDC_CLIENT_ID and CLEARMARK_OIDC_CLIENT_SECRET: needed with an issuer")
        if self.signer_key and not self.trust_anchors:
            raise ValueError("CLEARMARK_TRUST_ANCHORS: needed to check what your signer signed")
        if self.ledger_tsa_urls and not self.ledger_tsa_roots:
            raise ValueError("CLEARMARK_LEDGER_TSA_ROOTS: needed to check what the authorities stamped")
        if self.env is Environment.PRODUCTION and (found := unfit_for_production(self)):
            raise ValueError("not fit for production: " + "; ".join(found))
        return self

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{(self.data_dir / 'clearmark.db').absolute()}"

    @property
    def logs_json(self) -> bool:
        if self.log_format is LogFormat.BY_ENVIRONMENT:
            return self.env is Environment.PRODUCTION
        return self.log_format is LogFormat.JSON

    @property
    def index_engine(self) -> str:
        """What searches: `faiss` or `milvus`."""
        return self.index_url.partition(":")[0].partition("+")[0]

    @property
    def limits_storage(self) -> str:
        """Where requests are counted: several processes share a count only in a Redis."""
        redis = self.broker_url if self.broker_url.startswith(("redis://", "rediss://")) else ""
        return self.limits_url or redis or "memory://"

    @property
    def url(self) -> str:
        """Where others reach this service."""
        return self.public_url.rstrip("/") or f"http://{self.host}:{self.port}"

    @property
    def mail_folder(self) -> Path:
        return self.data_dir / "mail"

    @property
    def is_embedded(self) -> bool:
        """Whether the worker runs inside the service."""
        return self.broker_url.startswith("memory:")

    @property
    def blob_folder(self) -> Path:
        return Path(self.blob_url.removeprefix("file://")) if self.blob_url else self.data_dir / "blobs"

    @property
    def s3_place(self) -> S3Place | None:
        """The bucket where blobs lie; None where they lie in a folder."""
        return parse_s3_url(self.blob_url) if self.blob_url.startswith("s3:") else None

    @property
    def staging_folder(self) -> Path:
        """Where files grow that will lie in a bucket."""
        return self.data_dir / "staging"

    @property
    def keys_folder(self) -> Path:
        return self._shared / "keys"

    @property
    def tsa_urls(self) -> tuple[str, ...]:
        """Whom to ask for time-stamps of checkpoints, in order."""
        return listed(self.ledger_tsa_urls)

    @property
    def claim_tsa_urls(self) -> tuple[str, ...]:
        """Whom to ask for time-stamps of releases, in order."""
        return listed(self.tsa_url)

    @property
    def trust_folder(self) -> Path:
        return self._shared / "trust"

    @property
    def proxies(self) -> list[str]:
        """Whose word on the caller's address is believed."""
        return list(listed(self.trusted_proxies))

    @property
    def _shared(self) -> Path:
        return Path(self.shared_dir) if self.shared_dir else self.data_dir

    @property
    def snapshot_path(self) -> Path:
        return self.data_dir / "index.snapshot"


# Variables of the command and of clients; settings they are not.
_NOT_SETTINGS: Final = frozenset({"URL", "KEY", "HOLDER", "RESOLVER_TOKEN"})
_PREFIX: Final = "CLEARMARK_"
# So alike, of 1, are a name and the one that was meant; what is less alike is somebody else's.
_MISTYPED_0_1: Final = 0.8
# Names of secrets end so.
SECRET: Final = ("_secret", "_token")
_SHOWN_CHARS: Final = 100
_log = logging.getLogger(__name__)


def mistyped(variables: Iterable[str]) -> dict[str, str]:
    """Of variables of the environment, those that look like a setting misspelt, with the one that was meant."""
    known = [name.upper() for name in Settings.model_fields]
    found = {}
    for variable in sorted(variables):
        name = variable.removeprefix(_PREFIX).upper()
        if variable.upper().startswith(_PREFIX) and name not in known and name not in _NOT_SETTINGS:
            meant = difflib.get_close_matches(name, known, n=1, cutoff=_MISTYPED_0_1)
            if meant:
                found[variable] = _PREFIX + meant[0]
    return found


def _problem(found: Mapping[str, Any]) -> str:
    """What is wrong with a setting, what it was, and what it is for; of several that do not fit, what is wrong."""
    said = worded(found) if found["type"] in WORDED else str(found["msg"]).removeprefix("Value error, ")
    if not found["loc"]:
        return said
    name = str(found["loc"][0])
    description = Settings.model_fields[name].description
    return f"{_PREFIX}{name.upper()}: {said.removesuffix('.')}. {_given(name, str(found['input']))}{description}"


def _given(name: str, value: str) -> str:
    """What a setting was, as a log may show it: no secret, and nothing before an `@`, where passwords stand."""
    if name.endswith(SECRET):
        return ""
    before, at, after = value.rpartition("@")
    shown = f"***{at}{after}" if before else value
    return f"It is {shown[:_SHOWN_CHARS]!r} now. "


def load_settings(**overrides: object) -> Settings:
    """Read the environment.

    Raises:
        SettingsError: one line that names each setting that is wrong, says what it was and what is expected; in
            production also each variable that looks like a setting misspelt.
    """
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(" ".join(_problem(found) for found in error.errors())) from error
    strays = mistyped(os.environ).items()
    wrong = [f"{variable}: there is no such setting; did you mean {meant}?" for variable, meant in strays]
    if wrong and settings.env is Environment.PRODUCTION:
        raise SettingsError("; ".join(wrong))
    for problem in wrong:
        _log.warning("%s", problem)
    return settings
