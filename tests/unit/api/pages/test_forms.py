"""Forms: what was typed becomes the body that the API takes, and what was wrong stands beside its field."""

from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, StrictBool, StrictFloat, StrictInt, ValidationError

from api.pages.forms import TOKEN, Form
from api.problems import Problem
from api.schemas.works import WorkIn
from registry.errors import Forbidden, Invalid, NotFound


class _Inner(BaseModel):
    name: str
    number: StrictInt | None = None


class _Body(BaseModel):
    title: str = Field(min_length=1)
    year: StrictInt | None = None
    share: StrictFloat | None = None
    shown: StrictBool = False
    names: list[str] = []
    inner: list[_Inner] = []


def test_names_are_places_in_the_body() -> None:
    form = Form(
        [("title", "A film"), ("names[]", "Ada"), ("inner.0.name", "a"), ("inner.2.name", "c"), ("inner.2.number", "7")]
    )
    body = form.parse(_Body)
    assert body == _Body(title="A film", names=["Ada"], inner=[_Inner(name="a"), _Inner(name="c", number=7)])


def test_a_text_is_read_as_the_number_or_truth_that_is_asked_for() -> None:
    body = Form([("title", "1999"), ("year", "1999"), ("share", "0.5"), ("shown", "true")]).parse(_Body)
    assert (body.title, body.year, body.share, body.shown) == ("1999", 1999, 0.5, True)


@pytest.mark.parametrize("typed", ["1e400", "NaN", "[1]", '"7"', "{" * 10_000, "0x10", "１９９９"])
def test_what_spells_no_number_is_wrong_beside_its_field(typed: str) -> None:
    form = Form([("title", "A"), ("year", typed)])
    with form.heeding():
        form.parse(_Body)
    assert form.error("year") == "It must be a whole number."
    assert form.get("year") == typed


def test_what_is_blank_was_not_said() -> None:
    assert Form([("title", "A"), ("year", " "), ("names[]", ""), ("inner.0.name", "")]).parse(_Body) == _Body(title="A")


def test_the_token_is_no_part_of_the_body() -> None:
    assert Form([(TOKEN, "x"), ("title", "A")]).tree() == {"title": "A"}


def test_what_the_page_says_counts_over_what_was_typed() -> None:
    assert Form([("title", "A")]).parse(_Body, title="B").title == "B"


def test_a_field_finds_what_is_wrong_with_something_in_it() -> None:
    form = Form([("title", "A"), ("names[]", "x"), ("inner.0.number", "z")])
    with form.heeding():
        form.parse(_Body)
    assert form.error("inner") is not None
    assert form.error("names[]") is None
    assert form.status is HTTPStatus.UNPROCESSABLE_ENTITY


def test_a_service_that_names_a_field_is_heard_there() -> None:
    form = Form([("year", "1")])
    with form.heeding():
        raise Invalid(field="year", problem="Too early.")
    assert form.error("year") == "Too early."


def test_what_names_no_field_is_about_all_of_it() -> None:
    form = Form()
    with form.heeding():
        raise Problem(HTTPStatus.CONFLICT, "conflict", "Somebody was faster.")
    assert (form.errors, form.status) == ({"": "Somebody was faster."}, HTTPStatus.CONFLICT)


@pytest.mark.parametrize("error", [NotFound(kind="work", id="wrk_1"), Forbidden(action="this"), KeyError("a bug")])
def test_what_no_typing_mends_goes_on(error: Exception) -> None:
    with pytest.raises(type(error)), Form().heeding():
        raise error


def test_rows_are_as_many_as_were_sent_and_at_least_what_is_asked() -> None:
    form = Form([("inner.3.name", "x"), ("inner.9999999999.name", "x"), ("inner.-1.name", "x"), ("innermost.7", "x")])
    assert form.rows("inner") == ["inner.0", "inner.1", "inner.2", "inner.3"]
    assert Form().rows("inner", least=2) == ["inner.0", "inner.1"]


def test_a_form_that_shows_a_record_sends_it_unchanged() -> None:
    said: dict[str, Any] = {
        "title": "A", "kind": "film", "year": 1999, "creators": ["Ada", "Bo"], "shows_frames": True,
        "reservations": [{"use": "train", "value": "reserved"}],
    }  # fmt: skip
    assert Form.filled(said).parse(WorkIn) == WorkIn.model_validate(said)


@pytest.mark.parametrize("name", ["a" + ".a" * 5000, "r." + "9" * 5000 + ".use", "r.0001.use"])
def test_a_name_that_no_form_of_ours_has_is_no_crash(name: str) -> None:
    form = Form([("title", "A"), (name, "x")])
    assert form.rows("r") == []
    assert form.parse(_Body) == _Body(title="A")


_NAMES = st.text(alphabet="ab.0129[]\x00ü", max_size=12)


@given(st.lists(st.tuples(_NAMES, st.text(max_size=5)), max_size=12))
def test_whatever_is_sent_is_a_body_or_an_error(said: list[tuple[str, str]]) -> None:
    form = Form(said)
    with form.heeding():
        form.parse(WorkIn)
    assert form.errors


def test_a_field_that_is_a_group_and_a_text_at_once_is_no_crash() -> None:
    with pytest.raises(ValidationError):
        Form([("title", "A"), ("title.b", "c"), ("inner", "x"), ("inner.0.name", "y")]).parse(_Body)


@pytest.mark.parametrize(("said", "is_sure"), [("true", True), ("", False), ("false", False), (None, False)])
def test_what_cannot_be_undone_asks_for_a_ticked_box(said: str | None, is_sure: bool) -> None:
    form = Form([] if said is None else [("sure", said)])
    assert form.is_sure("Tick it.") is is_sure
    expected = (HTTPStatus.OK, {}) if is_sure else (HTTPStatus.UNPROCESSABLE_ENTITY, {"sure": "Tick it."})
    assert (form.status, form.errors) == expected
