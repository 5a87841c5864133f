"""What every body must be: of bounded depth, and without U+0000."""

from typing import Any

import pytest
from pydantic import ValidationError

from api.schemas.base import MAX_DEPTH, In


class _Body(In):
    value: Any


def _nested(depth: int, value: object) -> Any:
    for number in range(depth):
        value = [value] if number % 2 else {"more": value}
    return value


@pytest.mark.parametrize("depth", [MAX_DEPTH, 500, 5_000, 100_000])
def test_a_body_without_a_bottom_is_refused(depth: int) -> None:
    with pytest.raises(ValidationError, match=f"nested deeper than {MAX_DEPTH}"):
        _Body(value=_nested(depth, "x"))


@pytest.mark.parametrize("depth", [0, 1, MAX_DEPTH - 2])
def test_a_text_with_a_nul_is_found_as_deep_as_one_may_be(depth: int) -> None:
    assert _Body(value=_nested(depth, "x"))
    for value in ("a\x00", {"a\x00": 1}):
        if isinstance(value, str) or depth < MAX_DEPTH - 2:
            with pytest.raises(ValidationError, match=r"U\+0000"):
                _Body(value=_nested(depth, value))
