"""What the forms of works come to, as the API takes it."""

import pytest
from pydantic import ValidationError

from api.pages.forms import Form
from api.pages.work_forms import (
    EditIn,
    Preset,
    RegistrationIn,
    ReserveIn,
    SheetIn,
    StretchIn,
    close_up,
    heeding,
    more_of,
)
from registry.domain.preferences import Use, Value
from registry.errors import Invalid


@pytest.mark.parametrize(
    ("preset", "value", "uses"),
    [
        (Preset.LATER, None, set()),
        (Preset.OUTPUTS, Value.RESERVED, {Use.DEPICT_IN_OUTPUT}),
        (Preset.NOBODY, Value.RESERVED, set(Use) - {Use.SEARCH}),
        (Preset.ASK, Value.CONSTRAINED, set(Use) - {Use.SEARCH}),
    ],
)
def test_a_preset_is_a_word_on_each_of_its_uses(preset: Preset, value: Value | None, uses: set[Use]) -> None:
    said = ReserveIn(preset=preset, contact="rights@studio.example").reservations()
    assert {one.use for one in said} == uses
    assert {one.value for one in said} == ({value} if value else set())
    assert {one.contact for one in said} <= {"rights@studio.example" if preset is Preset.ASK else None}


def test_a_registration_is_the_body_of_a_work() -> None:
    fields = {
        "title": "Night Train", "kind": "film", "year": "1999", "creators": "Ada\n\n Žofie ", "shows_frames": "true",
        "ids.0.scheme": "isrc", "ids.0.value": "x", "reserve.preset": "outputs", "once": "1",
    }  # fmt: skip
    work = Form(fields.items()).parse(RegistrationIn).work()
    assert (work.creators, work.year, work.shows_frames) == (["Ada", "Žofie"], 1999, True)
    assert work.identifiers == {"isrc": "x"}
    assert [one.use for one in work.reservations] == [Use.DEPICT_IN_OUTPUT]


def test_what_is_blank_on_an_edit_is_taken_back() -> None:
    fields = {"title": "Night Train", "kind": "film", "policy": "block", "year": "", "shares.0.territory": "worldwide"}
    form = Form(fields.items())
    close_up(form)
    changes = form.parse(EditIn).changes()
    assert changes.model_fields_set >= {"year", "shares", "thresholds", "creators", "shows_frames", "identifiers"}
    assert (changes.year, changes.shares, changes.identifiers, changes.shows_frames) == (None, [], {}, False)


def test_rows_that_say_nothing_go_and_the_others_close_up() -> None:
    fields = {"contributors.0.name": " ", "contributors.2.name": "Ada", "contributors.2.role": "director"}
    form = Form(fields.items())
    close_up(form)
    assert (form.get("contributors.0.name"), form.rows("contributors")) == ("Ada", ["contributors.0"])


def test_one_more_row_is_drawn_of_the_group_that_was_asked_for() -> None:
    form = Form({"add": "shares", "shares.0.holder": "Ada", "ids.0.value": ""}.items())
    assert more_of(form) == {"ids": 1, "contributors": 0, "shares": 2, "alternative_titles": 0}
    assert form.get("add") == ""


def test_what_is_wrong_with_a_number_stands_where_it_was_typed() -> None:
    form = Form({"ids.0.scheme": "isan", "ids.0.value": "", "ids.1.scheme": "isrc", "ids.1.value": "x"}.items())
    with heeding(form):
        raise Invalid(field="identifiers.isrc", problem="No.")
    assert form.errors == {"ids.0.value": "No."}
    shares = Form({"shares.0.holder": "Ada"}.items())
    with heeding(shares):
        raise Invalid(field="shares.percent", problem="No.")
    assert shares.errors == {"shares": "No."}


def test_two_numbers_of_a_kind_are_refused() -> None:
    fields = {"title": "x", "kind": "film"}
    for place in (0, 1):
        fields |= {f"ids.{place}.scheme": "isrc", f"ids.{place}.value": "x"}
    form = Form(fields.items())
    with heeding(form):
        form.parse(RegistrationIn).work()
    assert list(form.errors) == ["ids.1.value"]


@pytest.mark.parametrize(
    ("typed", "seconds"), [("62.5", 62.5), ("1:02.5", 62.5), ("1:00:01", 3601), (" 7 ", 7), ("2,5", 2.5)]
)
def test_a_moment_is_read_as_a_player_shows_it(typed: str, seconds: float) -> None:
    assert StretchIn.model_validate({"start_s": typed, "end_s": 9999, "reason": "x"}).start_s == seconds


@pytest.mark.parametrize("typed", ["", "soon", "1:2:3:4", "-1", "1:-2", "nan", "inf", "1e9", "x:1"])
def test_what_no_player_shows_is_no_moment(typed: str) -> None:
    with pytest.raises(ValidationError):
        StretchIn.model_validate({"start_s": typed, "end_s": 9999, "reason": "x"})


def test_a_use_without_a_value_is_one_of_which_nothing_is_said() -> None:
    fields = {"uses.train.value": "reserved", "uses.tdm.value": "", "uses.tdm.terms_url": "https://studio.example"}
    wanted = Form(fields.items()).parse(SheetIn).wanted()
    assert {use for use, word in wanted.items() if word is not None} == {Use.TRAIN}
    assert set(wanted) == set(Use)
