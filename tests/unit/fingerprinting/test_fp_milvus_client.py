"""The connection to Milvus, without a server: one that failed is given up once, whoever used it when it failed."""

from contextlib import ExitStack

import pytest

from fingerprinting.errors import EngineAway
from fingerprinting.index import milvus_index
from fingerprinting.index.milvus_address import parse_milvus_url
from fingerprinting.index.milvus_index import Milvus


class Client:
    """A client that only remembers whether it was closed."""

    def __init__(self, **_address: object) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def milvus(monkeypatch: pytest.MonkeyPatch) -> Milvus:
    monkeypatch.setattr(milvus_index, "MilvusClient", Client)
    return Milvus(parse_milvus_url("milvus://m.example"))


def client_of(milvus: Milvus) -> Client:
    with milvus.asked() as client:
        assert isinstance(client, Client)
        return client


def test_a_client_that_failed_is_closed_and_the_next_call_has_another(milvus: Milvus) -> None:
    before = client_of(milvus)
    with pytest.raises(EngineAway, match="TimeoutError: late"), milvus.asked():
        raise TimeoutError("late")
    assert before.is_closed
    assert client_of(milvus) is not before
    assert milvus.sessions == 1


def test_a_call_that_fails_late_leaves_the_client_that_others_have_by_then(milvus: Milvus) -> None:
    before = client_of(milvus)
    with ExitStack() as late:
        late.enter_context(pytest.raises(EngineAway))
        late.enter_context(milvus.asked())  # begun on the first client, and ended after all else
        with pytest.raises(EngineAway), milvus.asked():
            raise TimeoutError("first")
        after = client_of(milvus)
        raise TimeoutError("late")
    assert before.is_closed
    assert not after.is_closed
    assert client_of(milvus) is after
    assert milvus.sessions == 1


def test_where_nobody_can_connect_nothing_is_given_up(milvus: Milvus, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_address: object) -> None:
        raise ConnectionError("refused")

    monkeypatch.setattr(milvus_index, "MilvusClient", refused)
    with pytest.raises(EngineAway, match="refused"), ExitStack() as stack:
        stack.enter_context(milvus.asked())
    assert milvus.sessions == 0
