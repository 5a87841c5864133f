"""Where a Milvus is, as a setting says it: read as it is meant, or refused with what to write."""

import pytest

from fingerprinting.index.milvus_address import MilvusAddress, parse_milvus_url


@pytest.mark.parametrize(
    ("url", "uri", "token", "database"),
    [
        ("milvus://127.0.0.1", "http://127.0.0.1:19530", "", ""),
        ("milvus://milvus.internal:19531/clearmark", "http://milvus.internal:19531", "", "clearmark"),
        ("milvus+tls://u:p%40ss%2F@m.example:443/a_1", "https://m.example:443", "u:p@ss/", "a_1"),
        ("milvus://an-api-key@m.example", "http://m.example:19530", "an-api-key", ""),
        ("milvus://[::1]:5/", "http://[::1]:5", "", ""),
    ],
)
def test_an_address_is_read_as_it_is_meant(url: str, uri: str, token: str, database: str) -> None:
    assert parse_milvus_url(url) == MilvusAddress(uri=uri, token=token, database=database)


@pytest.mark.parametrize(
    "url",
    [
        "", "faiss", "faiss://elsewhere", "http://m:19530", "milvus:", "milvus://", "milvus://:19530", "milvus://m:port",
        "milvus://m:99999", "milvus://m/a/b", "milvus://m/a-b", "milvus://m/1a", "milvus://m/%2e%2e", "milvus://m?secure=1",
        "milvus://m#part", "milvus://[::1", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(ValueError, match=r"faiss://|milvus://|letters, digits"):
        parse_milvus_url(url)
