"""Reservations in other formats: what is written means what the record says; what is read goes on record or is told."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from rdflib import Graph
from sqlalchemy.orm import Session

from api.app import create_app
from api.service import Service
from registry import domains, exchange, hosting, reservations
from registry.access import Actor, Scope
from registry.database import Database
from registry.domain.identifiers import Prefix, new_id
from registry.domain.preferences import Scope as Reach
from registry.domain.preferences import Use, Value
from registry.errors import Invalid, NotFound
from registry.exchange import ExportFormat, Target
from registry.formats import cawg, content_usage, rsl, tdmai, tdmrep
from registry.formats.reading import SourceKind, read
from registry.formats.statements import FormatError, Reading, Statement, Written
from registry.hosting import HostedFile
from registry.models import Asset, Domain, Reservation, Work
from registry.preferences import Asked, query
from registry.reservations import NewReservation
from tests import factories
from tests.factories import AT
from tests.integration.inside import Inside

HOST = "studio.example"
ISCC = "ISCC:KACYPXW445FTYNJ3CYSXHAFJMA2HUWULUNRFE3BLHRSCXYH2M5AEGQY"


def _say(session: Session, who: Actor, use: Use, value: Value, **said: object) -> None:
    reservations.declare(session, who, NewReservation(use=use, value=value, **said), at=AT)  # type: ignore[arg-type]


def _site(session: Session, who: Actor, use: Use, value: Value, path: str, **said: object) -> None:
    _say(session, who, use, value, scope=Reach.LOCATION, location=f"https://{HOST}{path}", **said)


def _written(
    session: Session, who: Actor, format: ExportFormat, *, work: Work | None = None, host: str | None = None
) -> Written:
    subject = exchange.about(session, who, work_id=work.id if work else None, host=host)
    return exchange.write(session, subject, format, url="https://clearmark.example/x", at=AT + timedelta(days=1))


def _words(reading: Reading) -> dict[tuple[str, str | None], str]:
    return {(said.use.value, said.location): said.value.value for said in reading.statements}


# -- out -----------------------------------------------------------------------------------------


def test_a_site_is_written_as_the_record_answers_it(database: Database) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        _site(session, studio, Use.TDM, Value.RESERVED, "/films/")
        _site(session, studio, Use.TDM, Value.ALLOWED, "/")
        _site(session, studio, Use.TDM, Value.ALLOWED, "/films/press/")
        written = _written(session, studio, ExportFormat.TDMREP, host=HOST)
        reading = tdmrep.read_file(written.text.encode())
        for path in ("/", "/about", "/films/1", "/films/press/kit"):
            [found] = query(session, [Asked(url=f"https://{HOST}{path}")], [Use.TDM], at=AT + timedelta(days=1))
            said = tdmrep.decide(reading, path)
            assert said is not None
            assert said.value.value == found.holding[Use.TDM].answer.value, path
        assert any("stricter" in remark.problem for remark in written.left_out)


def test_each_format_says_of_a_work_what_it_has_words_for_and_tells_the_rest(database: Database) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        work = factories.work(
            session, studio, identifiers={"iscc": "ISCC:KACYPXW445FTYNJ3CYSXHAFJMA2HUWULUNRFE3BLHRSCXYH2M5AEGQY"}
        )
        for use in Use:
            _say(session, studio, use, Value.RESERVED, work_id=work.id)
        texts = {each: _written(session, studio, each, work=work).text for each in ExportFormat}
        read_back = {
            ExportFormat.CAWG: _words(cawg.read(json.loads(texts[ExportFormat.CAWG]))),
            ExportFormat.TDMAI: _words(tdmai.read(texts[ExportFormat.TDMAI].encode())),
            ExportFormat.CONTENT_USAGE: _words(content_usage.read_header(texts[ExportFormat.CONTENT_USAGE])),
        }
        uses = {each: {use for use, _ in words} for each, words in read_back.items()}
        assert uses == {
            ExportFormat.CAWG: {"train", "train_generative", "input", "tdm"},
            ExportFormat.TDMAI: {"train", "train_generative", "input", "search"},
            ExportFormat.CONTENT_USAGE: {"train_generative", "input", "search"},
        }
        assert {value for words in read_back.values() for value in words.values()} == {"reserved"}
        for each in ExportFormat:
            left_out = _written(session, studio, each, work=work).left_out
            assert "depict_in_output" in {remark.where.partition(":")[0] for remark in left_out}, each


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")  # rdflib's own JSON-LD parser uses it
def test_a_policy_can_be_read_by_anybody_who_reads_json_ld(database: Database) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        _say(
            session, studio, Use.TDM, Value.CONSTRAINED, scope=Reach.CATALOGUE, terms_url="https://studio.example/terms"
        )
        written = _written(session, studio, ExportFormat.ODRL)
        graph = Graph().parse(data=written.text, format="json-ld")
        assert len(graph) > 5
        assert any("odrl" in str(predicate) for _, predicate, _ in graph)


def test_of_several_words_on_one_thing_the_newest_is_written(database: Database) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        _site(session, studio, Use.TRAIN, Value.ALLOWED, "/")
        reservations.declare(
            session, studio,
            NewReservation(use=Use.TRAIN, value=Value.RESERVED, scope=Reach.LOCATION, location=f"https://{HOST}/"),
            at=AT + timedelta(hours=1),
        )  # fmt: skip
        [said] = rsl.read(_written(session, studio, ExportFormat.RSL, host=HOST).text.encode()).statements
        assert said.value is Value.RESERVED


def test_the_headers_of_a_site_are_of_all_formats_at_once(database: Database) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        for use in (Use.TDM, Use.TRAIN_GENERATIVE, Use.TRAIN):
            _site(session, studio, use, Value.RESERVED, "/")
        _site(session, studio, Use.SEARCH, Value.RESERVED, "/private/")
        written = _written(session, studio, ExportFormat.HEADERS, host=HOST)
        assert written.text.splitlines() == [
            "tdm-reservation: 1",
            "Content-Usage: train-ai=n",
            "Content-Signal: ai-train=no",
        ]
        assert [remark.where.partition(":")[0] for remark in written.left_out] == ["search"]
        assert _words(read(SourceKind.HEADERS, written.text.encode())).keys() == {
            ("tdm", None), ("train_generative", None), ("train", None),
        }  # fmt: skip


def test_a_work_of_another_is_not_written(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
        with pytest.raises(NotFound):
            _written(session, factories.actor(session), ExportFormat.CAWG, work=work)
        with pytest.raises(Invalid, match="not both"):
            exchange.about(session, owner, work_id=work.id, host=HOST)


LATER = AT + timedelta(days=6)


def _left_out(written: Written) -> dict[str, str]:
    return {remark.where: remark.problem for remark in written.left_out}


@pytest.mark.parametrize("place", [{}, {"territory": "DE"}])
def test_a_permission_that_something_stricter_will_reach_is_not_written(
    database: Database, place: dict[str, str]
) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        work = factories.work(session, studio)
        for about in ({"work_id": work.id}, {"scope": Reach.LOCATION, "location": HOST}, {"scope": Reach.CATALOGUE}):
            _say(session, studio, Use.TDM, Value.ALLOWED, **about)
            _say(session, studio, Use.TDM, Value.RESERVED, **about, **place, valid_from=LATER)
        for subject in ({"work": work}, {"host": HOST}, {}):
            for each in ExportFormat:
                written = _written(session, studio, each, **subject)
                said = written.text.replace(" ", "")
                for permits in ('tdm-reservation":0', "tdm-reservation:0", 'content="0"', '"use":"allowed"'):
                    assert permits not in said, (each, subject)
                if each is ExportFormat.ODRL:
                    assert LATER.isoformat() in written.text, "a policy can say when it begins"
                elif each is not ExportFormat.RSL:
                    assert any("from 2026-03-08" in f"{where} {why}" for where, why in _left_out(written).items()), each


def test_a_permission_that_ends_is_not_written_as_one_for_ever(database: Database) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        work = factories.work(session, studio)
        _say(session, studio, Use.TRAIN, Value.ALLOWED, work_id=work.id, valid_until=LATER)
        written = _written(session, studio, ExportFormat.CAWG, work=work)
        assert json.loads(written.text) == {"entries": {}}
        assert list(_left_out(written)) == ["train: allowed until 2026-03-08T17:00:00Z"]


def test_a_reservation_for_a_time_makes_no_permission_beside_it(database: Database) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        _site(session, studio, Use.TDM, Value.ALLOWED, "/press/")
        _site(session, studio, Use.TDM, Value.RESERVED, "/", valid_until=LATER)
        written = _written(session, studio, ExportFormat.TDMREP, host=HOST)
        assert [said.value for said in tdmrep.read_file(written.text.encode()).statements] == [Value.RESERVED]


def test_what_is_said_of_one_file_is_told_and_no_permission_of_its_work_is_written(database: Database) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        work = factories.work(session, studio)
        asset = Asset(id=new_id(Prefix.ASSET, at=AT), work_id=work.id, status="indexed", created_at=AT)
        session.add(asset)
        session.flush()
        _say(session, studio, Use.INPUT, Value.ALLOWED, work_id=work.id)
        _say(session, studio, Use.INPUT, Value.RESERVED, scope=Reach.ASSET, asset_id=asset.id)
        written = _written(session, studio, ExportFormat.CAWG, work=work)
        assert json.loads(written.text) == {"entries": {}}
        assert list(_left_out(written)) == [f"input: reserved, of {asset.id}", "input: allowed"]


def test_what_holds_for_a_place_takes_permissions_from_headers_of_every_answer(database: Database) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        _site(session, studio, Use.TDM, Value.ALLOWED, "/")
        _site(session, studio, Use.TDM, Value.RESERVED, "/films/")
        written = _written(session, studio, ExportFormat.HEADERS, host=HOST)
        assert written.text == ""
        assert len(written.left_out) == 2


def test_what_is_permitted_of_a_catalogue_but_not_of_all_works_is_not_written(database: Database) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        work = factories.work(session, studio)
        for use in (Use.TDM, Use.TRAIN):
            _say(session, studio, use, Value.ALLOWED, scope=Reach.CATALOGUE)
        _say(session, studio, Use.TDM, Value.CONSTRAINED, work_id=work.id)
        written = _written(session, studio, ExportFormat.CAWG)
        assert list(cawg.read(json.loads(written.text)).statements) == [Statement(use=Use.TRAIN, value=Value.ALLOWED)]
        assert [one.problem for one in written.left_out] == ["A stricter word holds there: tdm: constrained."]


def test_what_is_permitted_of_works_permits_nothing_of_a_site(database: Database) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        for value, use in ((Value.ALLOWED, Use.TDM), (Value.RESERVED, Use.TRAIN)):
            _say(session, studio, use, value, scope=Reach.CATALOGUE)
        asked = [Asked(url=f"https://{HOST}/x")]
        [held] = query(session, asked, [Use.TDM], at=AT + timedelta(days=1))
        assert held.holding[Use.TDM].answer == "unset"
        written = _written(session, studio, ExportFormat.TDMREP, host=HOST)
        assert tdmrep.read_file(written.text.encode()).statements == ()
        assert "tdm: allowed" in {one.where for one in written.left_out}
        assert "train-ai" not in _written(session, studio, ExportFormat.CONTENT_USAGE, host=HOST).text
        assert "ai-train=no" in _written(session, studio, ExportFormat.CONTENT_SIGNAL, host=HOST).text


@pytest.mark.parametrize("format", [ExportFormat.TDMREP, ExportFormat.ODRL, ExportFormat.RSL])
def test_a_place_with_a_link_in_it_is_written_as_any_other(database: Database, format: ExportFormat) -> None:
    use = Use.TRAIN if format is ExportFormat.RSL else Use.TDM
    with database.transaction() as session:
        studio = factories.actor(session)
        _site(session, studio, use, Value.RESERVED, "/go?to=ftp://x")
        written = _written(session, studio, format, host=HOST)
    assert "/go?to=ftp:" in written.text
    assert written.left_out == ()


def test_what_is_left_out_is_named_with_its_territory_and_times(database: Database) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        work = factories.work(session, studio)
        for how in ({}, {"territory": "DE"}, {"territory": "FR", "valid_from": LATER}):
            _say(session, studio, Use.DEPICT_IN_OUTPUT, Value.RESERVED, work_id=work.id, **how)
        assert set(_left_out(_written(session, studio, ExportFormat.TDMAI, work=work))) - {"iscc"} == {
            "depict_in_output: reserved", "depict_in_output: reserved in DE",
            "depict_in_output: reserved in FR from 2026-03-08T17:00:00Z",
        }  # fmt: skip


@pytest.mark.parametrize("format", ExportFormat)
@pytest.mark.parametrize("of_a_work", [True, False])
def test_what_is_written_ends_with_a_line(database: Database, format: ExportFormat, of_a_work: bool) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        work = factories.work(session, studio)
        for use in Use:
            _say(session, studio, use, Value.RESERVED, work_id=work.id)
            _site(session, studio, use, Value.RESERVED, "/")
        subject = {"work": work} if of_a_work else {"host": HOST}
        text = _written(session, studio, format, **subject).text
        assert text.endswith("\n")
        assert not text.endswith("\n\n")


@pytest.mark.parametrize("format", ExportFormat)
def test_where_nothing_can_be_said_no_format_fails(database: Database, format: ExportFormat) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        work = factories.work(session, studio)
        _say(session, studio, Use.DEPICT_IN_OUTPUT, Value.RESERVED, work_id=work.id)
        assert "depict_in_output: reserved" in _left_out(_written(session, studio, format, work=work))


# -- in ------------------------------------------------------------------------------------------


def test_what_holds_one_after_the_other_goes_on_record_as_it_was_said(database: Database) -> None:
    said = [
        Statement(use=Use.TDM, value=Value.RESERVED, valid_from=LATER),
        Statement(use=Use.TDM, value=Value.ALLOWED, valid_until=LATER),
        Statement(use=Use.TRAIN, value=Value.CONSTRAINED, terms_url="https://studio.example/terms"),
        Statement(use=Use.TRAIN, value=Value.RESERVED, valid_from=LATER),
    ]
    with database.transaction() as session:
        studio = factories.actor(session)
        taken = _taken(session, studio, Reading(statements=tuple(said)), location=HOST)
        exchange.declare(session, studio, taken, at=AT)
        asked = [Asked(url=f"https://{HOST}/x")]
        answers = [
            [found.holding[use].answer.value for use in (Use.TDM, Use.TRAIN)]
            for at in (AT, LATER)
            for found in query(session, asked, list(Use), at=at)
        ]
        assert answers == [["allowed", "constrained"], ["reserved", "reserved"]]


def test_of_two_words_as_strict_the_first_of_a_source_is_taken(database: Database) -> None:
    terms = [f"https://studio.example/{name}" for name in "ab"]
    said = [Statement(use=Use.TDM, value=Value.CONSTRAINED, terms_url=url) for url in terms]
    with database.transaction() as session:
        taken = _taken(session, factories.actor(session), Reading(statements=tuple(said)), location=HOST)
    assert [one.terms_url for one in taken.declarations] == terms[:1]


def test_a_source_that_says_nothing_is_told_to(database: Database) -> None:
    with database.transaction() as session:
        wrong = read(SourceKind.ROBOTS, b'[{"location": "/", "tdm-reservation": 1}]')
        taken = _taken(session, factories.actor(session), wrong, location=HOST)
    assert taken.declarations == ()
    assert [remark.where for remark in taken.remarks] == ["the file"]


def _taken(session: Session, who: Actor, reading: Reading, **target: str) -> exchange.Taken:
    return exchange.take(session, who, reading, Target(**target), at=AT)


def test_what_a_site_says_holds_for_its_places(database: Database) -> None:
    rules = [
        {"location": "/films/*", "tdm-reservation": 1, "tdm-policy": "https://studio.example/terms"},
        {"location": "/", "tdm-reservation": 0},
    ]
    with database.transaction() as session:
        studio = factories.actor(session)
        taken = _taken(session, studio, tdmrep.read_file(json.dumps(rules).encode()), location=f"https://{HOST}")
        exchange.declare(session, studio, taken, at=AT)
        asked = [Asked(url=f"https://{HOST}{path}") for path in ("/films/1", "/about")]
        films, rest = query(session, asked, [Use.TDM], at=AT)
        assert (films.holding[Use.TDM].answer, rest.holding[Use.TDM].answer) == ("constrained", "allowed")


def test_a_permission_that_the_record_would_not_hear_is_told_and_not_stored(database: Database) -> None:
    rules = [{"location": "/press/", "tdm-reservation": 0}, {"location": "/", "tdm-reservation": 1}]
    with database.transaction() as session:
        studio = factories.actor(session)
        taken = _taken(session, studio, tdmrep.read_file(json.dumps(rules).encode()), location=HOST)
        assert [said.location for said in taken.declarations] == [f"{HOST}/"]
        assert ["stricter" in remark.problem for remark in taken.remarks] == [True]


def test_what_cannot_be_put_on_record_is_told_before_any_of_it_is(database: Database) -> None:
    never = Statement(use=Use.TRAIN, value=Value.RESERVED, valid_from=LATER, valid_until=LATER - timedelta(hours=1))
    said = Statement(use=Use.TDM, value=Value.RESERVED)
    with database.transaction() as session:
        studio, other = factories.actor(session), factories.actor(session)
        taken = _taken(session, studio, Reading(statements=(never, said)), location=HOST)
        assert [one.use for one in taken.declarations] == [Use.TDM]
        assert [remark.problem for remark in taken.remarks] == ["It ends before it begins."]
        with pytest.raises(Invalid):
            _taken(session, studio, Reading(statements=(said,)), asset_id="ast_nope")
        work = factories.work(session, other)
        with pytest.raises(NotFound):
            _taken(session, studio, Reading(statements=(said,)), work_id=work.id)


def test_what_is_about_another_site_or_a_place_of_a_file_is_told(database: Database) -> None:
    elsewhere = Statement(use=Use.TRAIN, value=Value.RESERVED, location="https://other.example/")
    everywhere = Statement(use=Use.TRAIN, value=Value.RESERVED)
    reading = Reading(statements=(elsewhere, everywhere))
    with database.transaction() as session:
        studio = factories.actor(session)
        on_site = _taken(session, studio, reading, location=HOST)
        assert [said.location for said in on_site.declarations] == [f"{HOST}/"]
        work = factories.work(session, studio)
        on_work = _taken(session, studio, reading, work_id=work.id)
        assert [said.work_id for said in on_work.declarations] == [work.id]
        assert len(on_site.remarks) == len(on_work.remarks) == 1


def test_the_end_of_a_path_is_taken_for_a_reservation_alone(database: Database) -> None:
    said = [
        Statement(use=use, value=value, location="/a$")
        for use, value in ((Use.TRAIN, Value.RESERVED), (Use.SEARCH, Value.ALLOWED))
    ]
    with database.transaction() as session:
        taken = _taken(session, factories.actor(session), Reading(statements=tuple(said)), location=HOST)
    assert [(one.use, one.location) for one in taken.declarations] == [(Use.TRAIN, f"{HOST}/a")]
    assert len(taken.remarks) == 1


def test_what_has_ended_is_told_and_not_stored(database: Database) -> None:
    over = Statement(use=Use.TRAIN, value=Value.RESERVED, valid_until=AT)
    with database.transaction() as session:
        taken = _taken(session, factories.actor(session), Reading(statements=(over,)), location=HOST)
    assert taken.declarations == ()
    assert [remark.problem for remark in taken.remarks] == ["It has ended."]


def test_a_source_is_about_one_thing_of_ones_own(database: Database) -> None:
    with database.transaction() as session:
        studio, other = factories.actor(session), factories.actor(session)
        work = factories.work(session, other)
        reading = Reading(statements=(Statement(use=Use.TRAIN, value=Value.RESERVED),))
        with pytest.raises(NotFound):
            _taken(session, studio, reading, work_id=work.id)
        for target in ({}, {"work_id": work.id, "location": HOST}):
            with pytest.raises(Invalid, match="what it is about"):
                _taken(session, studio, reading, **target)
        places = [f"/{number}" for number in range(exchange.MOST_STATEMENTS + 1)]
        many = Reading(statements=tuple(Statement(use=Use.TRAIN, value=Value.RESERVED, location=p) for p in places))
        with pytest.raises(Invalid, match="parts of it"):
            _taken(session, studio, many, location=HOST)


# -- for a site ----------------------------------------------------------------------------------


def _shown(session: Session, who: Actor, name: str) -> Domain:
    domain = domains.claim(session, Actor(holder_id=who.holder_id, scopes=frozenset({Scope.HOLDER_WRITE})), name, at=AT)
    domains.saw(session, domain, domains.Look(method=domains.Method.DNS, problem=None), at=AT)
    return domain


def test_a_site_is_served_for_whoever_showed_that_it_is_theirs(database: Database) -> None:
    with database.transaction() as session:
        studio, squatter = factories.actor(session), factories.actor(session)
        _site(session, squatter, Use.TDM, Value.ALLOWED, "/")
        _site(session, studio, Use.TDM, Value.RESERVED, "/")

        def hosted(host: str) -> Written | None:
            site = hosting.site(session, host, at=AT)
            return site.file(HostedFile.TDMREP) if site else None

        assert hosted(HOST) is None
        domain = _shown(session, studio, HOST)
        written = hosted(HOST)
        assert written is not None
        assert [said.value for said in tdmrep.read_file(written.text.encode()).statements] == [Value.RESERVED]
        assert hosted(f"www.{HOST}") is not None
        for other in ("example", "other.example", f"not{HOST}", ""):
            assert hosted(other) is None, other
        domain.lapsed_at = AT
        session.flush()
        assert hosted(HOST) is None


def test_of_two_proofs_the_nearer_one_is_served(database: Database) -> None:
    with database.transaction() as session:
        studio, fan = factories.actor(session), factories.actor(session)
        _shown(session, studio, HOST)
        fans = _shown(session, fan, f"fans.{HOST}")
        fans.method = domains.Method.FILE.value
        session.flush()
        speakers = {HOST: studio, f"www.{HOST}": studio, f"fans.{HOST}": fan, f"a.fans.{HOST}": studio}
        for host, speaker in speakers.items():
            assert [one.id for one in hosting.speakers_of(session, host, at=AT)] == [speaker.holder_id], host


@pytest.mark.parametrize("file", [HostedFile.TDMREP, HostedFile.ROBOTS])
def test_more_than_a_file_holds_is_told_to_who_asks_for_it(
    database: Database, monkeypatch: pytest.MonkeyPatch, file: HostedFile
) -> None:
    monkeypatch.setattr("registry.formats.tdmrep.MAX_RULES", 2)
    monkeypatch.setattr("registry.formats.signals.MAX_PATHS", 2)
    with database.transaction() as session:
        studio = factories.actor(session)
        _shown(session, studio, HOST)
        for number in range(3):
            for use in (Use.TDM, Use.TRAIN_GENERATIVE):
                _site(session, studio, use, Value.RESERVED, f"/{number}")
        site = hosting.site(session, HOST, at=AT)
        assert site is not None
        with pytest.raises(Invalid) as refused:
            site.file(file)
    assert refused.value.field == "file"


def test_nothing_points_to_a_license_that_is_not_there(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        _shown(session, studio, HOST)
        site = hosting.site(session, HOST, at=AT)
        assert site is not None
        assert [site.file(file).text for file in (HostedFile.ROBOTS, HostedFile.HEADERS)] == ["", ""]
        _site(session, studio, Use.TRAIN, Value.RESERVED, "/")
        site = hosting.site(session, HOST, at=AT)
        assert site is not None
        assert rsl.license_urls(robots_txt=site.file(HostedFile.ROBOTS).text.encode()).urls == (
            f"https://{HOST}/license.xml",
        )

        def full(*_: object) -> None:
            raise FormatError(problem="It is full.")

        monkeypatch.setattr("registry.formats.rsl.write", full)
        site = hosting.site(session, HOST, at=AT)
        assert site is not None
        assert "License" not in site.file(HostedFile.ROBOTS).text
        assert "Link" not in site.file(HostedFile.HEADERS).text


def test_what_is_imported_is_compared_while_others_may_write_and_stored_in_portions(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service.database.transaction() as session:
        holder = factories.holder(session)
        key = factories.key(session, holder, Scope.WORKS_WRITE).key
    taken: list[bool] = []
    stored: list[int] = []
    take, declare = exchange.take, exchange.declare

    def taking(session: Session, *about: Any, **how: Any) -> exchange.Taken:
        taken.append(session.connection().get_execution_options().get("write", False))
        return take(session, *about, **how)

    def declaring(session: Session, actor: Actor, some: exchange.Taken, *, at: datetime) -> list[Reservation]:
        rows = declare(session, actor, some, at=at)
        stored.append(len(rows))
        return rows

    monkeypatch.setattr(exchange, "take", taking)
    monkeypatch.setattr(exchange, "declare", declaring)
    rules = json.dumps([{"location": f"/{number}", "tdm-reservation": 1} for number in range(250)]).encode()
    said = {"kind": "tdmrep.json", "location": f"https://{HOST}"}
    answer = Inside(create_app(service), key).post("/v1/reservations/import", files={"file": ("x", rules)}, data=said)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["reservations"]) == 250
    assert taken == [False], "nobody waited for that"
    assert stored == [100, 100, 50]


def test_more_than_a_stranger_may_say_of_a_host_is_not_stored_in_part(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reservations, "MOST_ON_ANOTHERS_HOST", 150)
    with service.database.transaction() as session:
        key = factories.key(session, factories.holder(session), Scope.WORKS_WRITE).key
    rules = json.dumps([{"location": f"/{number}", "tdm-reservation": 1} for number in range(200)]).encode()
    for dry_run in ("true", "false"):
        said = {"kind": "tdmrep.json", "location": f"https://{HOST}", "dry_run": dry_run}
        client = Inside(create_app(service), key)
        answer = client.post("/v1/reservations/import", files={"file": ("x", rules)}, data=said)
        assert (answer.status_code, answer.json()["field"]) == (422, "location")
    with service.database.reading() as session:
        assert session.scalars(sa.select(Reservation)).all() == []
