"""Holders: who belongs to them, under which names, who acts for them, with which keys, and how well they are known."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import access, accounts, agencies, assurance, endpoints, ledger, mail, reservations
from registry.access import USE_SCOPES, HolderKind, Role, Scope
from registry.database import Database
from registry.domain.policy import Assurance
from registry.domain.preferences import Use, Value
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.facts import facts_of
from registry.models import ApiKey, AssuranceChange, Holder, Mail
from registry.reservations import NewReservation
from tests import factories, people
from tests.factories import AT
from tests.people import PASSWORD

# -- members -------------------------------------------------------------------------------------


def test_an_invitation_is_for_the_address_that_it_went_to(database: Database) -> None:
    with database.transaction() as session:
        owner = people.sign_up(session)
        accounts.invite(session, people.signed_in(session, owner), "bob@studio.example", Role.CATALOGUE, at=AT)
        with pytest.raises(Forbidden, match="bob@"):
            accounts.join(session, owner, people.code_of(session, "bob@studio.example", subject="Join"), at=AT)


def test_who_is_invited_signs_up_into_that_holder_alone(database: Database) -> None:
    with database.transaction() as session:
        owner = people.sign_up(session)
        accounts.invite(session, people.signed_in(session, owner), "bob@studio.example", Role.CATALOGUE, at=AT)
        code = people.code_of(session, "bob@studio.example", subject="Join")
    password_hash = people.password_hash()
    with pytest.raises(Invalid, match="name"), database.transaction() as session:
        accounts.confirm(session, code, password_hash, at=AT)
    with database.transaction() as session:
        bob = accounts.confirm(session, code, password_hash, name="Bob Example", at=AT)
        member = people.signed_in(session, bob)  # of one holder: it is plain for which
        assert member.holder_id == people.holder_of(session, owner).id
        assert member.scopes == {Scope.WORKS_WRITE}
        assert accounts.account_with(session, "bob@studio.example", PASSWORD).id == bob.id


def test_an_invitation_makes_no_second_account(database: Database) -> None:
    with database.transaction() as session:
        owner, bob = people.sign_up(session), people.sign_up(session, "bob@studio.example", name="Bob Example")
        accounts.invite(session, people.signed_in(session, owner), bob.email, Role.CATALOGUE, at=AT)
        with pytest.raises(Conflict, match="has an account"):
            accounts.confirm(session, people.code_of(session, bob.email, subject="Join"), "x", name="Bob", at=AT)


def test_a_newer_invitation_ends_an_older_one_of_the_same_holder_alone(database: Database) -> None:
    with database.transaction() as session:
        bob = people.sign_up(session, "bob@studio.example", name="Bob Example")
        first, second = (factories.actor(session, Scope.HOLDER_WRITE) for _ in range(2))
        codes = {}
        for name, actor, role in (
            ("old", first, Role.OWNER),
            ("new", first, Role.PIPELINE),
            ("of", second, Role.LEGAL),
        ):
            before = set(people.codes_of(session, bob.email))
            accounts.invite(session, actor, bob.email, role, at=AT)
            [codes[name]] = set(people.codes_of(session, bob.email)) - before
        with pytest.raises(Invalid, match="code"):
            accounts.join(session, bob, codes["old"], at=AT)
        assert accounts.join(session, bob, codes["new"], at=AT).role == "pipeline"
        assert accounts.join(session, bob, codes["of"], at=AT).holder_id == second.holder_id


@pytest.mark.parametrize("role", [None, Role.CATALOGUE])
def test_who_was_let_go_or_lowered_comes_back_by_no_old_invitation(database: Database, role: Role | None) -> None:
    with database.transaction() as session:
        bob = people.sign_up(session, "bob@studio.example", name="Bob Example")
        actor = factories.actor(session, Scope.HOLDER_WRITE)
        people.invited(session, actor, bob, Role.EDITOR)
        before = set(people.codes_of(session, bob.email))
        accounts.invite(session, actor, bob.email, Role.OWNER, at=AT)
        [code] = set(people.codes_of(session, bob.email)) - before
        people.invited(session, actor, people.sign_up(session), Role.OWNER)
        accounts.give_role(session, actor, bob.id, role, at=AT)
        with pytest.raises(Invalid, match="code"):
            accounts.join(session, bob, code, at=AT)


def test_open_invitations_are_seen_and_taken_back_by_those_who_wrote_them(database: Database) -> None:
    with database.transaction() as session:
        actor, stranger = (factories.actor(session, Scope.HOLDER_WRITE) for _ in range(2))
        accounts.invite(session, actor, "bob@studio.example", Role.OWNER, at=AT)
        [letter] = accounts.invitations(session, actor, at=AT)
        assert (letter.email, letter.role) == ("bob@studio.example", "owner")
        assert accounts.invitations(session, stranger, at=AT) == []
        with pytest.raises(NotFound):
            accounts.withdraw_invitation(session, stranger, letter.id, at=AT)
        accounts.withdraw_invitation(session, actor, letter.id, at=AT)
        with pytest.raises(NotFound):
            accounts.withdraw_invitation(session, actor, letter.id, at=AT)
        assert accounts.invitations(session, actor, at=AT) == []
        with pytest.raises(Invalid, match="code"):
            accounts.confirm(session, people.code_of(session, letter.email, subject="Join"), "x", name="Bob", at=AT)


def test_a_member_may_do_what_the_role_says(database: Database) -> None:
    with database.transaction() as session:
        owner, other = people.sign_up(session), people.sign_up(session, "bob@studio.example", name="Bob Example")
        holder = people.holder_of(session, owner)
        people.invited(session, people.signed_in(session, owner), other, Role.CATALOGUE)
        member = people.signed_in(session, other, as_holder=holder.id)
        assert member.scopes == {Scope.WORKS_WRITE}
        factories.work(session, member)
        for forbidden in (
            lambda: accounts.invite(session, member, "c@studio.example", Role.OWNER, at=AT),
            lambda: accounts.members(session, member),
            lambda: access.issue_own_key(session, member, [Scope.WORKS_WRITE], name=None, at=AT),
        ):
            with pytest.raises(Forbidden):
                forbidden()
        with pytest.raises(Forbidden, match="which holder"):
            people.signed_in(session, other)  # two holders, and not said for which


def test_the_only_owner_cannot_go(database: Database) -> None:
    with database.transaction() as session:
        owner, other = people.sign_up(session), people.sign_up(session, "bob@studio.example", name="Bob Example")
        actor = people.signed_in(session, owner)
        for role in (Role.EDITOR, None):
            with pytest.raises(Conflict, match="owner first"):
                accounts.give_role(session, actor, owner.id, role, at=AT)
        people.invited(session, actor, other, Role.OWNER)
        accounts.give_role(session, actor, owner.id, None, at=AT)
        assert [m.account_id for m in accounts.members(session, actor)] == [other.id]
        with pytest.raises(NotFound):
            accounts.give_role(session, actor, "acc_0", Role.OWNER, at=AT)


def test_the_operators_key_is_not_given_to_a_squatter_of_a_name(database: Database) -> None:
    with database.transaction() as session:
        people.sign_up(session, holder="Big Studio")
        with pytest.raises(Conflict, match="Vet them first"):
            access.find_or_add_holder(session, name="Big Studio", assurance=Assurance.VETTED, at=AT)


def test_the_operators_key_is_not_given_to_whom_an_agent_made_under_a_name(database: Database) -> None:
    with database.transaction() as session:
        agent, operator = factories.actor(session, Scope.HOLDER_WRITE), factories.operator(session)
        holder, agency = agencies.represent(session, agent, "Grand Studio", HolderKind.ORGANISATION, at=AT)
        for _ in range(2):
            with pytest.raises(Conflict, match="Vet them first"):
                access.find_or_add_holder(session, name="Grand Studio", assurance=Assurance.VETTED, at=AT)
            with pytest.raises(Conflict, match="Vet them first"):
                endpoints.set_by_operator(session, holder="Grand Studio", url="https://studio.example/", at=AT)
            if agency.revoked_at is None:  # what was declared while it was in force is still there
                agencies.end(session, operator, agency.id, at=AT)
        assurance.grant(session, operator, holder.id, Assurance.VETTED, "We know the estate.", at=AT)
        found = access.find_or_add_holder(session, name="Grand Studio", assurance=Assurance.VETTED, at=AT)
        assert found.id == holder.id


def test_the_operator_is_told_whose_name_looks_like_the_one_they_gave(database: Database) -> None:
    with database.transaction() as session:
        holder = factories.holder(session, name="Éditions Night")
        with pytest.raises(Conflict, match=f"“Éditions Night”, {holder.id}. Give that name exactly, or another"):
            access.find_or_add_holder(session, name="éditions night", assurance=Assurance.VETTED, at=AT)


def test_who_names_an_agent_is_still_known_to_the_operator_by_name(database: Database) -> None:
    with database.transaction() as session:
        studio = factories.holder(session, name="Studio", assurance=Assurance.UNVERIFIED)
        agent = factories.holder(session)
        agencies.appoint(session, factories.actor_of(studio, Scope.HOLDER_WRITE), agent.id, USE_SCOPES, at=AT)
        found = access.find_or_add_holder(session, name="Studio", assurance=Assurance.VETTED, at=AT)
        assert found.id == studio.id


def test_nobody_takes_names_without_end_for_others(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agencies, "_MOST_REPRESENTED", 2)
    with database.transaction() as session:
        agent, operator = factories.actor(session, Scope.HOLDER_WRITE), factories.operator(session)
        first, agency = agencies.represent(session, agent, "One", HolderKind.PERSON, at=AT)
        agencies.represent(session, agent, "Two", HolderKind.PERSON, at=AT)
        agencies.end(session, agent, agency.id, at=AT)  # the name stays taken
        with pytest.raises(Conflict, match="vet some"):
            agencies.represent(session, agent, "Three", HolderKind.PERSON, at=AT)
        assurance.grant(session, operator, first.id, Assurance.VETTED, "Known.", at=AT)
        agencies.represent(session, agent, "Three", HolderKind.PERSON, at=AT)


@pytest.mark.parametrize("again", ["ÉDITIONS", "éditions", "Éditions", "É\u200bditions"])
def test_a_name_that_looks_like_one_that_is_taken_is_refused(database: Database, again: str) -> None:
    with database.transaction() as session:
        factories.holder(session, name="Éditions")
        with pytest.raises((Conflict, Invalid)):
            access.add_holder(session, name=again, kind=HolderKind.PERSON, assurance=Assurance.UNVERIFIED, at=AT)


def test_two_who_take_a_name_at_once_are_told_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.transaction() as session:
        factories.holder(session, name="Éditions")
        looked: list[str] = []
        look = access.free_name

        def too_early(_session: Session, name: str) -> str:
            looked.append(name)
            return name if len(looked) == 1 else look(_session, name)

        monkeypatch.setattr(access, "free_name", too_early)
        with pytest.raises(Conflict, match="taken"):
            access.add_holder(session, name="Éditions", kind=HolderKind.PERSON, assurance=Assurance.EMAIL, at=AT)
        assert session.scalars(sa.select(Holder.name)).all() == ["Éditions"]  # and the transaction lives


def test_what_somebody_calls_themselves_adds_no_line_to_a_letter(database: Database) -> None:
    with database.transaction() as session:
        for name in ("Ada\n\nYour account was attacked.", "Ada https://evil.example"):
            with pytest.raises(Invalid, match="one line"):
                people.ask(session, name=name)
            with pytest.raises(Invalid, match="one line"):
                people.ask(session, holder=name)
        assert session.scalars(sa.select(Mail)).all() == []


def test_the_subject_of_a_letter_is_one_line(database: Database) -> None:
    with database.transaction() as session:
        posted = mail.post(session, "ada@studio.example", "Join Ada\r\nBcc: b@evil.example", "Text", at=AT)
        assert posted.subject == "Join Ada Bcc: b@evil.example"


# -- agents --------------------------------------------------------------------------------------


def test_what_an_agent_declares_bears_both_names(database: Database) -> None:
    with database.transaction() as session:
        principal, agent = factories.holder(session), factories.holder(session)
        agencies.appoint(
            session, factories.actor_of(principal, Scope.HOLDER_WRITE), agent.id, [Scope.WORKS_WRITE], at=AT
        )
        key = factories.key(session, agent, Scope.WORKS_WRITE, Scope.CHECKS_WRITE, Scope.HOLDER_WRITE)
        acting = access.authenticate(session, key.key, at=AT, as_holder=principal.id)
        assert acting is not None
        assert (acting.holder_id, acting.agent_id) == (principal.id, agent.id)
        assert acting.scopes == {Scope.WORKS_WRITE}
        work = factories.work(session, acting)
        said = NewReservation(use=Use.TRAIN, value=Value.RESERVED, work_id=work.id)
        row = reservations.declare(session, acting, said, at=AT)
        assert (row.holder_id, row.agent_id) == (principal.id, agent.id)
        assert facts_of(row)["agent"] == agent.id


def test_an_agency_ends_by_either_side_by_time_and_by_a_new_one(database: Database) -> None:
    with database.transaction() as session:
        principal, agent, stranger = (factories.holder(session) for _ in range(3))
        giving, key = factories.actor_of(principal, Scope.HOLDER_WRITE), factories.key(session, agent)

        def may(at: object = AT) -> frozenset[Scope]:
            found = access.authenticate(session, key.key, at=at, as_holder=principal.id)  # type: ignore[arg-type]
            assert found is not None
            return found.scopes

        with pytest.raises(Forbidden, match="do not act"):
            may()
        until = AT + timedelta(days=1)
        agencies.appoint(session, giving, agent.id, USE_SCOPES, valid_until=until, at=AT)
        assert may() == set(USE_SCOPES)
        with pytest.raises(Forbidden, match="do not act"):
            may(until)
        narrower = agencies.appoint(session, giving, agent.id, [Scope.CHECKS_WRITE], at=AT)
        assert may() == {Scope.CHECKS_WRITE}
        with pytest.raises(NotFound):
            agencies.end(session, factories.actor_of(stranger, Scope.HOLDER_WRITE), narrower.id, at=AT)
        agencies.end(session, factories.actor_of(agent, Scope.HOLDER_WRITE), narrower.id, at=AT)
        with pytest.raises(Forbidden, match="do not act"):
            may()


def test_an_agent_is_never_given_the_house(database: Database) -> None:
    with database.transaction() as session:
        principal, agent = factories.actor(session, Scope.HOLDER_WRITE), factories.holder(session)
        for beyond in ([Scope.HOLDER_WRITE], [Scope.ADMIN], [Scope.REVIEW], []):
            with pytest.raises(Invalid, match="can be given"):
                agencies.appoint(session, principal, agent.id, beyond, at=AT)
        with pytest.raises(Invalid, match="own agent"):
            agencies.appoint(session, principal, principal.holder_id, USE_SCOPES, at=AT)


def test_a_holder_whom_an_agent_made_is_unverified_however_well_the_agent_is_known(database: Database) -> None:
    with database.transaction() as session:
        agent = factories.actor(session, Scope.HOLDER_WRITE, *USE_SCOPES)
        holder, agency = agencies.represent(session, agent, "Estate of a Painter", HolderKind.PERSON, at=AT)
        assert (holder.assurance, agency.basis) == ("unverified", "agent")


# -- keys ----------------------------------------------------------------------------------------


def test_a_key_gives_no_more_than_its_maker_has(database: Database) -> None:
    with database.transaction() as session:
        maker = factories.actor(session, Scope.HOLDER_WRITE, Scope.WORKS_WRITE)
        access.issue_own_key(session, maker, [Scope.WORKS_WRITE], name="import", at=AT)
        for beyond in (Scope.ADMIN, Scope.REVIEW, Scope.CHECKS_WRITE):
            with pytest.raises(Forbidden, match="do not have"):
                access.issue_own_key(session, maker, [beyond], name=None, at=AT)


def test_a_rotated_key_works_beside_the_new_one_for_a_while(database: Database) -> None:
    with database.transaction() as session:
        maker = factories.actor(session, Scope.HOLDER_WRITE, Scope.WORKS_WRITE)
        old = access.issue_own_key(session, maker, [Scope.WORKS_WRITE], name="import", at=AT)
        new = access.rotate_key(session, maker, old.id, overlap=timedelta(hours=2), at=AT)
        later = AT + timedelta(hours=2)
        assert access.authenticate(session, old.key, at=AT) is not None
        assert access.authenticate(session, old.key, at=later) is None
        assert access.authenticate(session, new.key, at=later) is not None
        access.revoke_key(session, new.id, at=AT)
        with pytest.raises(Conflict, match="ended"):
            access.rotate_key(session, maker, new.id, overlap=timedelta(0), at=AT)
        with pytest.raises(NotFound):
            access.rotate_key(session, factories.actor(session, Scope.HOLDER_WRITE), new.id, overlap=later - AT, at=AT)


def test_no_key_makes_one_that_outlives_it(database: Database) -> None:
    with database.transaction() as session:
        ends = AT + timedelta(days=1)
        short = factories.key(session, factories.holder(session), Scope.HOLDER_WRITE, expires_at=ends)
        actor = access.authenticate(session, short.key, at=AT)
        assert actor is not None
        for asked, given in ((None, ends), (ends + timedelta(days=9), ends), (AT + timedelta(hours=1),) * 2):
            made = access.issue_own_key(session, actor, [Scope.HOLDER_WRITE], name=None, expires_at=asked, at=AT)
            assert (made.expires_at, session.get_one(ApiKey, made.id).expires_at) == (given, given)
        again = access.rotate_key(session, actor, short.id, overlap=timedelta(hours=1), at=AT + timedelta(hours=12))
        assert again.expires_at == ends


def test_a_key_ends_with_the_key_that_made_it(database: Database) -> None:
    with database.transaction() as session:
        holder = factories.holder(session)
        leaked, kept = (factories.key(session, holder, Scope.HOLDER_WRITE) for _ in range(2))
        key, made = leaked.key, []
        for _ in range(2):
            actor = access.authenticate(session, key, at=AT)
            assert actor is not None
            made.append(access.issue_own_key(session, actor, [Scope.HOLDER_WRITE], name=None, at=AT))
            key = made[-1].key
        actor = access.authenticate(session, leaked.key, at=AT)
        assert actor is not None
        made.append(access.rotate_key(session, actor, leaked.id, overlap=timedelta(hours=1), at=AT))
        access.revoke_key(session, leaked.id, at=AT)
        assert [access.authenticate(session, one.key, at=AT) for one in made] == [None] * 3
        assert access.authenticate(session, kept.key, at=AT) is not None


@pytest.mark.parametrize("end", ["let go", "lowered", "disabled", "forgotten"])
def test_a_key_ends_when_who_made_it_may_no_longer_do_what_it_does(database: Database, end: str) -> None:
    with database.transaction() as session:
        holder, bob = factories.holder(session), people.sign_up(session, "bob@studio.example", name="Bob")
        boss = factories.actor_of(holder, Scope.HOLDER_WRITE)
        people.invited(session, boss, people.sign_up(session), Role.OWNER)
        people.invited(session, boss, bob, Role.OWNER)
        actor = people.signed_in(session, bob, as_holder=holder.id)
        house = access.issue_own_key(session, actor, [Scope.HOLDER_WRITE, Scope.WORKS_WRITE], name=None, at=AT)
        works = access.issue_own_key(session, actor, [Scope.WORKS_WRITE], name=None, at=AT)
        others = factories.key(session, holder, Scope.HOLDER_WRITE)
        if end == "forgotten":
            accounts.forget(session, bob, at=AT)
        elif end == "disabled":
            accounts.disable(session, factories.operator(session), bob.id, at=AT)
        else:
            accounts.give_role(session, boss, bob.id, Role.CATALOGUE if end == "lowered" else None, at=AT)
        assert access.authenticate(session, house.key, at=AT) is None
        assert (access.authenticate(session, works.key, at=AT) is not None) == (end == "lowered")
        assert access.authenticate(session, others.key, at=AT) is not None


def test_a_holder_has_so_many_keys_that_work_and_no_more(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_MOST_KEYS", 2)
    with database.transaction() as session:
        maker = factories.actor(session, Scope.HOLDER_WRITE)
        ends = AT + timedelta(hours=1)
        first = access.issue_own_key(session, maker, [Scope.HOLDER_WRITE], name=None, at=AT)
        access.issue_own_key(session, maker, [Scope.HOLDER_WRITE], name=None, at=AT, expires_at=ends)
        with pytest.raises(Conflict, match="Revoke one"):
            access.issue_own_key(session, maker, [Scope.HOLDER_WRITE], name=None, at=AT)
        access.issue_own_key(session, maker, [Scope.HOLDER_WRITE], name=None, at=ends)
        access.revoke_key(session, first.id, at=ends)
        access.issue_own_key(session, maker, [Scope.HOLDER_WRITE], name=None, at=ends)


def test_the_use_of_a_key_is_noted_now_and_then(database: Database) -> None:
    with database.transaction() as session:
        key = factories.key(session, factories.holder(session))
        actor = access.authenticate(session, key.key, at=AT)
        assert actor is not None
        assert access.unnoted_use(session, actor, at=AT)
        access.note_use(session, actor, at=AT)
        assert not access.unnoted_use(session, actor, at=AT + timedelta(minutes=4))
        assert access.unnoted_use(session, actor, at=AT + timedelta(minutes=6))


# -- assurance -----------------------------------------------------------------------------------


def test_the_operators_word_and_what_was_shown_are_kept_apart(database: Database) -> None:
    with database.transaction() as session:
        operator, account = factories.operator(session), people.sign_up(session)
        holder = people.holder_of(session, account)
        assurance.grant(session, operator, holder.id, Assurance.VETTED, "Saw the passport.", at=AT)
        assert holder.assurance == "vetted"
        assurance.grant(session, operator, holder.id, Assurance.UNVERIFIED, "It was another person's.", at=AT)
        assert holder.assurance == "email"
        assert {(c.assurance, c.cause) for c in assurance.history(session, holder.id)} == {
            ("email", "email_confirmed"), ("vetted", "operator"), ("email", "operator"),
        }  # fmt: skip
        with pytest.raises(Invalid, match="how you know"):
            assurance.grant(session, operator, holder.id, Assurance.VETTED, " ", at=AT)


def test_each_change_of_assurance_is_in_the_ledger(database: Database) -> None:
    with database.transaction() as session:
        holder = factories.holder(session, assurance=Assurance.UNVERIFIED)
        assurance.grant(session, factories.operator(session), holder.id, Assurance.VETTED, "Seen.", at=AT)
        change = session.scalars(sa.select(AssuranceChange)).one()
        assert ledger.last_entry_of(session, change.id) is not None


def test_a_member_who_leaves_takes_their_address_along(database: Database) -> None:
    with database.transaction() as session:
        holder = factories.holder(session, assurance=Assurance.UNVERIFIED)
        actor = factories.actor_of(holder, Scope.HOLDER_WRITE)
        owner, editor = people.sign_up(session), people.sign_up(session, "bob@studio.example", name="Bob Example")
        people.invited(session, actor, owner, Role.OWNER)
        people.invited(session, actor, editor, Role.EDITOR)
        accounts.disable(session, factories.operator(session), owner.id, at=AT)
        assert holder.assurance == "email"
        accounts.give_role(session, actor, editor.id, None, at=AT)
        assert holder.assurance == "unverified"
