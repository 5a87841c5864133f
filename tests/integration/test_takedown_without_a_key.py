"""Notices of people without a key: an address is shown by a code, and a ticket opens the one notice."""

from dataclasses import replace
from datetime import timedelta

import pytest

from api.app import create_app, specification
from registry.errors import Invalid
from registry.models import Notice
from takedown import misuse
from tests.factories import AT, COMPLETE_NOTICE
from tests.integration.inside import Inside
from tests.integration.test_takedown_letters_sent import ADA, Desks, desks

__all__ = ["desks"]


def test_who_files_without_a_key_says_where_to_write(desks: Desks) -> None:
    with pytest.raises(Invalid):
        desks.anonymous(replace(COMPLETE_NOTICE, contact_email=None))
    notice_id = desks.anonymous()
    with desks.service.database.reading() as session:
        notice = session.get_one(Notice, notice_id)
    assert (notice.state, notice.holder_id, notice.tier) == ("submitted", None, misuse.Tier.ANONYMOUS)


@pytest.mark.parametrize("what", ["wrong", "late", "another's"])
def test_a_code_opens_one_notice_in_its_time(desks: Desks, what: str) -> None:
    notice_id, other = desks.anonymous(), desks.anonymous()
    code = {"wrong": "x" * 32, "late": desks.code(notice_id), "another's": desks.code(other)}[what]
    at = AT + timedelta(days=14) if what == "late" else AT
    with pytest.raises(Invalid), desks.service.database.transaction() as session:
        desks.desk.confirm_address(session, notice_id, code, at=at)
    with desks.service.database.transaction() as session:  # and that did no harm to any
        for one in (notice_id, other):
            opened, ticket = desks.desk.confirm_address(session, one, desks.code(one), at=at - timedelta(seconds=1))
            assert (opened.state, str(ticket)[:3]) == ("valid", "nt_")
    assert desks.written(notice_id) == [("confirm_address", ADA), ("notice_received", ADA)]


def test_a_code_opens_once(desks: Desks) -> None:
    notice_id = desks.anonymous()
    for raises in (False, True):
        with desks.service.database.transaction() as session:
            if raises:
                with pytest.raises(Invalid):
                    desks.desk.confirm_address(session, notice_id, desks.code(notice_id), at=AT)
            else:
                desks.desk.confirm_address(session, notice_id, desks.code(notice_id), at=AT)


@pytest.fixture
def ticket(desks: Desks) -> tuple[str, str]:
    """A notice that was filed without a key, and what opens it."""
    notice_id = desks.anonymous()
    with desks.service.database.transaction() as session:
        _, opened = desks.desk.confirm_address(session, notice_id, desks.code(notice_id), at=AT)
    return notice_id, str(opened)


def test_a_ticket_lets_the_claimant_see_and_answer_their_notice(desks: Desks, ticket: tuple[str, str]) -> None:
    notice_id, key = ticket
    client = Inside(create_app(desks.service), key)
    seen = client.get(f"/v1/notices/{notice_id}").json()
    assert (seen["content"]["contact_email"], seen["ticket"]) == (ADA, None)
    letters = client.get(f"/v1/notices/{notice_id}/letters").json()
    assert {one["name"] for one in letters} == {"confirm_address", "notice_received"}
    retracted = client.post(f"/v1/notices/{notice_id}/transitions", json={"event": "retract"})
    assert retracted.json()["state"] == "retracted"


def test_a_ticket_opens_nothing_else(desks: Desks, ticket: tuple[str, str]) -> None:
    """Whatever else is asked for with it is refused, empty, or what anybody is told."""
    notice_id, key = ticket
    other, app = desks.file(), create_app(desks.service)
    with_it, without = Inside(app, key), Inside(app)
    ids = _Filled(notice_id=other, release_id=desks.release.id, holder_id=desks.uploader.holder_id)
    paths = [
        path.format_map(ids)
        for path, methods in specification()["paths"].items()
        if "get" in methods and path not in _NOT_KEPT
    ]
    assert len(paths) > 50
    opened = []
    for path in paths:
        told = with_it.get(path)
        if told.status_code < 400 and without.get(path).status_code != 200:
            opened += [] if told.text in ("[]", '{"items":[],"next":null}') else [path]
        elif told.status_code >= 500:
            opened.append(path)
    assert opened == []
    for path in (f"/v1/notices/{other}/transitions", f"/v1/notices/{notice_id}/transitions"):
        assert with_it.post(path, json={"event": "disable", "reason": "x"}).status_code in (403, 404)
    assert with_it.post("/v1/works", json={"title": "A", "kind": "clip"}).status_code == 403
    assert with_it.post("/v1/keys", json={"scopes": ["works:write"]}).status_code in (403, 404, 405)


# What anybody is told, whatever they present: figures, and whether the service is ready, which here it is not.
_NOT_KEPT = frozenset({"/readyz", "/transparency", "/v1/public/transparency", "/v1/public/transparency.csv"})


class _Filled(dict[str, str]):
    """Ids that a path asks for; where the test has none, one that nothing has."""

    def __missing__(self, name: str) -> str:
        return "none_0"


def test_what_is_no_address_is_said_of_the_field_it_was_typed_into(desks: Desks) -> None:
    with pytest.raises(Invalid) as refused:
        desks.anonymous(replace(COMPLETE_NOTICE, contact_email="a@b"))
    assert refused.value.field == "contact_email"
