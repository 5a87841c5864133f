"""A person is given all that is held about them, and is erased; what must stay says so and why."""

import json
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry import audit, ledger, mail, works
from registry.admin_actions import Action, note
from registry.database import Database
from registry.models import Base, Letter, Notice
from registry.people_data import StillHeld, erase, export, find
from registry.personal_data import NOT_PERSONAL, PERSONAL, describe
from takedown import people
from takedown.domain.states import State
from takedown.policy import Policy
from takedown.service import Desk
from tests import factories
from tests.factories import AT, SHA256
from tests.people import ADA, ask, sign_up, signed_in


def test_every_column_is_said_to_be_personal_or_not() -> None:
    stored = {f"{table.name}.{column.name}" for table in Base.metadata.sorted_tables for column in table.columns}
    plain = {f"{table}.{column}" for table, columns in NOT_PERSONAL.items() for column in columns.split()}
    assert plain.isdisjoint(PERSONAL)
    assert sorted(stored - plain - PERSONAL.keys()) == []
    assert sorted((plain | PERSONAL.keys()) - stored) == []


def test_the_table_of_personal_data_is_in_the_documents() -> None:
    assert describe() in (Path(__file__).parents[2] / "docs" / "personal-data.md").read_text()


def test_a_person_is_given_what_is_held_about_them_and_no_secret(database: Database) -> None:
    with database.transaction() as session:
        account = sign_up(session, name="Ada Lovelace")
        me = signed_in(session, account)
        work = factories.work(session, me, title="My Diary", at=AT)
        works.add_upload(session, me, work.id, blob_key="asset_1", sha256=SHA256, at=AT)
        other = factories.work(session, factories.actor(session), title="Of another", at=AT)
        held = export(session, find(session, ADA))
        assert held == export(session, find(session, account.id))
    text = json.dumps(held)
    assert [row["name"] for row in held["records"]["accounts"]] == ["Ada Lovelace"]
    assert [row["title"] for row in held["records"]["works"]] == ["My Diary"]
    assert {"memberships", "holders", "assets", "mails", "assurance_changes"} <= held["records"].keys()
    assert other.id not in text
    assert "password_hash" not in text
    assert "secret" not in json.dumps(held["records"])
    opened = {entry["subject"]: entry for entry in held["ledger"]}
    assert opened[work.id]["salt"]


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_person_of_whom_more_is_held_than_a_query_has_parameters_is_given_all_of_it(database: Database) -> None:
    with database.transaction() as session:
        me = signed_in(session, sign_up(session))
        mine = {factories.work(session, me, at=AT).id for _ in range(60)}
        session.flush()
        connection = session.connection().connection.driver_connection
        assert isinstance(connection, sqlite3.Connection)
        before = connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 50)
        try:
            held = export(session, find(session, ADA))
        finally:
            connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, before)
    assert {row["id"] for row in held["records"]["works"]} == mine
    assert mine <= {entry["subject"] for entry in held["ledger"]}


def test_somebody_without_an_account_is_found_by_the_claim_that_names_them(database: Database, desk: Desk) -> None:
    with database.transaction() as session:
        notice = factories.notice(session, desk, factories.actor(session), None)
        address = notice.content["contact_email"]
        held = export(session, find(session, address.upper()))
        assert [row["id"] for row in held["records"]["notices"]] == [notice.id]
        assert export(session, find(session, "nobody@example.org"))["records"] == {}


def test_who_alone_looks_after_works_is_not_erased_before_those_are_withdrawn(database: Database) -> None:
    with database.transaction() as session:
        account = sign_up(session, name="Ada Lovelace")
        me = signed_in(session, account)
        work = factories.work(session, me, title="My Diary", at=AT)
    with pytest.raises(StillHeld, match="withdraw its works"), database.transaction() as session:
        erase(session, find(session, ADA), at=AT)
    with database.transaction() as session:
        assert find(session, ADA).account is not None
        works.withdraw(session, me, work.id, at=AT)
        done = erase(session, find(session, account.id), at=AT)
        assert done.records[work.id] > 0
        assert done.mail_ids
        again = erase(session, find(session, account.id), at=AT)
        assert (again.records, again.mail_ids) == ({}, [])
    with database.reading() as session:
        left = json.dumps(
            [dict(row._mapping) for table in Base.metadata.sorted_tables for row in session.execute(sa.select(table))],
            default=str,
        )
        assert ADA not in left
        assert "Ada Lovelace" not in left
        assert "My Diary" not in left
        assert export(session, find(session, ADA))["records"] == {}


def test_a_claim_holds_who_made_it_until_it_is_over_and_for_as_long_as_claims_are_kept(
    database: Database, desk: Desk
) -> None:
    policy = Policy()
    with database.transaction() as session:
        notice = factories.notice(session, desk, factories.actor(session), None)
        who = find(session, notice.content["contact_email"])
        assert people.reasons_to_keep(session, who.notice_ids)[0].startswith(notice.id)
        notice.state = State.RETRACTED.value
        assert people.reasons_to_keep(session, who.notice_ids) == []
        soon = people.forget_claims(session, who.notice_ids, policy, at=AT + timedelta(days=1))
        assert (soon.forgotten, len(soon.stays)) == ({}, 1)
        later = people.forget_claims(session, who.notice_ids, policy, at=AT + policy.retention + timedelta(days=9))
        assert later.forgotten.keys() == {notice.id}
        assert session.get_one(Notice, notice.id).content["contact_email"] is None


def test_an_address_without_an_account_is_erased_from_letters_and_codes(database: Database) -> None:
    with database.transaction() as session:
        ask(session)
        assert erase(session, find(session, ADA), at=AT).mail_ids
        assert session.scalars(sa.select(Letter)).all() == []
        assert mail.forget(session, ADA, at=AT) == []


def test_an_act_of_an_operator_is_held_by_the_ledger_and_listed_with_the_decisions(database: Database) -> None:
    with database.transaction() as session:
        row = note(session, Action.KEY_MADE, "key_1", by="console:root", at=AT, reason=" for a test ")
        operator = factories.operator(session)
        [listed] = audit.decisions(session, operator, kind=audit.Kind.OPERATOR)
        assert (listed.decision, listed.about, listed.by, listed.reason) == (
            "key_made", "key_1", "console:root", "for a test",
        )  # fmt: skip
        assert listed.entry == ledger.last_entry_of(session, row.id)
        row.by = "console:nobody"
        session.flush()
        assert any(f"{row.id} was changed" in said for said in ledger.verify(session, verifier_key="log+1+x"))
