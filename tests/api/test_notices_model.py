"""Notices over HTTP against the model of the desk: anybody asks for anything, and every refusal changes nothing.

No time passes here: what time brings about is compared in `tests.integration.test_takedown_model`.
"""

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from registry.errors import Conflict, Forbidden, Invalid, NotFound
from takedown.domain.states import Actor as Role
from takedown.domain.states import Event
from takedown.domain.track import TrackName
from takedown.errors import IllegalTransition
from tests import media
from tests.api.service import RunningService, ok, problem, run_cli_here, send
from tests.effort import examples
from tests.integration.test_takedown_model import Model
from tests.unit.takedown.test_takedown_model import CAUSES, COMPLAINS, COURSES, ENDINGS, Case

NOTICE = {
    "signature": "Ada Example", "work_description": "The Film", "contact_name": "Ada Example",
    "contact_email": "ada@example.org", "good_faith": True, "accuracy_under_penalty_of_perjury": True,
    "authority": True, "explanation": "It is a copy.", "depicted_person": "Ada Example", "bona_fide": True,
    "without_consent": True,
}  # fmt: skip
# What is left out, and what that makes of a notice on every track.
LEFT_OUT: dict[Event, dict[str, Any]] = {
    Event.FIND_VALID: {},
    Event.REQUEST_CURE: {"signature": None, "bona_fide": False},
    Event.FIND_DEFECTIVE: {"material": []},
}
SUPPLIED = {"signature": "Ada Example", "bona_fide": True, "material": ["https://clips.example/1"]}
COUNTER = {
    "signature": "Bo Example", "name": "Bo Example", "address": "1 Example Street", "telephone": "555 0100",
    "mistake_under_penalty_of_perjury": True, "consent_to_jurisdiction": True, "accept_service": True,
    "material": ["The clip"], "former_locations": ["https://clips.example/1"],
}  # fmt: skip
ANSWERS = {
    NotFound: (404, "not-found"),
    Forbidden: (403, "forbidden"),
    Conflict: (409, "conflict"),
    IllegalTransition: (409, "illegal-transition"),
    Invalid: (422, "invalid"),
}
SCOPES = {
    "claimant": "notices:write",
    "maker": "checks:write,releases:write,notices:write",
    "reviewer": "review",
    "another reviewer": "review",
    "stranger": "notices:write",
}


@dataclass(slots=True)
class Town:
    """Who lives beside the service, two releases, and which notice keeps which of them down."""

    clients: dict[str, httpx.Client]
    releases: list[str]
    down: dict[str, set[str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def town(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("made")
    with ExitStack() as stack:
        clients = {who: stack.enter_context(service.client(_key(service, who))) for who in SCOPES}
        clients["nobody"] = stack.enter_context(service.client())
        made = [_release(clients["maker"], folder / f"{n}.mp4") for n in range(2)]
        yield Town(clients=clients, releases=made, down={one: set() for one in made})


def _key(service: RunningService, who: str) -> str:
    """Of a holder of this town alone: what is held against somebody here concerns no other test."""
    ran = run_cli_here(
        *("keys", "create", "--holder", f"Town {who}", "--scopes", SCOPES[who], "--assurance", "vetted", "--json"),
        environment=service.environment,
    )
    assert ran.returncode == 0, ran.stderr
    key: str = json.loads(ran.stdout)["key"]
    return key


def _release(maker: httpx.Client, path: Path) -> str:
    """Of a clip that no test registered or released."""
    check = ok(send(maker, "/v1/checks", media.moving_clip(path, seconds=3, seed=uuid.uuid4().int % 2**31)))
    made: str = ok(maker.post("/v1/releases", json={"check_id": check["id"]}), 201)["id"]
    return made


class Notices(RuleBasedStateMachine):
    town: Town

    @initialize(track=st.sampled_from(TrackName), where=st.integers(0, 2))
    def somebody_files_a_complete_notice(self, track: TrackName, where: int) -> None:
        self.notices: dict[str, tuple[Model, str | None]] = {}
        self._file(track, Event.FIND_VALID, where)

    @rule(track=st.sampled_from(TrackName), form=st.sampled_from(list(LEFT_OUT)), where=st.integers(0, 2))
    @precondition(lambda self: len(self.notices) < 3)
    def somebody_files(self, track: TrackName, form: Event, where: int) -> None:
        self._file(track, form, where)

    @rule(
        which=st.integers(0, 2), who=st.sampled_from(list(SCOPES)), wish=st.integers(0, 99), is_possible=st.booleans()
    )
    def anybody_asks_for_anything(self, which: int, who: str, wish: int, *, is_possible: bool) -> None:
        """Often for what could happen now, so that it is by whom and when that decides."""
        notice_id = self._notice(which)
        wishes = [one for one in Event if not is_possible or self.notices[notice_id][0].case.may(one)] or list(Event)
        self._act(notice_id, who, wishes[wish % len(wishes)])

    @rule(which=st.integers(0, 2), choices=st.lists(st.integers(0, 99), min_size=1, max_size=4))
    def business_goes_on(self, which: int, choices: list[int]) -> None:
        """A few steps of whoever may take them; what ends a matter is seldom among them."""
        notice_id = self._notice(which)
        for choice in choices:
            self._choose(notice_id, choice, ENDINGS if choice // 10 == 7 else set(Event) - ENDINGS)

    @rule(which=st.integers(0, 2), course=st.sampled_from(COURSES))
    def a_course_is_taken(self, which: int, course: list[Event]) -> None:
        notice_id = self._notice(which)
        for event in course:
            self._choose(notice_id, 0, {event})
            self._choose(notice_id, 0, {Event.NOTIFY_UPLOADER})

    @rule(which=st.integers(0, 2), who=st.sampled_from(list(SCOPES)))
    def a_notice_is_completed(self, which: int, who: str) -> None:
        notice_id = self._notice(which)
        model, role = self.notices[notice_id][0], self._role(notice_id, who)
        refused: type[Exception] | None = None if model.case.may(Event.CURE) else IllegalTransition
        if role is not Role.CLAIMANT:
            refused = NotFound if role is None else Forbidden
        answer = self._post(notice_id, who, "transitions", {"event": "cure", "supplied": SUPPLIED})
        if self._is_as_expected(notice_id, answer, refused):
            model.form = Event.FIND_VALID
            model.happens(Event.CURE, Role.CLAIMANT, datetime.now(UTC))

    @rule(which=st.integers(0, 2), who=st.sampled_from(list(SCOPES)), is_complete=st.booleans())
    def a_counter_notice_comes(self, which: int, who: str, *, is_complete: bool) -> None:
        self._counter(self._notice(which), who, is_complete=is_complete)

    @rule(which=st.integers(0, 2), who=st.sampled_from(list(SCOPES)))
    def somebody_complains_without_a_reason(self, which: int, who: str) -> None:
        notice_id = self._notice(which)
        refused = self._refusal(notice_id, who, Event.COMPLAIN)
        if refused is None or refused is Conflict:  # before it is asked whether there was a complaint already
            refused = Invalid
        self._is_as_expected(notice_id, self._post(notice_id, who, "transitions", {"event": "complain"}), refused)

    @rule(which=st.integers(0, 2), event=st.sampled_from(Event))
    def somebody_without_a_key_is_told_nothing(self, which: int, event: Event) -> None:
        answer = self._post(self._notice(which), "nobody", "transitions", {"event": event, "reason": "Because."})
        problem(answer, 401, "unauthorized")

    # -- parts -----------------------------------------------------------------------------------

    def _notice(self, which: int) -> str:
        return list(self.notices)[which % len(self.notices)]

    def _file(self, track: TrackName, form: Event, where: int) -> None:
        """About one of the releases, or about something elsewhere."""
        release = None if form is Event.FIND_DEFECTIVE else [*self.town.releases, None][where]
        body = {**NOTICE, "track": track, "release_id": release, "material": ["https://clips.example/1"]}
        filed = ok(self.town.clients["claimant"].post("/v1/notices", json=body | LEFT_OUT[form]), 201)
        at = datetime.fromisoformat(filed["created_at"])
        if track is TrackName.DSA_16 and form is Event.FIND_DEFECTIVE:
            form = Event.REQUEST_CURE  # art. 16(6): every notice is processed
        model = Model(
            case=Case(track=track, filed_at=at), form=form, is_about_release=release is not None,
            is_address_known=True, is_reached=False,
        )  # fmt: skip
        model.happens(Event.CONFIRM_EMAIL, Role.SYSTEM, at)
        self.notices[filed["id"]] = model, release

    def _role(self, notice_id: str, who: str) -> Role | None:
        if SCOPES[who] == "review":
            return Role.REVIEWER
        if who == "maker":
            return Role.UPLOADER if self.notices[notice_id][0].is_told else None
        return Role.CLAIMANT if who == "claimant" else None

    def _refusal(self, notice_id: str, who: str, event: Event) -> type[Exception] | None:
        model, role = self.notices[notice_id][0], self._role(notice_id, who)
        if event is Event.RECEIVE_COUNTER and model.case.may(event) and role is not None and event in CAUSES[role]:
            return None  # by the counter-notice itself
        return model.refusal(role, who, event, datetime.now(UTC))

    def _choose(self, notice_id: str, choice: int, among: set[Event]) -> None:
        """Have somebody do one of these who may."""
        open_to = [
            (who, one) for one in Event for who in SCOPES if one in among and not self._refusal(notice_id, who, one)
        ]
        if open_to:
            self._act(notice_id, *open_to[choice % len(open_to)])

    def _act(self, notice_id: str, who: str, event: Event) -> None:
        model, role = self.notices[notice_id][0], self._role(notice_id, who)
        refused = self._refusal(notice_id, who, event)
        if event is Event.RECEIVE_COUNTER and refused is None:
            self._counter(notice_id, who, is_complete=True)
            return
        complains = event is Event.COMPLAIN and model.case.may(event) and role is COMPLAINS[model.case.state]
        body = {"reason": "Because."} if complains else {"reason": "Because.", "event": event}
        answer = self._post(notice_id, who, "complaint" if complains else "transitions", body)
        if self._is_as_expected(notice_id, answer, refused) and role is not None:
            model.happens(event, role, datetime.now(UTC), {who})

    def _counter(self, notice_id: str, who: str, *, is_complete: bool) -> None:
        model, role = self.notices[notice_id][0], self._role(notice_id, who)
        refused: type[Exception] | None = None if model.case.may(Event.RECEIVE_COUNTER) else IllegalTransition
        if role in (None, Role.CLAIMANT):
            refused = NotFound if role is None else Forbidden
        answer = self._post(notice_id, who, "counter-notice", COUNTER | ({} if is_complete else {"telephone": None}))
        if self._is_as_expected(notice_id, answer, refused) and role is not None:
            model.happens(Event.RECEIVE_COUNTER, role, datetime.now(UTC))
            if is_complete:
                model.happens(Event.FORWARD_COUNTER, Role.SYSTEM, datetime.now(UTC))

    def _post(self, notice_id: str, who: str, what: str, body: dict[str, Any]) -> httpx.Response:
        return self.town.clients[who].post(f"/v1/notices/{notice_id}/{what}", json=body)

    def _is_as_expected(self, notice_id: str, answer: httpx.Response, refused: type[Exception] | None) -> bool:
        if refused is None:
            ok(answer)
            return True
        said = problem(answer, *ANSWERS[refused])
        if refused is IllegalTransition:
            assert set(said["allowed"]) == self.notices[notice_id][0].case.possible()
        return False

    # -- what always holds -----------------------------------------------------------------------

    @invariant()
    def a_notice_is_where_the_model_is(self) -> None:
        for notice_id, (model, release) in self.notices.items():
            seen = ok(self.town.clients["reviewer"].get(f"/v1/notices/{notice_id}"))
            assert seen["state"] == model.case.state
            assert [each["state"] for each in seen["history"]] == [state for state, _ in model.case.history]
            assert [each["actor"] for each in seen["history"]] == model.actors
            assert set(seen["possible_events"]) == model.case.possible()
            assert {each["name"] for each in seen["deadlines"]} == set(model.case.dates())
            assert (seen["review"]["barred"] != []) == (model.barred() != set())
            if release is not None:
                keeps = self.town.down[release]
                (keeps.add if model.case.is_down else keeps.discard)(notice_id)

    @invariant()
    def a_release_is_served_unless_a_notice_keeps_it_down(self) -> None:
        for release, keeps in self.town.down.items():
            with self.town.clients["maker"].stream("GET", f"/v1/releases/{release}/file") as answer:
                assert answer.status_code == (451 if keeps else 200)

    @invariant()
    def nobody_else_sees_it(self) -> None:
        for notice_id in self.notices:
            problem(self.town.clients["stranger"].get(f"/v1/notices/{notice_id}"), 404, "not-found")


def test_every_answer_is_what_the_law_has_of_it(town: Town) -> None:
    class Here(Notices):
        pass

    Here.town = town
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples(12), stateful_step_count=15, deadline=None, derandomize=True,
            report_multiple_bugs=False,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),  # shrinking outlasts a test
        ),
    )  # fmt: skip
