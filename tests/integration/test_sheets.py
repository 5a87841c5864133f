"""Sheets: all uses of a thing said in one go, only what differs declared, and what it would come to told beforehand."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.service import Service
from registry import reservations, sheets, works
from registry.access import Actor, Scope
from registry.database import Database
from registry.domain.preferences import Answer, Use, Value
from registry.domain.preferences import Scope as Reach
from registry.errors import Forbidden, Invalid, NotFound
from registry.exchange import ExportFormat
from registry.formats.statements import Written
from registry.models import LedgerEntry, Reservation
from registry.reservations import NewReservation
from registry.sheets import Rehearsal, Thing, Word
from tests import factories
from tests.factories import AT
from tests.integration.inside import Browser

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
RESERVED, ALLOWED = Word(value=Value.RESERVED), Word(value=Value.ALLOWED)
TERMS = Word(value=Value.CONSTRAINED, terms_url="https://studio.example/terms", contact="rights@studio.example")
NOTHING: Mapping[Use, Word | None] = dict.fromkeys(Use)


def owned(session: Session) -> tuple[Actor, Thing]:
    owner = factories.actor(session)
    return owner, Thing(work_id=factories.work(session, owner).id)


def rehearse(session: Session, owner: Actor, thing: Thing, wanted: Mapping[Use, Word | None], **said: Any) -> Rehearsal:
    return sheets.rehearse(session, owner, thing, wanted, url="https://registry.example/v1/exports", at=AT, **said)


def text(made: Written | str) -> str:
    assert isinstance(made, Written)
    return made.text


def test_only_what_differs_is_put_on_record(database: Database) -> None:
    with database.transaction() as session:
        owner, thing = owned(session)
        first = sheets.say(session, owner, thing, {**NOTHING, Use.TRAIN: RESERVED, Use.TDM: TERMS}, at=AT)
        again = sheets.say(session, owner, thing, {**NOTHING, Use.TRAIN: RESERVED, Use.TDM: TERMS}, at=AT + DAY)
        wanted = {**NOTHING, Use.TRAIN: ALLOWED, Use.SEARCH: ALLOWED}
        changed = sheets.say(session, owner, thing, wanted, at=AT + DAY)
        rows = session.scalars(sa.select(Reservation).order_by(Reservation.id)).all()
        sheet = sheets.read(session, owner, thing, at=AT + DAY)
    assert ([one.use for one in first], again) == ([Use.TRAIN, Use.TDM], [])
    assert {one.use: (one.before, one.after) for one in changed} == {
        Use.TRAIN: (RESERVED, ALLOWED), Use.TDM: (TERMS, None), Use.SEARCH: (None, ALLOWED),
    }  # fmt: skip
    assert dict(sheet.words) == {Use.TRAIN: ALLOWED, Use.SEARCH: ALLOWED}
    assert (len(rows), sum(row.withdrawn_at is not None for row in rows)) == (4, 1)


def test_of_a_use_that_is_not_named_all_stays(database: Database) -> None:
    with database.transaction() as session:
        owner, thing = owned(session)
        sheets.say(session, owner, thing, {Use.TRAIN: RESERVED}, at=AT)
        sheets.say(session, owner, thing, {Use.TDM: RESERVED}, at=AT)
        sheet = sheets.read(session, owner, thing, at=AT)
    assert set(sheet.words) == {Use.TRAIN, Use.TDM}


def test_words_for_a_time_and_for_later_stand_beside_the_sheet(database: Database) -> None:
    with database.transaction() as session:
        owner, thing = owned(session)
        sheets.say(session, owner, thing, {Use.TRAIN: RESERVED}, at=AT)
        sheets.say(session, owner, thing, {Use.TRAIN: ALLOWED}, valid_until=AT + 9 * DAY, at=AT + HOUR)
        sheets.say(session, owner, thing, {Use.TDM: RESERVED}, valid_from=AT + DAY, at=AT + 2 * HOUR)
        today, later = (sheets.read(session, owner, thing, at=at) for at in (AT + 3 * HOUR, AT + 2 * DAY))
        answers = [sheets.answers(session, owner, thing, at=at)[Use.TRAIN] for at in (AT + DAY, AT + 9 * DAY)]
    assert (set(today.words), [row.use for row in today.beside]) == ({Use.TRAIN}, ["tdm", "train"])
    assert (set(later.words), [row.use for row in later.beside]) == ({Use.TRAIN, Use.TDM}, ["train"])
    assert answers == [Answer.ALLOWED, Answer.RESERVED]


def test_a_word_on_one_file_stands_beside_the_sheet_of_its_work(database: Database) -> None:
    with database.transaction() as session:
        owner, thing = owned(session)
        file = works.add_fingerprint(session, owner, thing.work_id or "", factories.fingerprint(1), at=AT)
        said = NewReservation(use=Use.TRAIN, value=Value.RESERVED, scope=Reach.ASSET, asset_id=file.id)
        reservations.declare(session, owner, said, at=AT)
        sheet = sheets.read(session, owner, thing, at=AT)
    assert (dict(sheet.words), [row.asset_id for row in sheet.beside]) == ({}, [file.id])


def test_territories_have_sheets_of_their_own(database: Database) -> None:
    with database.transaction() as session:
        owner, thing = owned(session)
        abroad = Thing(work_id=thing.work_id, territory="JP")
        sheets.say(session, owner, abroad, {Use.TRAIN: RESERVED}, at=AT)
        everywhere = sheets.read(session, owner, thing, at=AT)
        assert (dict(everywhere.words), everywhere.beside, everywhere.elsewhere) == ({}, [], ["JP"])
        assert dict(sheets.read(session, owner, abroad, at=AT).words) == {Use.TRAIN: RESERVED}
        assert sheets.answers(session, owner, abroad, at=AT)[Use.TRAIN] is Answer.RESERVED
        with pytest.raises(Invalid, match="ISO 3166"):
            sheets.read(session, owner, Thing(territory="Japan"), at=AT)


def test_a_rehearsal_tells_what_would_come_and_leaves_nothing(database: Database) -> None:
    with database.transaction() as session:
        owner, thing = owned(session)
        sheets.say(session, owner, thing, {Use.TRAIN: RESERVED}, at=AT)
        entries = session.scalar(sa.select(sa.func.count()).select_from(LedgerEntry))
        told = rehearse(session, owner, thing, {**NOTHING, Use.TDM: RESERVED})
    with database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(LedgerEntry)) == entries
        assert dict(sheets.read(session, owner, thing, at=AT).words) == {Use.TRAIN: RESERVED}
    assert [(one.use, one.after) for one in told.changes] == [(Use.TRAIN, None), (Use.TDM, RESERVED)]
    assert (told.before[Use.TDM], told.before[Use.TRAIN]) == (Answer.UNSET, Answer.RESERVED)
    assert (told.effect.answers[Use.TDM], told.effect.answers[Use.TRAIN]) == (Answer.RESERVED, Answer.UNSET)
    assert "tdm-reservation: 1" in text(told.effect.exports[ExportFormat.HEADERS])
    assert told.starts == AT


def test_a_rehearsal_for_later_tells_what_holds_then(database: Database) -> None:
    with database.transaction() as session:
        owner, thing = owned(session)
        told = rehearse(session, owner, thing, {Use.TRAIN: RESERVED}, valid_from=AT + DAY)
        ended = rehearse(session, owner, thing, NOTHING, valid_from=AT + DAY)
    assert (told.starts, told.effect.answers[Use.TRAIN]) == (AT + DAY, Answer.RESERVED)
    assert ended.starts == AT


def test_what_is_stricter_elsewhere_is_told(database: Database) -> None:
    with database.transaction() as session:
        owner, thing = owned(session)
        sheets.say(session, owner, Thing(), {Use.TRAIN: RESERVED}, at=AT)
        told = rehearse(session, owner, thing, {Use.TRAIN: ALLOWED})
        without_terms = rehearse(session, owner, thing, {Use.TDM: Word(value=Value.CONSTRAINED)})
    assert told.effect.answers[Use.TRAIN] is Answer.RESERVED
    assert without_terms.effect.answers[Use.TDM] is Answer.RESERVED


def test_what_is_refused_leaves_all_as_it_was(database: Database) -> None:
    with database.transaction() as session:
        owner, thing = owned(session)
        sheets.say(session, owner, thing, {Use.TRAIN: RESERVED}, at=AT)
    wanted = {**NOTHING, Use.TDM: Word(value=Value.CONSTRAINED, terms_url="javascript:alert(1)")}
    with pytest.raises(Invalid) as refused, database.transaction() as session:
        sheets.say(session, owner, thing, wanted, at=AT)
    assert refused.value.field == "terms_url"
    with database.reading() as session:
        assert dict(sheets.read(session, owner, thing, at=AT).words) == {Use.TRAIN: RESERVED}


def test_the_catalogue_and_places_have_sheets_too(database: Database) -> None:
    with database.transaction() as session:
        owner, thing = owned(session)
        place = Thing(location="HTTPS://Studio.example/films/*")
        sheets.say(session, owner, place, {Use.TRAIN: RESERVED}, at=AT)
        sheets.say(session, owner, Thing(location="studio.example", territory="EU"), {Use.TDM: TERMS}, at=AT)
        sheets.say(session, owner, Thing(), {Use.TDM: RESERVED}, at=AT)
        found = sheets.places(session, owner, at=AT)
        there = sheets.answers(session, owner, place, at=AT)
        of_all = sheets.effect(session, owner, Thing(), url="", at=AT)
        of_work = sheets.answers(session, owner, thing, at=AT)
        with pytest.raises(Invalid):
            sheets.read(session, owner, Thing(location=""), at=AT)
    assert [(one.location, one.territories, one.is_shown) for one in found] == [
        ("studio.example/", ["EU"], False), ("studio.example/films/*", ["worldwide"], False),
    ]  # fmt: skip
    assert (there[Use.TRAIN], of_work[Use.TDM], of_work[Use.TRAIN]) == (Answer.RESERVED, Answer.RESERVED, Answer.UNSET)
    assert (of_all.answers[Use.TDM], of_all.answers[Use.TRAIN]) == (Answer.RESERVED, Answer.UNSET)
    assert "films" in text(of_all.exports[ExportFormat.RSL])


def test_a_sheet_is_its_holders_alone(database: Database) -> None:
    with database.transaction() as session:
        owner, thing = owned(session)
        other = factories.actor(session)
        with pytest.raises(NotFound):
            sheets.read(session, other, thing, at=AT)
        with pytest.raises(Forbidden):
            sheets.read(session, factories.actor(session, Scope.CHECKS_WRITE), Thing(), at=AT)
        assert sheets.places(session, owner, at=AT) == []


def test_of_what_is_no_place_a_page_keeps_what_was_typed(service: Service) -> None:
    with service.database.transaction() as session:
        browser = Browser(service, factories.key(session, factories.holder(session)).key)
    refused = browser.send("/reservations/place", {"location": "ftp://studio.example"})
    assert refused.status_code == 422
    assert 'value="ftp://studio.example"' in refused.text
    assert "A web location begins with https://" in refused.text
    said = {"location": "https://studio.example/", "uses.train.value": "reserved"}
    assert (
        browser.send("/reservations/place", said).headers["Location"]
        == "/reservations/place?location=studio.example%2F"
    )
