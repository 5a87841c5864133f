"""What every answer says to browsers: nothing of ours is guessed at, and by https alone (RFC 6797)."""

import pytest
from fastapi import FastAPI

from api.app import create_app
from api.service import Service
from tests.integration.inside import Inside

BUG = "/v1/bug"
# A page, what pages load, an answer, a problem, an address that is refused, the documentation of the API, a bug.
PATHS = ("/", "/static/none.css", "/healthz", "/v1/works", "/v1/works?q=%00", "/docs", BUG)


@pytest.fixture
def app(service: Service) -> FastAPI:
    made = create_app(service)

    @made.get(BUG)
    def bug() -> None:
        raise ZeroDivisionError

    return made


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_of_a_service_behind_https_says_so(app: FastAPI, service: Service, path: str) -> None:
    assert "Strict-Transport-Security" not in Inside(app).get(path).headers
    service.settings = service.settings.model_copy(update={"public_url": "https://clearmark.example"})
    assert Inside(app).get(path).headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_an_answer_about_a_bug_says_what_browsers_may_do_with_it(app: FastAPI, accept: str) -> None:
    answer = Inside(app).get(BUG, headers={"Accept": accept})
    assert answer.status_code == 500
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
