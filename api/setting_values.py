"""How the value of a setting must be written: a type for each kind, whose check says what to do.

Only what can be seen of one value alone, in any environment. What two settings need of each other is `api.settings`'
to say, and what is too unsafe for production `api.fitness`'.
"""

import ipaddress
from typing import Annotated, Final
from urllib.parse import urlsplit

from limits import parse_many
from pydantic import AfterValidator

from api.clock import make_clock
from api.s3_place import parse_s3_url
from fingerprinting.index.milvus_address import parse_milvus_url
from registry.errors import Invalid

_LEAST_TOKEN_CHARS: Final = 16
_HTTP: Final = ("https://", "http://")


def listed(value: str) -> tuple[str, ...]:
    """What stands between the commas."""
    return tuple(one.strip() for one in value.split(",") if one.strip())


def _database(value: str) -> str:
    if value and not value.startswith(("postgresql+psycopg://", "sqlite:///")):
        raise ValueError(
            "begin with postgresql+psycopg://, as postgresql+psycopg://user:password@host/database, or with sqlite:///,"
            " or leave it empty"
        )
    return value


def _broker(value: str) -> str:
    if "://" not in value:
        raise ValueError("write it like memory://, redis://broker:6379/0, or amqp://user:password@broker//")
    return value


def _count(value: str) -> str:
    if value and "://" not in value:
        raise ValueError("write it like redis://broker:6379/1, or leave it empty")
    return value


def _engine(value: str) -> str:
    if value != "faiss://":
        parse_milvus_url(value)
    return value


def _place(value: str) -> str:
    if value.startswith("s3:"):
        parse_s3_url(value)
    elif value and not value.startswith("file://"):
        raise ValueError("begin with file:// and a folder, or with s3:// and a bucket, or leave it empty")
    return value


def _collector(value: str) -> str:
    if value and not _is_http(value):
        raise ValueError("begin with http:// or https://, as http://collector:4318/v1/traces, or leave it empty")
    return value


def _where_others_reach_it(value: str) -> str:
    if value and not _is_http(value):
        raise ValueError("begin with https:// or http://, as https://clearmark.example, or leave it empty")
    return value


def _mail_server(value: str) -> str:
    if value and not value.startswith(("smtp://", "smtps://")):
        raise ValueError("begin with smtp:// or smtps://, or leave it empty")
    return value


def _urls(value: str) -> str:
    if any(not url.startswith(_HTTP) for url in listed(value)):
        raise ValueError("give URLs that begin with https:// or http://")
    return value


def _hard_to_guess(value: str) -> str:
    if value and len(value) < _LEAST_TOKEN_CHARS:
        raise ValueError(f"give {_LEAST_TOKEN_CHARS} characters or more, as `openssl rand -hex 16` makes them")
    return value


def _clock(value: str) -> str:
    make_clock(value)
    return value


def _mail_address(value: str) -> str:
    if not value:
        return value
    from registry.mail import address  # and with it the database, which most commands do without

    try:
        return address(value)
    except Invalid as error:
        raise ValueError(error.problem) from None


def _networks(value: str) -> str:
    try:
        for one in listed(value):
            ipaddress.ip_network(one)
    except ValueError as error:
        raise ValueError(f"{error}; give addresses or networks such as 10.0.0.0/8, comma-separated") from None
    return value


def _limit(value: str) -> str:
    try:
        parse_many(value)
    except ValueError:
        raise ValueError("write it like 300/minute") from None
    return value


def _is_http(url: str) -> bool:
    return url.startswith(_HTTP) and bool(urlsplit(url).hostname)


DatabaseUrl = Annotated[str, AfterValidator(_database)]
BrokerUrl = Annotated[str, AfterValidator(_broker)]
CountUrl = Annotated[str, AfterValidator(_count)]
IndexUrl = Annotated[str, AfterValidator(_engine)]
BlobUrl = Annotated[str, AfterValidator(_place)]
CollectorUrl = Annotated[str, AfterValidator(_collector)]
PublicUrl = Annotated[str, AfterValidator(_where_others_reach_it)]
MailUrl = Annotated[str, AfterValidator(_mail_server)]
MailAddress = Annotated[str, AfterValidator(_mail_address)]
Urls = Annotated[str, AfterValidator(_urls)]
Token = Annotated[str, AfterValidator(_hard_to_guess)]
ClockSetting = Annotated[str, AfterValidator(_clock)]
Networks = Annotated[str, AfterValidator(_networks)]
Limit = Annotated[str, AfterValidator(_limit)]
