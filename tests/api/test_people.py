"""People over HTTP: from signing up to a work of one's own, and what a caller who asks too much is told."""

import email
import email.policy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.service import RunningService, ok, problem, running_service, until

PASSWORD = "five plain words are fine"


def _letter(service: RunningService, to: str, subject: str) -> str:
    """The text of a letter that was written to somebody."""

    def found() -> str | None:
        for path in Path(service.data_dir, "mail").glob("*.eml"):
            letter = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if letter["to"] == to and letter["subject"] == subject:
                text: str = letter.get_content()
                return text
        return None

    text = until(found)
    assert text is not None
    return text


def _code(text: str) -> str:
    return next(line.strip() for line in text.splitlines() if line.startswith("    "))


def _sign_up(service: RunningService, anyone: httpx.Client, address: str, **said: str) -> dict[str, Any]:
    assert anyone.post("/v1/accounts", json={"email": address, **said}).status_code == 202
    code = _code(_letter(service, address, "Confirm your address"))
    return ok(anyone.post("/v1/accounts/confirm", json={"code": code, "password": PASSWORD}))


def _sign_in(anyone: httpx.Client, address: str) -> dict[str, str]:
    token = ok(anyone.post("/v1/sessions", json={"email": address, "password": PASSWORD}), 201)["token"]
    return {"Authorization": f"Bearer {token}"}


def test_a_stranger_signs_up_is_known_by_their_address_and_registers_a_work(
    service: RunningService, anyone: httpx.Client
) -> None:
    ada = "ada@nighttrain.example"
    account = _sign_up(service, anyone, ada, name="Ada", holder="Night Train", kind="organisation")
    assert [(one["holder"], one["role"]) for one in account["holders"]] == [("Night Train", "owner")]
    signed_in = _sign_in(anyone, ada)
    own = ok(anyone.get("/v1/holder", headers=signed_in))
    assert (own["kind"], own["assurance"], own["may_lead_to"]) == ("organisation", "email", "block")
    key = ok(anyone.post("/v1/keys", headers=signed_in, json={"scopes": ["works:write"], "name": "import"}), 201)["key"]
    with service.client(key) as mine:
        work = ok(mine.post("/v1/works", json={"title": "Night Train", "kind": "film"}), 201)
        problem(mine.get("/v1/keys"), 403, "forbidden")
    assert ok(anyone.get(f"/v1/works/{work['id']}", headers=signed_in))["title"] == "Night Train"
    [listed] = [one for one in ok(anyone.get("/v1/keys", headers=signed_in))["items"] if one["name"] == "import"]
    assert listed["used_at"] is not None
    assert "key" not in listed
    assert anyone.delete("/v1/sessions/current", headers=signed_in).status_code == 204
    problem(anyone.get("/v1/holder", headers=signed_in), 401, "unauthorized")


def test_nobody_has_an_account_on_an_address_that_they_do_not_read(anyone: httpx.Client) -> None:
    victim = "victim@nighttrain.example"
    assert anyone.post("/v1/accounts", json={"email": victim, "name": "Victim"}).status_code == 202
    problem(anyone.post("/v1/sessions", json={"email": victim, "password": PASSWORD}), 401, "unauthorized")
    problem(anyone.post("/v1/accounts/confirm", json={"code": "guessed", "password": PASSWORD}), 422, "invalid")


def test_whether_an_address_has_an_account_shows_nowhere(service: RunningService, anyone: httpx.Client) -> None:
    _sign_up(service, anyone, "known@nighttrain.example", name="Known")
    told = [
        [anyone.post("/v1/accounts", json={"email": email, "name": "Fresh"}).status_code for _ in range(2)]
        for email in ("known@nighttrain.example", "unknown@nighttrain.example")
    ]
    assert told == [[202, 202]] * 2


def test_names_that_look_the_same_are_refused_and_are_no_failure(service: RunningService, anyone: httpx.Client) -> None:
    _sign_up(service, anyone, "editions@nighttrain.example", name="Éditions")
    for name, status in (("Éditions", 409), ("ÉDITIONS", 409), ("Éditions\u200b", 422), ("A\nB", 422)):
        said = {"email": "other@nighttrain.example", "name": name}
        assert anyone.post("/v1/accounts", json=said).status_code == status


def test_a_colleague_signs_up_by_invitation_and_belongs_to_one_holder(
    service: RunningService, anyone: httpx.Client
) -> None:
    bob = "bob@nighttrain.example"
    with service.client(service.key("Inviting", "holder:write")) as owner:
        assert owner.post("/v1/invitations", json={"email": bob, "role": "catalogue"}).status_code == 202
        code = _code(_letter(service, bob, "Join Inviting"))
        said = {"code": code, "password": PASSWORD, "name": "Bob"}
        [joined] = ok(anyone.post("/v1/accounts/confirm", json=said))["holders"]
        assert (joined["holder"], joined["role"]) == ("Inviting", "catalogue")
        assert ok(anyone.get("/v1/works", headers=_sign_in(anyone, bob)))["items"] == []
        [member] = owner.get("/v1/members").json()
        assert owner.get("/v1/invitations").json() == []
        owner.post("/v1/invitations", json={"email": "c@nighttrain.example", "role": "owner"}).raise_for_status()
        [invitation] = owner.get("/v1/invitations").json()
        assert (member["email"], invitation["email"], invitation["role"]) == (bob, "c@nighttrain.example", "owner")
        assert owner.delete(f"/v1/invitations/{invitation['id']}").status_code == 204
        problem(owner.delete(f"/v1/invitations/{invitation['id']}"), 404, "not-found")


def test_the_letters_to_somebody_are_deleted_with_their_account(service: RunningService, anyone: httpx.Client) -> None:
    carl = "carl@nighttrain.example"
    _sign_up(service, anyone, carl, name="Carl")
    assert anyone.delete("/v1/account", headers=_sign_in(anyone, carl)).status_code == 204
    for path in Path(service.data_dir, "mail").iterdir():
        assert carl not in path.read_text(encoding="utf-8"), path


def test_an_agent_speaks_for_whom_they_represent_and_the_record_says_so(
    service: RunningService, anyone: httpx.Client
) -> None:
    principal = service.client(service.key("Painter", "works:write", "holder:write"))
    agent = service.client(service.key("Gallery", "works:write", "holder:write"))
    with principal, agent:
        gallery, painter = (ok(client.get("/v1/holder"))["id"] for client in (agent, principal))
        as_painter = {"Clearmark-Holder": painter}
        problem(agent.get("/v1/works", headers=as_painter), 403, "forbidden")
        appointed = ok(principal.post("/v1/agents", json={"agent_id": gallery, "scopes": ["works:write"]}), 201)
        said = {"title": "Blue", "kind": "image", "reservations": [{"use": "train", "value": "reserved"}]}
        work = ok(agent.post("/v1/works", headers=as_painter, json=said), 201)
        assert work["reservations"][0]["agent_id"] == gallery
        assert ok(principal.get(f"/v1/works/{work['id']}"))["title"] == "Blue"
        assert agent.get(f"/v1/works/{work['id']}").status_code == 404  # not their own
        problem(agent.get("/v1/keys", headers=as_painter), 403, "forbidden")
        assert principal.delete(f"/v1/agents/{appointed['id']}").status_code == 204
        problem(agent.get("/v1/works", headers=as_painter), 403, "forbidden")
    problem(anyone.get("/v1/works", headers={"Clearmark-Holder": painter}), 401, "unauthorized")


def test_the_levels_and_what_they_may_lead_to_are_public(anyone: httpx.Client) -> None:
    levels = anyone.get("/v1/assurance").json()
    assert {one["assurance"]: one["may_lead_to"] for one in levels} == {
        "unverified": "review", "email": "block", "domain": "block", "vetted": "block",
    }  # fmt: skip


def test_a_wrong_password_tells_nothing(anyone: httpx.Client) -> None:
    for address in ("nobody@nighttrain.example", "ada@nighttrain.example"):
        refused = anyone.post("/v1/sessions", json={"email": address, "password": "not it at all"})
        assert problem(refused, 401, "unauthorized")["detail"] == "The address or the password is wrong."


# -- limits --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that lets nobody ask much, and nobody sign up."""
    limits = {"limit_anonymous": "5/minute", "limit_key": "8/minute", "limit_sign_in": "3/minute"}
    folder = tmp_path_factory.mktemp("narrow")
    with running_service(folder, sscd_model="none", sign_up="closed", block_from="vetted", **limits) as started:
        yield started


def test_who_asks_too_much_is_told_when_to_come_again(narrow: RunningService) -> None:
    with narrow.client(narrow.key("Eager", "works:write")) as eager:
        answers = [eager.get("/v1/works") for _ in range(9)]
        assert [answer.status_code for answer in answers] == [200] * 8 + [429]
        assert answers[0].headers["RateLimit-Policy"] == '"key";q=8;w=60'
        assert answers[0].headers["RateLimit"].startswith('"key";r=7;t=')
        problem(answers[-1], 429, "too-many-requests")
        assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
        assert answers[-1].headers["X-Content-Type-Options"] == "nosniff"
        assert eager.get("/healthz").status_code == 200
    with narrow.client(narrow.key("Other", "works:write")) as other:
        assert other.get("/v1/works").status_code == 200  # each key has its own


def test_wrong_keys_count_against_their_address_and_passwords_are_tried_few_times(narrow: RunningService) -> None:
    with narrow.client() as anyone:
        for number in range(3):
            guessed = anyone.get("/v1/works", headers={"Authorization": f"Bearer cm_0_{number}"})
            assert guessed.status_code == 401
        guessed = anyone.get("/v1/works", headers={"Authorization": "Bearer cm_0_more"})
        problem(guessed, 429, "too-many-requests")
        said = {"email": "ada@studio.example", "password": PASSWORD}
        problem(anyone.post("/v1/sessions", json=said), 429, "too-many-requests")


def test_what_a_level_may_lead_to_is_the_operators_policy(narrow: RunningService) -> None:
    with narrow.client() as anyone:
        levels = {one["assurance"]: one["may_lead_to"] for one in anyone.get("/v1/assurance").json()}
    assert levels == {"unverified": "review", "email": "review", "domain": "review", "vetted": "block"}
