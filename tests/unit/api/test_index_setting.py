"""The setting of the index engine: judged at start, its password never shown."""

import pytest

from api.settings import Settings, SettingsError, load_settings
from api.settings_shown import in_force


@pytest.mark.parametrize("url", ["faiss://", "milvus://m:1/a", "milvus+tls://root:secret@m.example"])
def test_an_engine_is_named_by_its_kind_alone(url: str) -> None:
    assert Settings(index_url=url).index_engine == ("faiss" if url == "faiss://" else "milvus")


@pytest.mark.parametrize("url", ["", "faiss", "milvus:", "redis://m", "milvus://m/a/b"])
def test_an_engine_that_nobody_knows_is_refused_by_the_name_of_its_setting(url: str) -> None:
    with pytest.raises(SettingsError, match="CLEARMARK_INDEX_URL"):
        load_settings(index_url=url)


def test_who_asks_for_the_settings_is_not_told_the_password() -> None:
    shown = in_force(Settings(index_url="milvus://root:secret@m.example:19530/a"))
    assert shown["index_url"] == "milvus://***@m.example:19530/a"
