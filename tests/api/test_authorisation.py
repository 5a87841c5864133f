"""Every route and every page for every way of coming: roles, keys that have ended, people who were shut out.

`tests.api.test_access` holds which scope opens which route; here is who has the scopes, and for how long.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy.orm import Session

from api.pages import home, public_ledger, registry_search, verify
from api.pages import sign_in as signing_in
from registry import access, accounts
from registry.access import ROLE_SCOPES, Role, Scope, find_or_add_holder, issue_key, sign_in
from registry.database import Database
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Assurance
from registry.models import Account, Membership
from tests.api.access import (
    KEYED,
    OPTIONAL,
    PRIVATE,
    SEEN,
    SEEN_BY_THE_OPERATOR,
    Owned,
    key_of,
    needed,
    one_of_everything,
)
from tests.api.conftest import HOLDER_SCOPES, Clips
from tests.api.service import RunningService, problem
from tests.api.test_pages import ROUTES, routes_of, token_in

_HOUR = timedelta(hours=1)
# Pages that anybody may look at, whoever the records on them belong to; every other page asks who it is.
_PUBLIC_MODULES = (verify, signing_in, home, registry_search, public_ledger)
PUBLIC_PAGES = frozenset(path for module in _PUBLIC_MODULES for _, path in routes_of(module.router)) | {
    "/notices", "/notices/new", "/notices/new/file", "/notices/{notice_id}", "/agent", "/transparency",
    "/my-notices/{notice_id}/confirm",  # asks for the code of a letter, whatever the id
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class People:
    """Credentials: of each role at the owner's, and of those who are out, by what ended."""

    roles: dict[Role, str]
    ended: dict[str, str]


@pytest.fixture(scope="module")
def owned(service: RunningService, clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Owned:
    return one_of_everything(service, clips.unrelated, tmp_path_factory.mktemp("owned"))


@pytest.fixture(scope="module")
def people(service: RunningService) -> Iterator[People]:
    database, at = Database(f"sqlite:///{service.data_dir / 'clearmark.db'}"), datetime.now(UTC)
    with database.transaction() as session:
        roles = {role: sign_in(session, _member(session, role, at=at), lasts=_HOUR, at=at) for role in Role}
        ended = _ended(session, at=at)
    yield People(roles, ended)
    database.dispose()


def _member(session: Session, role: Role, *, at: datetime, name: str = "") -> Account:
    """Somebody with a role at the owner's; who they are was shown long ago."""
    name = name or role.value
    account = Account(
        id=new_id(Prefix.ACCOUNT, at=at), email=f"{name}@owner.example", name=name, created_at=at, email_confirmed_at=at
    )
    holder = find_or_add_holder(session, name="Owner", assurance=Assurance.VETTED, at=at)
    session.add(account)
    session.flush()
    session.add(Membership(holder_id=holder.id, account_id=account.id, role=role.value, added_at=at))
    session.flush()
    return account


def _ended(session: Session, *, at: datetime) -> dict[str, str]:
    """Credentials with everything a holder may give, each of which has ended in its own way."""
    holder = find_or_add_holder(session, name="Owner", assurance=Assurance.VETTED, at=at)
    scopes, past = [Scope(name) for name in HOLDER_SCOPES], at - _HOUR
    expired = issue_key(session, holder, scopes, at=past, expires_at=past + timedelta(seconds=1))
    revoked, maker = (issue_key(session, holder, scopes, at=at) for _ in range(2))
    made = issue_key(session, holder, scopes, at=at, made_by=maker.id)
    for key in (revoked, maker):
        access.revoke_key(session, key.id, at=at)
    out, left, gone = (_member(session, Role.OWNER, at=at, name=name) for name in ("out", "left", "gone"))
    hers = issue_key(session, holder, scopes, at=at, made_by=out.id)
    tokens = [sign_in(session, account, lasts=_HOUR, at=at) for account in (out, left)]
    over = sign_in(session, gone, lasts=timedelta(seconds=1), at=past)
    operator = access.Actor(holder_id=holder.id, scopes=frozenset({Scope.ADMIN}))
    accounts.disable(session, operator, out.id, at=at)
    access.sign_out(session, left.id, at=at)
    return {
        "a key that expired": expired.key,
        "a key that was revoked": revoked.key,
        "a key made with one that was revoked": made.key,
        "a key of somebody who was shut out": hers.key,
        "a sign-in of somebody who was shut out": tokens[0],
        "a sign-in that was ended": tokens[1],
        "a sign-in that is over": over,
    }


_WAYS_TO_END = [
    "a key that expired", "a key that was revoked", "a key made with one that was revoked",
    "a key of somebody who was shut out", "a sign-in of somebody who was shut out", "a sign-in that was ended",
    "a sign-in that is over",
]  # fmt: skip


@pytest.mark.parametrize("way", _WAYS_TO_END)
def test_what_has_ended_opens_no_route(service: RunningService, owned: Owned, people: People, way: str) -> None:
    with service.client(people.ended[way]) as client:
        for operation in [*PRIVATE, *sorted(OPTIONAL)]:
            assert owned.request(client, operation).status_code == httpx.codes.UNAUTHORIZED, operation


@pytest.mark.parametrize("role", Role)
def test_a_role_opens_what_its_scopes_do_and_nothing_else(
    service: RunningService, owned: Owned, people: People, role: Role
) -> None:
    with service.client(people.roles[role]) as member:
        for operation in KEYED:
            scopes = needed(operation)
            if scopes and ROLE_SCOPES[role].isdisjoint(scopes):
                problem(owned.request(member, operation), 403, "forbidden")
            elif operation.startswith("GET "):
                assert owned.request(member, operation).status_code not in (401, 403), operation


@pytest.mark.parametrize("scope", [Scope.REVIEW, Scope.ADMIN])
def test_the_operators_people_have_their_routes_and_no_works_of_others(
    owned: Owned, reviewer: httpx.Client, operator: httpx.Client, scope: Scope
) -> None:
    client = reviewer if scope is Scope.REVIEW else operator
    for operation in KEYED:
        scopes = needed(operation)
        if scopes and scope is Scope.REVIEW and scope not in scopes:
            problem(owned.request(client, operation), 403, "forbidden")
        elif operation.startswith("GET "):
            answer = owned.request(client, operation)
            assert answer.status_code not in (401, 403), operation
            if scopes == (Scope.WORKS_WRITE,) and "{work_id}" in operation:
                problem(answer, 404, "not-found")


# -- pages ---------------------------------------------------------------------------------------


def _browser(service: RunningService, holder: str, *scopes: str) -> Iterator[httpx.Client]:
    with service.client() as client:
        token = token_in(client.get("/sign-in").text)
        key = service.key(holder, *scopes)
        assert client.post("/sign-in", data={"token": token, "key": key}).status_code == httpx.codes.SEE_OTHER
        yield client


@pytest.fixture(scope="module")
def browser(service: RunningService) -> Iterator[httpx.Client]:
    """A browser of another holder, signed in with a key that has all scopes of a holder."""
    yield from _browser(service, "Stranger", *HOLDER_SCOPES)


@pytest.fixture(scope="module")
def owners_browser(service: RunningService) -> Iterator[httpx.Client]:
    yield from _browser(service, "Owner", *HOLDER_SCOPES)


@pytest.fixture(scope="module")
def operators_browser(service: RunningService) -> Iterator[httpx.Client]:
    yield from _browser(service, "Operator", "admin")


def _private(method: str) -> list[str]:
    return sorted({path for verb, path in ROUTES if verb == method and path not in PUBLIC_PAGES})


# Of what is not held back or not published there is no such page, whoever asks.
_ONLY_IN_SOME_STATE = {
    "/review/checks/{check_id}/frame", "/review/notices/{notice_id}/lumen", "/review/quarantines/{asset_id}",
}  # fmt: skip


@pytest.mark.parametrize("path", [path for path in _private("GET") if "_id}" in path])
def test_a_page_of_anothers_does_not_exist(
    browser: httpx.Client, owners_browser: httpx.Client, operators_browser: httpx.Client, owned: Owned, path: str
) -> None:
    its_own = operators_browser if path.startswith(("/operator/", "/review/")) else owners_browser
    if path not in _ONLY_IN_SOME_STATE:
        assert its_own.get(path.format_map(_Ids(owned.ids))).status_code == httpx.codes.OK
    there = browser.get(path.format_map(_Ids(owned.ids)))
    nowhere = browser.get(path.format_map(_Ids(owned.nowhere().ids)))
    assert there.status_code in (403, 404), f"{there.status_code}: {there.text[:300]}"
    assert there.status_code == nowhere.status_code
    assert _said(there) == _said(nowhere)


# What each form asks for, filled in as it wants: what a page has to say against it is not that something is missing.
_FILLED_IN = {
    "/account/members/{account_id}": {"role": "owner"},
    "/checks/{check_id}/release": {"ai_generated": "true"},
    "/conflicts/{conflict_id}/appeal": {"position": "mine", "text": "We made it."},
    "/conflicts/{conflict_id}/statements": {"position": "mine", "text": "We made it."},
    "/keys/{key_id}/revocation": {"sure": "true"},
    "/keys/{key_id}/rotation": {"overlap_s": "0"},
    "/my-notices/{notice_id}/complaint": {"reason": "It is not so."},
    "/my-notices/{notice_id}/counter-notice": {"name": "Ada Example"},
    "/my-notices/{notice_id}/court-action": {"sure": "true"},
    "/my-notices/{notice_id}/cure": {"supplied.work_description": "Mine"},
    "/my-notices/{notice_id}/retract": {"sure": "true"},
    "/operator/holders/{holder_id}/assurance": {"assurance": "vetted", "note": "Seen."},
    "/operator/holders/{holder_id}/thresholds": {"review_matched_s": "2", "block_matched_s": "3"},
    "/releases/{release_id}/revocation": {"revocation": "mistake", "reason": "Not ours."},
    "/review/checks/{check_id}": {"decision": "approve", "reason": "fine"},
    "/review/conflicts/{conflict_id}": {"outcome": "shared", "reason": "Both made it."},
    "/review/findings/{finding_id}": {"decision": "dismiss", "reason": "A parody."},
    "/review/misuse/{holder_id}": {"side": "claimant", "decision": "warn", "reason": "Look first."},
    "/review/misuse/{holder_id}/distrust": {"reason": "Withdrawn."},
    "/review/notices/{notice_id}/act": {"event": "find_valid"},
    "/review/notices/{notice_id}/counter-notice": {"name": "Ada Example"},
    "/review/notices/{notice_id}/uploader": {"name": "Bo", "email": "bo@maker.example"},
    "/review/quarantines/{asset_id}": {"decision": "release", "reason": "fine"},
    "/works/{work_id}/edit": {"title": "Other"},
    "/works/{work_id}/files/{asset_id}/exclusions": {"start_s": "0", "end_s": "1", "reason": "a logo"},
}


@pytest.mark.parametrize("path", [path for path in _private("POST") if "_id}" in path and "/uploads" not in path])
def test_a_form_about_what_is_anothers_does_nothing(
    service: RunningService, browser: httpx.Client, operator: httpx.Client, owned: Owned, path: str
) -> None:
    with service.client(owned.keys[()]) as owner:
        before = _looked_at(owner, operator, owned, path)
        said = {"token": token_in(browser.get("/account").text), **_FILLED_IN.get(path, {})}
        files = {"file": ("a.mp4", b"x")} if path.endswith("/files") else None
        answer = browser.post(path.format_map(_Ids(owned.ids)), data=said, files=files)
        assert answer.status_code in (403, 404), f"{answer.status_code}: {answer.text[:300]}"
        assert _looked_at(owner, operator, owned, path) == before


def _looked_at(owner: httpx.Client, operator: httpx.Client, owned: Owned, path: str) -> list[str]:
    """What its owner, or the operator, sees of whatever a path is about; letters and jobs are on pages alone."""
    seen = []
    for name in set(re.findall(r"\{(\w+_id)\}", path)) - {"mail_id", "job_id"}:
        _, where = (SEEN | SEEN_BY_THE_OPERATOR)[name].split(" ")
        answer = (operator if name in SEEN_BY_THE_OPERATOR else owner).get(where.format(**owned.ids))
        assert answer.status_code == httpx.codes.OK, f"{name}: {answer.text[:300]}"
        seen.append(answer.text)
    return seen


class _Ids(dict[str, str]):
    """What is in no table is something that is not there."""

    def __missing__(self, name: str) -> str:
        return "0"


def _said(answer: httpx.Response) -> str:
    """A page but for ids, and for the token of its forms."""
    return re.sub(r"[a-z]{3}_[0-9a-f]{32}|[0-9a-f]{64}", "…", answer.text)


# -- headers -------------------------------------------------------------------------------------

# Of each kind one: a page, a static file, an answer, a file to save, a table, a problem, a way on.
_ANSWERS = [
    "/", "/works", "/sign-in", "/static/none", "/nothing", "/v1/nothing", "/v1/works", "/v1/works?cursor=%00",
    "/v1/checks/{check_id}", "/v1/releases/{release_id}/file", "/v1/releases/{release_id}/manifest",
    "/v1/exports/works.csv", "/v1/public/transparency.csv", "/v1/ledger/checkpoint", "/sbr/services/status",
    "/.well-known/jwks.json", "/openapi.json", "/healthz", "/metrics", "/transparency", "/v1/notices/tracks",
]  # fmt: skip


@pytest.mark.parametrize("path", _ANSWERS)
def test_every_kind_of_answer_says_what_browsers_may_do_with_it(
    service: RunningService, owned: Owned, path: str
) -> None:
    key = key_of(service, "Owner", [Scope(name) for name in HOLDER_SCOPES])
    with service.client(key) as client, service.client() as nobody:
        for asking in (client, nobody):
            headers = asking.get(path.format_map(_Ids(owned.ids))).headers
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] in ("no-referrer", "same-origin")
            assert "default-src 'none'" in headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert "unsafe" not in headers["Content-Security-Policy"]
            assert "Server" not in headers or "/" not in headers["Server"], "no version to look up"
