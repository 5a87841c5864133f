"""Where a Milvus is, as one URL says it: `milvus://[user:password@]host:port[/database]`, with `milvus+tls://` for TLS.

Needs no pymilvus, so that a setting can be judged where that is not installed.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

_SCHEMES = {"milvus": "http", "milvus+tls": "https"}
_DEFAULT_PORT = 19530


@dataclass(frozen=True, slots=True, kw_only=True)
class MilvusAddress:
    """Where and as whom: `token` is `user:password` or an API key, empty where nobody is asked."""

    uri: str
    token: str
    database: str


def parse_milvus_url(url: str) -> MilvusAddress:
    """Take the URL apart.

    Raises:
        ValueError: it is none, and how one is written.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORT
    except ValueError as error:
        raise ValueError(f"it cannot be read ({error}); write faiss:// or milvus://host:19530/database") from None
    if parts.scheme not in _SCHEMES or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("write faiss://, milvus://user:password@host:19530/database, or milvus+tls:// for TLS")
    database = unquote(parts.path.removeprefix("/"))
    if database and not re.fullmatch(r"[A-Za-z_]\w*", database, re.ASCII):
        raise ValueError("a database's name has letters, digits and underscores")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    token = ":".join(unquote(said) for said in (parts.username, parts.password) if said)
    return MilvusAddress(uri=f"{_SCHEMES[parts.scheme]}://{host}:{port}", token=token, database=database)
