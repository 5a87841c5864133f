"""What is wrong with a field is told in plain words, and never in those of the library that found it."""

import json
import re
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from api.schemas.preferences import PreferenceQuery, ReservationIn, ScopedReservationIn
from api.schemas.works import WorkIn
from api.wording import worded

_LIBRARY = re.compile(r"Value error|Input should|Extra inputs|Field required|valid (string|integer|list)|validat", re.I)


def _problem(kind: type[BaseModel], body: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        kind.model_validate_json(body if isinstance(body, str) else json.dumps(body))
    return worded(refused.value.errors()[0])


SAID = {"use": "tdm", "value": "reserved"}


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        (ReservationIn, {"use": "tdm"}, "This is needed."),
        (ReservationIn, SAID | {"colour": 1}, "There is no field of this name."),
        (
            ReservationIn,
            SAID | {"valid_from": "tomorrow"},
            "Write a time as RFC 3339 does, for example 2026-01-31T12:00:00Z.",
        ),
        (ReservationIn, SAID | {"value": "no"}, "Give one of: 'allowed', 'constrained' or 'reserved'."),
        (ReservationIn, SAID | {"contact": ""}, "It is too short; the least is 1."),
        (ReservationIn, SAID | {"contact": "a\x00"}, "Holds the character U+0000, which no text needs."),
        (ScopedReservationIn, SAID | {"scope": "catalogue", "asset_id": "x"}, "It must not be given here."),
        (WorkIn, "{", None), (WorkIn, [], None), (WorkIn, {"title": 7, "kind": "film"}, "It must be text."),
        (WorkIn, {"title": "A", "kind": "film", "year": "x"}, "It must be a whole number."),
        (WorkIn, {"title": "A", "kind": "film", "creators": "x"}, "It must be a list."),
        (WorkIn, {"title": "A", "kind": "film", "identifiers": []}, "It must be an object."),
        (WorkIn, {"title": "A", "kind": "film", "shows_frames": "x"}, "It must be true or false."),
        (WorkIn, {"title": "A", "kind": "film", "creators": ["x"] * 101}, "It is too long; the most is 100."),
        (WorkIn, {"title": "A", "kind": "film", "thresholds": {"review_matched_s": -1}}, None),
        (PreferenceQuery, {"items": []}, "It is too short; the least is 1."),
        (PreferenceQuery, {"items": [{"url": "ftp://x"}]}, "It does not have the form ^https?://."),
    ],
)  # fmt: skip
def test_every_problem_with_a_field_is_told_in_our_words(kind: type[BaseModel], body: Any, told: str | None) -> None:
    said = _problem(kind, body)
    assert told in (None, said)
    assert not _LIBRARY.search(said), said
    assert said.endswith(".")
    assert said[0].isupper()
