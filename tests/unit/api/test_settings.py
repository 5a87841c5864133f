"""Settings: what is wrong stops the start, with its name and what to do; what is unsafe is refused in production."""

import re
from pathlib import Path
from typing import Any

import pytest

from api.fitness import unfit_at_start
from api.settings import Settings, SettingsError, load_settings, mistyped
from api.settings_shown import describe, in_force
from provenance.authority import ensure_development_signer
from tests.certificates import CertificateAuthority
from tests.factories import AT

FIT: dict[str, Any] = {
    "env": "production", "database_url": "postgresql+psycopg://clearmark:x7Qp-2k@db/clearmark",
    "broker_url": "redis://:x7Qp-2k@broker", "signer_certificates": "chain.pem", "signer_key": "key.pem",
    "trust_anchors": "roots.pem", "public_url": "https://clearmark.example", "operator": "Studio of Example",
    "mail_url": "smtps://a:x7Qp-2k@mail.example:465", "log_origin": "clearmark.example/ledger",
}  # fmt: skip


def test_what_is_fit_for_production_starts() -> None:
    assert load_settings(**FIT).logs_json


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", ""), ("database_url", "sqlite:///x.db"), ("broker_url", "memory://"), ("clock", "+1d"),
        ("public_url", ""), ("public_url", "http://clearmark.example"), ("operator", "Clearmark"), ("operator", ""),
        ("database_url", "postgresql+psycopg://clearmark:postgres@db/clearmark"),
        ("broker_url", "amqp://guest:guest@broker"), ("mail_url", "smtp://a:changeme@mail"),
        ("database_url", "postgresql+psycopg://clearmark:PASSWORD@db/clearmark"), ("broker_url", "redis://:ChangeMe@broker"),
        ("mail_url", ""), ("log_origin", "clearmark.local/ledger"), ("log_origin", ""),
        ("signer_token", "secret"), ("oidc_client_secret", "changeme"),
    ],
)  # fmt: skip
def test_what_is_only_for_trying_out_is_refused_in_production(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"CLEARMARK_{name.upper()}: ") as refused:
        load_settings(**FIT | {name: value})
    assert "\n" not in str(refused.value)
    tried = {key: said for key, said in FIT.items() if key in ("public_url", "operator")} | {name: value}
    load_settings(**tried)  # elsewhere it may be tried


def test_the_development_signer_is_refused_in_production() -> None:
    without = {name: value for name, value in FIT.items() if not name.startswith(("signer", "trust"))}
    with pytest.raises(SettingsError, match="CLEARMARK_SIGNER_KEY: the development signer"):
        load_settings(**without)


def test_keys_that_anybody_may_read_and_the_development_ca_are_refused_as_it_starts(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    ours = CertificateAuthority(at=AT).pem
    assert unfit_at_start(keys, ours) == []
    keys.chmod(0o755)
    [said] = unfit_at_start(keys, ours)
    assert said.startswith("CLEARMARK_DATA_DIR: ")
    assert "chmod 700" in said
    keys.chmod(0o700)
    [said] = unfit_at_start(keys, ensure_development_signer(keys, at=AT).identity.certificate_chain_pem)
    assert said.startswith("CLEARMARK_SIGNER_CERTIFICATES: the development CA")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "many"), ("env", "staging"), ("log_level", "loud"), ("log_format", "xml"), ("metrics_port", "70000"),
        ("metrics_token", "short"), ("traces_url", "collector:4318"), ("traces_url", "http://"), ("public_url", "x"),
        ("index_url", "ftp://x"), ("blob_url", "ftp://x"), ("mail_url", "imap://x"), ("tsa_url", "x"),
        ("ledger_tsa_urls", "x"), ("oidc_issuer", "https://x"), ("signer_key", "key.pem"), ("clock", "noon"),
        ("takedown_mail", "nobody"), ("trusted_proxies", "*"), ("limit_key", "lots"), ("four_eyes", "both"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_in_one_line(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=r"^CLEARMARK_") as refused:
        load_settings(**{name: value})
    said = str(refused.value)
    assert f"CLEARMARK_{name.upper()}" in said or name == "oidc_issuer"  # there it is the others that are missing
    assert "\n" not in said


# Whatever stands in these may be meant: paths, names of hosts and people, what only somebody else can judge.
FREE = {
    "data_dir", "host", "metrics_host", "sscd_model", "shared_dir", "log_origin", "mail_from", "oidc_client_id",
    "oidc_client_secret", "operator", "platform_holder", "signer_certificates", "signer_key", "signer_token",
    "trust_anchors", "ledger_tsa_roots",
}  # fmt: skip
# These are judged when the service is made, which names them too.
AT_START = {"country", "subdivision", "time_zone", "ledger_witnesses"}


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name not in FREE | AT_START])
def test_nonsense_in_any_setting_is_told_with_what_is_expected(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"CLEARMARK_{name.upper()}", "no/nsense")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    said = str(refused.value)
    name_told, _, rest = said.partition(": ")
    description = str(Settings.model_fields[name].description)
    assert name_told == f"CLEARMARK_{name.upper()}"
    assert "\n" not in said
    assert said.endswith(description)
    assert (name == "metrics_token") is ("It is 'no/nsense' now. " not in rest), "but for a secret"
    assert re.search(r"\b(must be|give|begin with|write)\b", rest.removesuffix(description), re.IGNORECASE)
    assert "Input should" not in said, "in our words"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mail_url", "imap://ada:hunter2@mail"),  # pragma: allowlist secret
        ("database_url", "mysql://ada:hunt@r/hunter2@db/x"),  # pragma: allowlist secret
        ("broker_url", "ada:hunter2@broker"), ("metrics_token", "hunter2"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_told_without_its_password(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^CLEARMARK_{name.upper()}: ") as refused:
        load_settings(**{name: value})
    assert "hunter2" not in str(refused.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(port="many", env="staging")
    assert "CLEARMARK_PORT: It must be a whole number. It is 'many' now. Port the" in str(refused.value)
    assert "CLEARMARK_ENV: Give one of: 'development' or 'production'. It is 'staging' now." in str(refused.value)


def test_a_name_that_was_misspelt_is_told() -> None:
    meant = {"CLEARMARK_DATABSE_URL": "CLEARMARK_DATABASE_URL", "CLEARMARK_LOG_LEVL": "CLEARMARK_LOG_LEVEL"}
    # CLEARMARK_PORT_8000_TCP: Kubernetes says so of a Service. CLEARMARK_PORT, which it says too, is kept out by
    # `enableServiceLinks: false` in deploy/kubernetes, since it would be our setting of that name.
    others = ["CLEARMARK_KEY", "CLEARMARK_URL", "CLEARMARK_HOLDER", "CLEARMARK_PORT_8000_TCP", "CLEARMARK_SERVICE_HOST",
              "CLEARMARK_WEBHOOK_SECRET", "PATH", "CLEARMARK_PORT", "clearmark_port"]  # fmt: skip
    assert mistyped([*meant, *others]) == meant


def test_a_misspelt_name_stops_production_and_is_a_warning_elsewhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CLEARMARK_SINGER_KEY", "x")
    with pytest.raises(SettingsError, match=r"CLEARMARK_SINGER_KEY: .*did you mean CLEARMARK_SIGNER_KEY"):
        load_settings(**FIT)
    load_settings()
    assert "did you mean CLEARMARK_SIGNER_KEY" in caplog.text


def test_every_setting_stands_once_under_one_theme() -> None:
    table = describe()
    for name in Settings.model_fields:
        assert table.count(f"| `CLEARMARK_{name.upper()}` |") == 1
    assert table.count("\n## ") >= 5


def test_tokens_are_not_shown() -> None:
    shown = in_force(Settings(metrics_token="0123456789abcdef", traces_url="http://u:hunter2@collector/v1/traces"))
    assert "0123456789abcdef" not in str(shown)
    assert "hunter2" not in str(shown)
