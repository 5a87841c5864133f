"""Bodies that are made to break who reads them."""

import pytest

from api.app import create_app
from api.service import Service
from tests.integration.inside import Inside


@pytest.mark.parametrize("depth", [100, 500, 900, 2_000, 100_000])
def test_a_body_without_a_bottom_is_told_and_breaks_nothing(service: Service, depth: int) -> None:
    body = b'{"code":' + b"[" * depth + b"]" * depth + b"}"
    headers = {"content-type": "application/json"}
    answer = Inside(create_app(service)).post("/v1/accounts/confirm", content=body, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    if answer.status_code == 422:
        assert "nested deeper than 50" in answer.json()["detail"]
