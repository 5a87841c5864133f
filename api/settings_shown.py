"""The settings as they are shown: what there is, by theme, and what is in force, its secrets hidden."""

import re
from enum import StrEnum
from typing import Final

from api.settings import SECRET, Settings
from api.signing_keys import without_secrets

_PASSWORD: Final = re.compile(r"://[^/@]*@")
# Which settings belong together, by how their names begin; the first that fits. The rest are of the service itself.
_THEMES: Final[dict[str, tuple[str, ...]]] = {
    "Logs, metrics, traces": ("log_format", "log_level", "metrics_", "traces_"),
    "Where things lie": ("data_dir", "shared_dir", "database_url", "broker_url", "index_url", "blob_url"),
    "Checks": (
        "sscd_model", "sync_check_s", "catch_up_s", "flood_", "block_from", "max_", "keep_fingerprints_days", "worker_",
    ),
    "Signing and trust": ("signer_", "trust_anchors", "tsa_url"),
    "The ledger": ("log_origin", "ledger_"),
    "People and letters": ("sign_up", "mail_", "oidc_"),
    "Limits": ("limit_", "limits_", "trusted_proxies"),
    "Takedown": (
        "country", "subdivision", "time_zone", "takedown_", "platform_holder", "four_eyes", "notices_", "strike",
        "keep_notices_days",
    ),
}  # fmt: skip
_THE_SERVICE: Final = "The service"


def describe() -> str:
    """All settings as Markdown: a table for each theme, of names, defaults and what they do."""
    themes: dict[str, list[str]] = {_THE_SERVICE: [], **{theme: [] for theme in _THEMES}}
    for name, field in Settings.model_fields.items():
        default = field.default.value if isinstance(field.default, StrEnum) else field.default
        shown = f"`{default}`" if default != "" else "empty"
        themes[_theme(name)].append(f"| `CLEARMARK_{name.upper()}` | {shown} | {field.description} |")
    head = "| setting | default | what it does |\n|---|---|---|"
    return "\n".join(f"## {theme}\n\n{head}\n" + "\n".join(rows) + "\n" for theme, rows in themes.items() if rows)


def _theme(name: str) -> str:
    return next((theme for theme, starts in _THEMES.items() if name.startswith(starts)), _THE_SERVICE)


def in_force(settings: Settings) -> dict[str, object]:
    """The values in force, secrets and passwords in URLs hidden."""
    values = settings.model_dump(mode="json")
    return {name: _shown(name, value) if isinstance(value, str) else value for name, value in values.items()}


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    return _PASSWORD.sub("://***@", url)


def _shown(name: str, value: str) -> str:
    if value and name.endswith(SECRET):
        return "***"
    return without_secrets(without_password(value))
