"""What tests of the formats say and hear: statements to write, and what a place is told by those that were read."""

from collections.abc import Iterable
from datetime import UTC, datetime

from hypothesis import strategies as st

from registry.domain.preferences import STRICTEST_FIRST, WORLDWIDE, Use, Value
from registry.formats.statements import Statement, Written, named
from registry.locations import path_covers, path_of

TERMS = "https://rights.example/terms?for=films&lang=en"


def said(use: Use, value: Value, location: str | None = None, **parts: str | None) -> Statement:
    return Statement(use=use, value=value, location=location, **parts)  # type: ignore[arg-type]


def statements(
    *, uses: Iterable[Use] = Use, values: Iterable[Value] = Value, locations: Iterable[str | None] = (None,)
) -> st.SearchStrategy[Statement]:
    """Statements with nothing but a use, a value and a place."""
    return st.builds(
        Statement,
        use=st.sampled_from(list(uses)),
        value=st.sampled_from(list(values)),
        location=st.sampled_from(list(locations)),
    )


def any_statements(*, locations: Iterable[str | None] = (None, "/a/")) -> st.SearchStrategy[Statement]:
    """Statements with whatever can be said, in every mixture."""
    return st.builds(
        Statement,
        use=st.sampled_from(Use),
        value=st.sampled_from(Value),
        location=st.sampled_from(list(locations)),
        territory=st.sampled_from([WORLDWIDE, "EU", "FR"]),
        terms_url=st.sampled_from([None, TERMS, "ask us"]),
        contact=st.sampled_from([None, "rights@example.org", "https://rights.example/contact", "call us"]),
        valid_until=st.sampled_from([None, datetime(2030, 1, 1, tzinfo=UTC)]),
        order=st.integers(0, 1),
    )


def said_whole(statements: Iterable[Statement], written: Written) -> set[Statement]:
    """The statements that were written without leaving anything of them out."""
    left_out = {remark.where for remark in written.left_out}
    return {one for one in statements if named(one) not in left_out}


def heard(statements: Iterable[Statement], use: Use, path: str) -> Value | None:
    """What is said of a use of a path: of the first in order, the strictest."""
    path = path_of(path)
    said = [one for one in statements if one.use is use]
    there = [one for one in said if not one.location or path_covers(path_of(one.location), path)]
    first = min((one.order for one in there), default=0)
    return min((one.value for one in there if one.order == first), key=STRICTEST_FIRST.index, default=None)
