"""People: unknown until something is shown; nobody learns who has an account; roles bound what one may."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import access, accounts, agencies, assurance, ledger, reservations
from registry.access import USE_SCOPES, Actor, HolderKind, Role, Scope
from registry.accounts import Claimed, NewAccount, WrongCredentials
from registry.database import Database
from registry.domain.policy import Assurance
from registry.domain.preferences import Use, Value
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.facts import facts_of
from registry.models import Account, AssuranceChange, Base, Holder, Letter, Mail, Membership, Work
from registry.reservations import NewReservation
from tests import factories
from tests.factories import AT

PASSWORD = "five plain words are fine"
ADA = "ada@studio.example"


def _code(session: Session, email: str = ADA, *, subject: str = "Confirm") -> str:
    """The code of the newest letter to an address that is about something."""
    query = sa.select(Mail).where(Mail.recipient == email, Mail.subject.startswith(subject))
    text = session.scalars(query.order_by(Mail.created_at.desc()).limit(1)).one().text
    assert text is not None
    return next(line.strip() for line in text.splitlines() if line.startswith("    "))


def _sign_up(session: Session, email: str = ADA, *, holder: str | None = None, name: str = "Ada Example") -> Account:
    said = NewAccount(email=email, password_hash=accounts.hash_password(PASSWORD), name=name, holder=holder)
    accounts.sign_up(session, said, at=AT)
    return session.scalars(sa.select(Account).where(Account.email == email)).one()


def _actor(session: Session, account: Account, *, as_holder: str | None = None) -> Actor:
    token = access.sign_in(session, account, lasts=timedelta(hours=1), at=AT)
    actor = access.authenticate(session, token, at=AT, as_holder=as_holder)
    assert actor is not None
    return actor


def _holder(session: Session, account: Account) -> Holder:
    return accounts.memberships(session, account)[0].holder


def test_who_signs_up_is_unverified_until_the_address_is_confirmed(database: Database) -> None:
    with database.transaction() as session:
        account = _sign_up(session, holder="Night Train Films")
        holder = _holder(session, account)
        assert (holder.name, holder.assurance) == ("Night Train Films", "unverified")
        accounts.confirm(session, _code(session), at=AT)
        assert (holder.assurance, account.email_confirmed_at) == ("email", AT)


def test_a_code_opens_one_thing_once_and_not_for_ever(database: Database) -> None:
    with database.transaction() as session:
        account = _sign_up(session)
        code = _code(session)
        with pytest.raises(Invalid, match="code"):
            accounts.set_password(session, code, "x", at=AT)
        with pytest.raises(Invalid, match="expired"):
            accounts.confirm(session, code, at=AT + timedelta(hours=25))
        accounts.ask_to_confirm(session, account, at=AT + timedelta(seconds=1))
        with pytest.raises(Invalid, match="code"):
            accounts.confirm(session, code, at=AT)  # an older letter
        newer = _code(session)
        accounts.confirm(session, newer, at=AT)
        with pytest.raises(Invalid, match="used"):
            accounts.confirm(session, newer, at=AT)


def test_signing_up_says_the_same_of_an_address_that_has_an_account(database: Database) -> None:
    with database.transaction() as session:
        _sign_up(session)
        _sign_up(session, name="Somebody Else")
        assert session.scalars(sa.select(Account.name)).all() == ["Ada Example"]
        assert len(session.scalars(sa.select(Mail)).all()) == 2
        subjects = {mail.subject for mail in session.scalars(sa.select(Mail))}
        assert "You have an account already" in subjects
        with pytest.raises(Conflict, match="taken"):  # whoever asks, known or not
            _sign_up(session, "new@studio.example", name="ada  EXAMPLE")
        with pytest.raises(Conflict, match="taken"):
            _sign_up(session, name="Ada Example")


def test_the_letters_of_people_are_forgotten_once_sent_and_codes_are_not_kept(database: Database) -> None:
    with database.transaction() as session:
        _sign_up(session)
        code = _code(session)
        assert code not in session.scalars(sa.select(Letter.code_sha256)).all()


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaa", "x" * 257])
def test_a_poor_password_is_refused(password: str) -> None:
    with pytest.raises(Invalid, match=r"Use|repeats"):
        accounts.hash_password(password)


@pytest.mark.parametrize(
    "email", ["", "ada", "ada@", "@x.example", "a b@x.example", "ada@x", "a@b@c.example", "a\n@x.io"]
)
def test_what_is_no_address_is_refused(database: Database, email: str) -> None:
    with database.transaction() as session, pytest.raises(Invalid, match="address"):
        _sign_up(session, email)


def test_a_wrong_password_and_an_unknown_address_are_told_alike(database: Database) -> None:
    with database.transaction() as session:
        account = _sign_up(session)
        assert accounts.account_with(session, f" {ADA.upper()} ", PASSWORD).id == account.id
        told = set()
        for email, password in ((ADA, "something else"), ("nobody@studio.example", PASSWORD), (ADA, "x" * 100_000)):
            with pytest.raises(WrongCredentials) as refused:
                accounts.account_with(session, email, password)
            told.add(str(refused.value))
        assert len(told) == 1


def test_a_new_password_ends_every_sign_in(database: Database) -> None:
    with database.transaction() as session:
        account = _sign_up(session)
        token = access.sign_in(session, account, lasts=timedelta(hours=1), at=AT)
        accounts.ask_for_new_password(session, ADA, at=AT)
        accounts.set_password(
            session, _code(session, subject="A new"), accounts.hash_password("another few words"), at=AT
        )
        assert access.account_of(session, token, at=AT) is None
        assert accounts.account_with(session, ADA, "another few words").id == account.id
        assert _holder(session, account).assurance == "email"  # the code was read


def test_asking_for_a_new_password_of_nobody_does_nothing(database: Database) -> None:
    with database.transaction() as session:
        accounts.ask_for_new_password(session, "nobody@studio.example", at=AT)
        assert session.scalars(sa.select(Mail)).all() == []


def test_a_sign_in_ends_by_time_and_by_word(database: Database) -> None:
    with database.transaction() as session:
        account = _sign_up(session)
        first, second = (access.sign_in(session, account, lasts=timedelta(hours=1), at=AT) for _ in range(2))
        assert access.account_of(session, first, at=AT + timedelta(hours=1)) is None
        access.sign_out(session, account.id, token=first, at=AT)
        assert access.account_of(session, first, at=AT) is None
        assert access.account_of(session, second, at=AT) is not None
        assert access.account_of(session, "cs_nothing", at=AT) is None


def test_a_disabled_account_is_out_and_shows_nothing_any_more(database: Database) -> None:
    with database.transaction() as session:
        account = _sign_up(session)
        accounts.confirm(session, _code(session), at=AT)
        token = access.sign_in(session, account, lasts=timedelta(hours=1), at=AT)
        accounts.disable(session, factories.operator(session), account.id, at=AT)
        assert access.authenticate(session, token, at=AT) is None
        assert _holder(session, account).assurance == "unverified"
        with pytest.raises(WrongCredentials):
            accounts.account_with(session, ADA, PASSWORD)
        with pytest.raises(Forbidden):
            accounts.disable(session, factories.actor(session), account.id, at=AT)


def test_a_holder_who_was_that_person_alone_is_forgotten_with_them(database: Database) -> None:
    with database.transaction() as session:
        account = _sign_up(session)
        holder = _holder(session, account)
        accounts.forget(session, account, at=AT)
        assert "Ada" not in holder.name
        assert _sign_up(session).id != account.id  # the address and the name are free again


def test_a_person_is_forgotten_and_their_works_stay(database: Database) -> None:
    with database.transaction() as session:
        account, other = _sign_up(session, holder="Night Train"), _sign_up(session, "bob@studio.example", name="Bob")
        actor = _actor(session, account)
        work = factories.work(session, actor)
        with pytest.raises(Conflict, match="alone own Night Train"):
            accounts.forget(session, account, at=AT)
        accounts.invite(session, actor, "bob@studio.example", Role.OWNER, at=AT)
        accounts.join(session, other, _code(session, "bob@studio.example", subject="Join"), at=AT)
        accounts.forget(session, account, at=AT)
        session.flush()
        for table in Base.metadata.sorted_tables:
            for row in session.execute(sa.select(table)):
                assert ADA not in str(row), table.name
                assert "Ada Example" not in str(row), table.name
        assert session.get_one(Work, work.id).title == "Night Train"


# -- members -------------------------------------------------------------------------------------


def test_an_invitation_is_for_the_address_that_it_went_to(database: Database) -> None:
    with database.transaction() as session:
        owner = _sign_up(session)
        accounts.invite(session, _actor(session, owner), "bob@studio.example", Role.CATALOGUE, at=AT)
        with pytest.raises(Forbidden, match="bob@"):
            accounts.join(session, owner, _code(session, "bob@studio.example", subject="Join"), at=AT)


def test_a_member_may_do_what_the_role_says(database: Database) -> None:
    with database.transaction() as session:
        owner, other = _sign_up(session), _sign_up(session, "bob@studio.example", name="Bob Example")
        holder = _holder(session, owner)
        accounts.invite(session, _actor(session, owner), "bob@studio.example", Role.CATALOGUE, at=AT)
        accounts.join(session, other, _code(session, "bob@studio.example", subject="Join"), at=AT)
        member = _actor(session, other, as_holder=holder.id)
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
            _actor(session, other)  # two holders, and not said for which


def test_the_only_owner_cannot_go(database: Database) -> None:
    with database.transaction() as session:
        owner, other = _sign_up(session), _sign_up(session, "bob@studio.example", name="Bob Example")
        actor = _actor(session, owner)
        for role in (Role.EDITOR, None):
            with pytest.raises(Conflict, match="owner first"):
                accounts.give_role(session, actor, owner.id, role, at=AT)
        accounts.invite(session, actor, "bob@studio.example", Role.OWNER, at=AT)
        accounts.join(session, other, _code(session, "bob@studio.example", subject="Join"), at=AT)
        accounts.give_role(session, actor, owner.id, None, at=AT)
        assert [m.account_id for m in accounts.members(session, actor)] == [other.id]
        with pytest.raises(NotFound):
            accounts.give_role(session, actor, "acc_0", Role.OWNER, at=AT)


def test_the_operators_key_is_not_given_to_a_squatter_of_a_name(database: Database) -> None:
    with database.transaction() as session:
        _sign_up(session, holder="Big Studio")
        with pytest.raises(Conflict, match="Vet them first"):
            access.find_or_add_holder(session, name="Big Studio", assurance=Assurance.VETTED, at=AT)


# -- an identity provider ------------------------------------------------------------------------


def _claimed(**said: object) -> Claimed:
    shown: dict[str, object] = {
        "issuer": "https://id.example", "subject": "17", "email": ADA, "email_verified": True, "name": "Ada Example",
    }  # fmt: skip
    return Claimed(**(shown | said))  # type: ignore[arg-type]


def test_who_comes_from_the_provider_is_the_same_person_again(database: Database) -> None:
    with database.transaction() as session:
        first = accounts.known_as(session, _claimed(), at=AT)
        again = accounts.known_as(session, _claimed(email="ada@elsewhere.example"), at=AT)
        assert first.id == again.id
        assert _holder(session, first).assurance == "email"
        with pytest.raises(WrongCredentials):
            accounts.account_with(session, ADA, PASSWORD)  # there is no password


def test_an_address_that_the_provider_does_not_vouch_for_opens_nothing(database: Database) -> None:
    with database.transaction() as session:
        _sign_up(session)
        with pytest.raises(Invalid, match="vouch"):
            accounts.known_as(session, _claimed(email_verified=False), at=AT)
        with pytest.raises(Conflict, match="never confirmed"):
            accounts.known_as(session, _claimed(), at=AT)
        accounts.confirm(session, _code(session), at=AT)
        assert accounts.known_as(session, _claimed(), at=AT).email == ADA


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
        operator, account = factories.operator(session), _sign_up(session)
        holder = _holder(session, account)
        accounts.confirm(session, _code(session), at=AT)
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
        owner, other = _sign_up(session), _sign_up(session, "bob@studio.example", name="Bob Example")
        holder, actor = _holder(session, owner), _actor(session, owner)
        accounts.invite(session, actor, "bob@studio.example", Role.EDITOR, at=AT)
        accounts.join(session, other, _code(session, "bob@studio.example", subject="Join"), at=AT)
        assert holder.assurance == "email"
        accounts.give_role(session, actor, other.id, None, at=AT)
        assert holder.assurance == "unverified"
        assert session.scalar(sa.select(sa.func.count()).select_from(Membership)) == 2
