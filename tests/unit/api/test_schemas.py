"""What bodies take, where that is more than their types say."""

import json

import pytest
from pydantic import ValidationError

from api.schemas.works import ShareIO


def _share(literal: str) -> ShareIO:
    """As a request body is read."""
    return ShareIO.model_validate({"holder": "Night Train", "percent": json.loads(literal)})


@pytest.mark.parametrize(
    ("literal", "kept"),
    [("33.3", "33.3"), ("33.333", "33.333"), ("0.1", "0.1"), ("0.001", "0.001"), ("100", "100"), ("1e1", "10.0"),
     ("50.00", "50.0"), ('"62.50"', "62.50")],
)  # fmt: skip
def test_a_percentage_may_be_a_number_and_is_what_was_written(literal: str, kept: str) -> None:
    assert _share(literal).percent == kept
    assert json.loads(_share(literal).model_dump_json())["percent"] == kept, "it is shown as a text"


@pytest.mark.parametrize(
    "literal", ["-1", "-0.0", "33.3333", "1e-9", "1e300", "1000", "NaN", "-Infinity", "true", "null", "[]", '"1e1"']
)
def test_what_is_no_percentage_is_refused(literal: str) -> None:
    with pytest.raises(ValidationError):
        _share(literal)
