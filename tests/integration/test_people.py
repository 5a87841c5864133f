"""People: unknown until something is shown; nobody learns who has an account; roles bound what one may."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from api.app import create_app
from api.limits import RateLimiter
from api.problems import Problem
from api.routes import accounts as routes
from api.schemas.accounts import AccountIn, ConfirmationIn
from api.service import Service
from api.settings import SignUp
from registry import access, accounts, agencies, codes, domains, endpoints, hosting, mail
from registry.access import Role, Scope
from registry.accounts import Claimed, WrongCredentials
from registry.database import Database
from registry.errors import Conflict, Forbidden, Invalid
from registry.models import Account, Base, Holder, Letter, Mail, Work
from tests import factories, people
from tests.factories import AT
from tests.integration.inside import Inside
from tests.people import ADA, PASSWORD


def test_there_is_no_account_before_its_address_is_shown(database: Database) -> None:
    with database.transaction() as session:
        people.ask(session, holder="Night Train Films")
        assert session.scalars(sa.select(Account)).all() == []
        assert session.scalars(sa.select(Holder)).all() == []
        account = accounts.confirm(session, people.code_of(session), people.password_hash(), at=AT)
        holder = people.holder_of(session, account)
        assert (account.email, account.name, account.email_confirmed_at) == (ADA, "Ada Example", AT)
        assert (holder.name, holder.assurance) == ("Night Train Films", "email")


def test_who_reads_the_address_chooses_the_password_whoever_signed_up(database: Database) -> None:
    with database.transaction() as session:
        people.ask(session, name="An Attacker")
        first = people.code_of(session)
        people.ask(session)
        codes = {code for code in people.codes_of(session) if code != first}
        account = accounts.confirm(session, codes.pop(), people.password_hash(), at=AT)
        assert account.name == "Ada Example"
        with pytest.raises(Invalid, match="used"):
            accounts.confirm(session, first, people.password_hash(), at=AT)  # nobody else signs up with it


def test_an_account_that_was_never_confirmed_opens_nothing_until_its_reader_takes_it_over(database: Database) -> None:
    with database.transaction() as session:
        account = people.sign_up(session)
        actor = people.signed_in(session, account)
        token = access.sign_in(session, account, lasts=timedelta(hours=1), at=AT)
        key = access.issue_own_key(session, actor, [Scope.WORKS_WRITE], name=None, at=AT)
        account.email_confirmed_at = None  # as they were made once
        assert access.account_of(session, token, at=AT) is None
        with pytest.raises(WrongCredentials):
            accounts.account_with(session, ADA, PASSWORD)
        assert accounts.known_as(session, _claimed(), at=AT).id == account.id
        assert access.account_of(session, token, at=AT) is None
        assert access.authenticate(session, key.key, at=AT) is None
        with pytest.raises(WrongCredentials):
            accounts.account_with(session, ADA, PASSWORD)


def test_a_code_opens_one_thing_once_and_not_for_ever(database: Database) -> None:
    with database.transaction() as session:
        people.ask(session)
        code = people.code_of(session)
        with pytest.raises(Invalid, match="code"):
            accounts.set_password(session, code, "x", at=AT)
        with pytest.raises(Invalid, match="expired"):
            accounts.confirm(session, code, "x", at=AT + timedelta(hours=25))
        account = accounts.confirm(session, code, "x", at=AT)
        with pytest.raises(Invalid, match="used"):
            accounts.confirm(session, code, "x", at=AT)
        accounts.ask_for_new_password(session, ADA, at=AT)
        older = people.code_of(session, subject="A new")
        accounts.ask_for_new_password(session, ADA, at=AT + timedelta(seconds=1))
        with pytest.raises(Invalid, match="code"):
            accounts.set_password(session, older, "y", at=AT)
        assert accounts.set_password(session, people.code_of(session, subject="A new"), "y", at=AT).id == account.id


def test_what_was_said_by_who_never_came_back_is_forgotten(database: Database) -> None:
    with database.transaction() as session:
        people.ask(session)
        codes.forget_expired(session, at=AT + timedelta(hours=23))
        assert session.scalars(sa.select(Letter)).all() != []
        codes.forget_expired(session, at=AT + timedelta(hours=24))
        assert session.scalars(sa.select(Letter)).all() == []


def test_signing_up_says_the_same_of_an_address_that_has_an_account(database: Database) -> None:
    with database.transaction() as session:
        people.sign_up(session)
        for email in (ADA, "nobody@studio.example"):
            for _ in range(2):  # a name is taken by who comes back, not by who asks
                people.ask(session, email, name="Somebody Else")
            with pytest.raises(Conflict, match="taken"):  # whoever asks, known or not
                people.ask(session, email, name="ada  EXAMPLE")
        assert session.scalars(sa.select(Account.name)).all() == ["Ada Example"]
        told = session.scalars(sa.select(Mail.subject).where(Mail.recipient == ADA)).all()
        assert sorted(told) == ["Confirm your address", *["You have an account already"] * 2]


def test_a_name_that_was_taken_meanwhile_is_not_given_twice(database: Database) -> None:
    with database.transaction() as session:
        people.ask(session)
        code = people.code_of(session)
        factories.holder(session, name="Ada Example")
        with pytest.raises(Conflict, match="taken"):
            accounts.confirm(session, code, "x", at=AT)


def test_the_letters_of_people_are_forgotten_once_sent_and_codes_are_not_kept(database: Database) -> None:
    with database.transaction() as session:
        people.ask(session)
        code = people.code_of(session)
        mail.sent(session.scalars(sa.select(Mail)).one(), at=AT)
        session.flush()
        assert session.scalars(sa.select(Letter.email)).all() == [ADA]
        for table in Base.metadata.sorted_tables:
            assert code not in str(session.execute(sa.select(table)).all()), table.name


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaa", "x" * 257])
def test_a_poor_password_is_refused(password: str) -> None:
    with pytest.raises(Invalid, match=r"Use|repeats"):
        accounts.hash_password(password)


@pytest.mark.parametrize(
    "email",
    [
        "", "ada", "ada@", "@x.example", "a b@x.example", "ada@x", "a@b@c.example", "a\n@x.io", "a@x.io\n.example",
        "root,postmaster,x@e.example", "=?utf-8?q?a=40b.example=2cc=40d.example?=,e@x.example", "=?utf-8?q?a?=@x.io",
        "g:b@x.example;", "foo<y@x.example>", '"a b"@x.example', "(c)a@x.example", ".a@x.example", "a..b@x.example",
        "a@-x.example", "a@x..example", "ä@x.example", "a@ä.example", "a@[127.0.0.1]", "a" * 65 + "@x.example",
        "a\x00@x.example", "a;b@x.example", "a\\@x.example", "a`b@x.example",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(database: Database, email: str) -> None:
    with database.transaction() as session, pytest.raises(Invalid, match="address"):
        people.sign_up(session, email)


def test_a_wrong_password_and_an_unknown_address_are_told_alike(database: Database) -> None:
    with database.transaction() as session:
        account = people.sign_up(session)
        assert accounts.account_with(session, f" {ADA.upper()} ", PASSWORD).id == account.id
        told = set()
        for email, password in ((ADA, "something else"), ("nobody@studio.example", PASSWORD), (ADA, "x" * 100_000)):
            with pytest.raises(WrongCredentials) as refused:
                accounts.account_with(session, email, password)
            told.add(str(refused.value))
        assert len(told) == 1


def test_a_new_password_ends_every_sign_in(database: Database) -> None:
    with database.transaction() as session:
        account = people.sign_up(session)
        token = access.sign_in(session, account, lasts=timedelta(hours=1), at=AT)
        accounts.ask_for_new_password(session, ADA, at=AT)
        accounts.set_password(
            session, people.code_of(session, subject="A new"), accounts.hash_password("another few words"), at=AT
        )
        assert access.account_of(session, token, at=AT) is None
        assert accounts.account_with(session, ADA, "another few words").id == account.id
        assert people.holder_of(session, account).assurance == "email"  # the code was read


def test_who_is_signed_in_does_not_try_old_passwords_without_end(service: Service) -> None:
    with service.database.transaction() as session:
        token = access.sign_in(session, people.sign_up(session), lasts=timedelta(hours=1), at=AT)
    service.limiter = RateLimiter(service.settings.model_copy(update={"limit_sign_in": "2/day"}))
    app = create_app(service)

    def tried(address: str) -> int:
        said = {"old": "not it at all", "new": "another few words"}
        return Inside(app, token, address=address).post("/v1/account/password", json=said).status_code

    assert [tried("198.51.100.7") for _ in range(3)] == [403, 403, 429]
    assert tried("198.51.100.99") == 403, "nobody is shut out by what others tried"


def test_where_nobody_signs_up_no_code_makes_an_account_either(service: Service) -> None:
    with service.database.transaction() as session:
        people.ask(session)
        code = people.code_of(session)
    service.settings = service.settings.model_copy(update={"sign_up": SignUp.CLOSED})
    for ask in (
        lambda: routes.sign_up(AccountIn(email=ADA, name="Ada"), service),
        lambda: routes.confirm_address(ConfirmationIn(code=code, password=PASSWORD), service),
    ):
        with pytest.raises(Problem, match="made by the operator"):
            ask()


def test_asking_for_a_new_password_of_nobody_does_nothing(database: Database) -> None:
    with database.transaction() as session:
        accounts.ask_for_new_password(session, "nobody@studio.example", at=AT)
        assert session.scalars(sa.select(Mail)).all() == []


def test_a_sign_in_ends_by_time_and_by_word(database: Database) -> None:
    with database.transaction() as session:
        account = people.sign_up(session)
        first, second = (access.sign_in(session, account, lasts=timedelta(hours=1), at=AT) for _ in range(2))
        assert access.account_of(session, first, at=AT + timedelta(hours=1)) is None
        access.sign_out(session, account.id, token=first, at=AT)
        assert access.account_of(session, first, at=AT) is None
        assert access.account_of(session, second, at=AT) is not None
        assert access.account_of(session, "cs_nothing", at=AT) is None


def test_a_disabled_account_is_out_and_shows_nothing_any_more(database: Database) -> None:
    with database.transaction() as session:
        account = people.sign_up(session)
        token = access.sign_in(session, account, lasts=timedelta(hours=1), at=AT)
        accounts.disable(session, factories.operator(session), account.id, at=AT)
        assert access.authenticate(session, token, at=AT) is None
        assert people.holder_of(session, account).assurance == "unverified"
        with pytest.raises(WrongCredentials):
            accounts.account_with(session, ADA, PASSWORD)
        with pytest.raises(Forbidden):
            accounts.disable(session, factories.actor(session), account.id, at=AT)


def test_a_forgotten_holder_speaks_for_no_site_and_nobody_acts_for_it(database: Database) -> None:
    with database.transaction() as session:
        account = people.sign_up(session)
        me, friend = people.signed_in(session, account), factories.actor(session, Scope.HOLDER_WRITE)
        domain = domains.claim(session, me, "ada.example", at=AT)
        domains.saw(session, domain, domains.Look(method=domains.Method.DNS, problem=None), at=AT)
        agencies.appoint(session, me, friend.holder_id, [Scope.WORKS_WRITE], at=AT)
        agencies.appoint(session, friend, me.holder_id, [Scope.WORKS_WRITE], at=AT)
        accounts.invite(session, me, "bob@studio.example", Role.OWNER, at=AT)
        endpoints.put(session, replace(me, scopes=frozenset({Scope.WEBHOOKS_WRITE})), "https://ada.example/", at=AT)
        accounts.forget(session, account, at=AT)
        assert not hosting.speakers_of(session, "ada.example", at=AT)
        assert session.get_one(Holder, me.holder_id).assurance == "unverified"
        assert agencies.known_to(session, friend, at=AT) == []
        assert endpoints.active(session, me.holder_id) is None
        code = people.code_of(session, "bob@studio.example", subject="Join")
        with pytest.raises(Invalid, match="code"):
            accounts.confirm(session, code, "x", name="Bob", at=AT)


def test_a_letter_that_was_not_sent_to_whom_is_forgotten_never_is(database: Database) -> None:
    with database.transaction() as session:
        account = people.sign_up(session)
        accounts.ask_for_new_password(session, ADA, at=AT)
        forgotten = accounts.forget(session, account, at=AT + timedelta(days=1))
        mails = session.scalars(sa.select(Mail)).all()
        assert sorted(forgotten) == sorted(mail.id for mail in mails)
        assert {(mail.recipient, mail.text, mail.sent_at is None) for mail in mails} == {("forgotten", None, False)}


def test_a_holder_who_was_that_person_alone_is_forgotten_with_them(database: Database) -> None:
    with database.transaction() as session:
        account = people.sign_up(session)
        holder = people.holder_of(session, account)
        accounts.forget(session, account, at=AT)
        assert "Ada" not in holder.name
        assert people.sign_up(session).id != account.id  # the address and the name are free again


def test_a_key_that_works_no_more_keeps_nobody_from_being_forgotten(database: Database) -> None:
    with database.transaction() as session:
        account = people.sign_up(session, holder="Night Train")
        row, ends = people.holder_of(session, account), AT + timedelta(days=1)
        access.revoke_key(session, factories.key(session, row).id, at=AT)
        factories.key(session, row, expires_at=ends)
        with pytest.raises(Conflict, match="alone own Night Train"):
            accounts.forget(session, account, at=ends - timedelta(seconds=1))
        accounts.forget(session, account, at=ends)
        assert row.name == f"forgotten {row.id}"


def test_a_person_is_forgotten_and_their_works_stay(database: Database) -> None:
    with database.transaction() as session:
        account = people.sign_up(session, holder="Night Train")
        other = people.sign_up(session, "bob@studio.example", name="Bob")
        actor = people.signed_in(session, account)
        work = factories.work(session, actor)
        with pytest.raises(Conflict, match="alone own Night Train"):
            accounts.forget(session, account, at=AT)
        people.invited(session, actor, other, Role.OWNER)
        accounts.forget(session, account, at=AT)
        session.flush()
        for table in Base.metadata.sorted_tables:
            for row in session.execute(sa.select(table)):
                assert ADA not in str(row), table.name
                assert "Ada Example" not in str(row), table.name
        assert session.get_one(Work, work.id).title == "Night Train"


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
        assert people.holder_of(session, first).assurance == "email"
        with pytest.raises(WrongCredentials):
            accounts.account_with(session, ADA, PASSWORD)  # there is no password


def test_an_address_that_the_provider_does_not_vouch_for_opens_nothing(database: Database) -> None:
    with database.transaction() as session:
        account = people.sign_up(session)
        with pytest.raises(Invalid, match="vouch"):
            accounts.known_as(session, _claimed(email_verified=False), at=AT)
        assert accounts.known_as(session, _claimed(), at=AT).id == account.id


def test_who_comes_from_the_provider_ends_what_others_began_with_the_address(database: Database) -> None:
    with database.transaction() as session:
        people.ask(session, name="An Attacker")
        account = accounts.known_as(session, _claimed(), at=AT)
        assert account.name == "Ada Example"
        with pytest.raises(Invalid, match="used"):
            accounts.confirm(session, people.code_of(session), "x", at=AT)


@pytest.mark.parametrize(
    "name", ["Ada", "L" * 200, "L" * 5000, "", "\u202e\n", "https://evil.example", "Ada \u2764\ufe0f", "A\x00\u200bda"]
)
def test_whoever_comes_from_the_provider_gets_a_name_and_never_their_address_as_one(
    database: Database, name: str
) -> None:
    with database.transaction() as session:
        for taken in ("Ada", f"Ada ({ADA})", "L" * 200, "Somebody"):
            factories.holder(session, name=taken)
        account = accounts.known_as(session, _claimed(name=name), at=AT)
        holder = people.holder_of(session, account)
        for public in (holder.name, account.name):
            assert ADA not in public
            assert "://" not in public
            assert public.isprintable()
            assert 0 < len(public) <= 200
