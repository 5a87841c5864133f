"""What ends, ends at once and everywhere: keys, sign-ins, passwords; and what a sign-in begins is new."""

from datetime import timedelta

import pytest
from argon2 import PasswordHasher

from api.app import create_app
from api.pages.visit import SIGN_IN, VISIT
from api.service import Service
from registry import access, accounts
from registry.access import Role, Scope
from registry.accounts import WrongCredentials
from tests import factories, people
from tests.factories import AT
from tests.integration.inside import Inside
from tests.people import ADA, PASSWORD

_HOUR = timedelta(hours=1)


def test_a_revoked_key_opens_nothing_from_the_next_request_on(service: Service) -> None:
    with service.database.transaction() as session:
        issued = factories.key(session, factories.holder(session), Scope.WORKS_WRITE)
    apps = [create_app(service), create_app(service)]  # each remembers whose the key was, for its limits
    assert [Inside(app, issued.key).get("/v1/works").status_code for app in apps] == [200, 200]
    with service.database.transaction() as session:
        access.revoke_key(session, issued.id, at=AT)
    assert [Inside(app, issued.key).get("/v1/works").status_code for app in apps] == [401, 401]


@pytest.mark.parametrize("how", ["disabled", "password", "let go", "signed out"])
def test_a_person_who_is_out_is_out_from_the_next_request_on(service: Service, how: str) -> None:
    with service.database.transaction() as session:
        owner, account = people.sign_up(session), people.sign_up(session, "bo@studio.example", name="Bo Example")
        at_owners = people.signed_in(session, owner)
        people.invited(session, at_owners, account, Role.EDITOR)
        token = access.sign_in(session, account, lasts=_HOUR, at=AT)
        holder_id = at_owners.holder_id
    app = create_app(service)
    asking = {"headers": {"Authorization": f"Bearer {token}", "Clearmark-Holder": holder_id}}
    assert Inside(app).get("/v1/works", **asking).status_code == 200
    with service.database.transaction() as session:
        match how:
            case "disabled":
                accounts.disable(session, factories.operator(session), account.id, at=AT)
            case "password":
                known = accounts.account_with(session, "bo@studio.example", PASSWORD)
                accounts.change_password(session, known, accounts.hash_password("another one, long"), at=AT)
            case "let go":
                accounts.give_role(session, at_owners, account.id, None, at=AT)
            case "signed out":
                access.sign_out(session, account.id, at=AT)
    expected = 403 if how == "let go" else 401  # they are still somebody
    assert Inside(app).get("/v1/works", **asking).status_code == expected


def test_what_a_browser_showed_before_signing_in_is_worth_nothing_after(service: Service) -> None:
    """No fixation: whoever planted a visit in somebody's browser knows no token of what they do once signed in."""
    with service.database.transaction() as session:
        issued = factories.key(session, factories.holder(session), Scope.HOLDER_WRITE)
    app, planted = create_app(service), "p" * 32
    before = service.seals.token(planted, None)
    entered = Inside(app).post(
        "/sign-in", data={"token": before, "key": issued.key}, headers={"Cookie": f"{VISIT}={planted}"}
    )
    assert entered.status_code == 303
    sealed = entered.cookies[SIGN_IN].strip('"')
    again = Inside(app).post(
        "/sign-in", data={"token": before, "key": issued.key}, headers={"Cookie": f"{VISIT}={planted}"}
    )
    assert again.cookies[SIGN_IN].strip('"') != sealed
    cookies = {"Cookie": f"{VISIT}={planted}; {SIGN_IN}={sealed}"}
    assert Inside(app).get("/keys", headers=cookies).status_code == 200
    tried = Inside(app).post("/keys", data={"token": before}, headers=cookies)
    assert tried.status_code == 403


def test_whether_an_address_is_known_takes_the_same_work_to_refuse(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: list[str] = []
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, stored: str, password: str) -> bool:
        work.append(stored.rpartition("$")[0].rpartition("$")[0])  # the algorithm and its costs
        return bool(verify(self, stored, password))

    with service.database.transaction() as session:
        people.sign_up(session)
        out = people.sign_up(session, "out@studio.example", name="Out Example")
        accounts.disable(session, factories.operator(session), out.id, at=AT)
    monkeypatch.setattr(PasswordHasher, "verify", counted)
    for email in (ADA, "nobody@studio.example", "out@studio.example"):
        with service.database.reading() as session, pytest.raises(WrongCredentials):
            accounts.account_with(session, email, "not the password")
    assert len(work) == 3
    assert len(set(work)) == 1
