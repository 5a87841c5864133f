"""Forty cases, played from outside with a clock that is moved: what becomes of each, and by which dates.

The dates are written by hand from a calendar of New York: 2026-12-21 is a Monday, the 25th and January 1st are
holidays, and so is Martin Luther King Day, January 18th.
"""

import email
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.service import RunningService, ok, problem, running_service, until

MONDAY = datetime(2026, 12, 21, 15, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PLACE = "https://platform.example/watch/1"
DMCA: dict[str, Any] = {
    "signature": "Ada Example", "work_description": "The film Night Train", "material": [PLACE],
    "contact_name": "Ada Example", "contact_email": "ada@studio.example", "good_faith": True,
    "accuracy_under_penalty_of_perjury": True, "authority": True,
}  # fmt: skip
DSA: dict[str, Any] = {
    "track": "dsa_16", "explanation": "It copies my film.", "material": [PLACE], "contact_name": "Ada Example",
    "contact_email": "ada@studio.example", "bona_fide": True,
}  # fmt: skip
INTIMATE: dict[str, Any] = {
    "track": "take_it_down", "signature": "Ada Example", "material": [PLACE], "contact_name": "Ada Example",
    "contact_email": "ada@studio.example", "without_consent": True,
}  # fmt: skip
LIKENESS: dict[str, Any] = {
    **INTIMATE, "track": "likeness", "depicted_person": "Ada Example", "authority": True,
}  # fmt: skip
COUNTER: dict[str, Any] = {
    "signature": "Bo Example", "material": ["My clip"], "former_locations": [PLACE], "name": "Bo Example",
    "address": "1 Main Street", "telephone": "+1 555 0100", "mistake_under_penalty_of_perjury": True,
    "consent_to_jurisdiction": True, "accept_service": True,
}  # fmt: skip
UPLOADER = {"name": "Bo Example", "email": "bo@maker.example"}


@dataclass(slots=True, kw_only=True)
class Stage:
    """A service of its own, those who act, and the clock."""

    service: RunningService
    clock: Path
    claimant: httpx.Client
    reviewer: httpx.Client
    second: httpx.Client
    at: datetime = MONDAY
    notice: dict[str, Any] = field(default_factory=dict)

    def moves(self, at: datetime) -> None:
        """Let it be another time; everything that came due meanwhile is done."""
        self.at = at
        self.clock.write_text(at.isoformat())

    def files(self, body: dict[str, Any], **changes: Any) -> None:
        self.notice = ok(self.claimant.post("/v1/notices", json=body | changes), 201)

    def does(self, who: httpx.Client, event: str, **said: Any) -> None:
        answer = who.post(f"/v1/notices/{self.notice['id']}/transitions", json={"event": event, **said})
        self.notice = ok(answer)

    def disables(self) -> None:
        """With the uploader told."""
        self.does(self.reviewer, "disable", reason="It is a copy.")
        self.notice = ok(self.reviewer.put(f"/v1/notices/{self.notice['id']}/uploader", json=UPLOADER))

    def counters(self, **changes: Any) -> None:
        answer = self.reviewer.post(f"/v1/notices/{self.notice['id']}/counter-notice", json=COUNTER | changes)
        self.notice = ok(answer)  # it came by post: the reviewer enters it

    def complains(self, who: httpx.Client) -> None:
        answer = who.post(f"/v1/notices/{self.notice['id']}/complaint", json={"reason": "It is not so."})
        self.notice = ok(answer)

    def becomes(self, state: str) -> None:
        """Wait for what happens by itself."""
        until(lambda: self.now()["state"] == state)

    def now(self) -> dict[str, Any]:
        self.notice = ok(self.reviewer.get(f"/v1/notices/{self.notice['id']}"))
        return self.notice

    @property
    def missing(self) -> set[str]:
        return {one["element"] for one in self.notice["missing"]}

    @property
    def days(self) -> dict[str, str]:
        return {one["name"]: one["day"] for one in self.notice["deadlines"]}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("cases")
    clock = folder / "clock"
    clock.write_text(MONDAY.isoformat())
    with running_service(folder, clock=f"file:{clock}", sscd_model="none", notices_per_day=500) as service:
        keys = [
            service.key("Studio", "notices:write"), service.key("Desk", "review", "admin"),
            service.key("Desk", "review", "admin"),
        ]  # fmt: skip
        claimant, reviewer, second = (service.client(key) for key in keys)
        with claimant, reviewer, second:
            yield Stage(service=service, clock=clock, claimant=claimant, reviewer=reviewer, second=second)


@pytest.fixture(autouse=True)
def monday(stage: Stage) -> None:
    stage.moves(MONDAY)


# -- the form of the papers: each track complete, and each element missing in turn -----------------

FORMS = [
    ("dmca complete", DMCA, {}, "valid", set()),
    ("dmca work by its id", DMCA, {"work_description": None, "work_ids": ["wrk_1"]}, "valid", set()),
    ("dmca unsigned", DMCA, {"signature": None}, "cure_requested", {"signature"}),
    ("dmca no work", DMCA, {"work_description": None}, "defective", {"work"}),
    ("dmca no material", DMCA, {"material": []}, "defective", {"material"}),
    ("dmca no contact", DMCA, {"contact_email": None}, "defective", {"contact"}),
    ("dmca no good faith", DMCA, {"good_faith": False}, "cure_requested", {"good_faith"}),
    ("dmca no accuracy", DMCA, {"accuracy_under_penalty_of_perjury": False}, "cure_requested",
     {"accuracy_and_authority"}),
    ("dmca no authority", DMCA, {"authority": False}, "cure_requested", {"accuracy_and_authority"}),
    ("dmca bare", DMCA, {"signature": None, "good_faith": False, "authority": False}, "cure_requested",
     {"signature", "good_faith", "accuracy_and_authority"}),
    ("dsa complete", DSA, {}, "valid", set()),
    ("dsa no explanation", DSA, {"explanation": None}, "cure_requested", {"explanation"}),
    ("dsa no location", DSA, {"material": []}, "cure_requested", {"location"}),
    ("dsa no name", DSA, {"contact_name": None}, "cure_requested", {"contact"}),
    ("dsa no bona fide", DSA, {"bona_fide": False}, "cure_requested", {"bona_fide"}),
    ("intimate complete", INTIMATE, {}, "valid", set()),
    ("intimate unsigned", INTIMATE, {"signature": None}, "cure_requested", {"signature"}),
    ("intimate no statement", INTIMATE, {"without_consent": False}, "cure_requested", {"without_consent"}),
    ("intimate no place", INTIMATE, {"material": []}, "defective", {"material"}),
    ("likeness complete", LIKENESS, {}, "valid", set()),
    ("likeness of nobody", LIKENESS, {"depicted_person": None}, "defective", {"person"}),
    ("likeness no authority", LIKENESS, {"authority": False}, "cure_requested", {"authority"}),
]  # fmt: skip


@pytest.mark.parametrize(("body", "changes", "state", "missing"), [row[1:] for row in FORMS], ids=[r[0] for r in FORMS])
def test_the_form_of_a_notice(
    stage: Stage, body: dict[str, Any], changes: dict[str, Any], state: str, missing: set[str]
) -> None:
    stage.files(body, **changes)
    assert (stage.notice["state"], stage.missing) == (state, missing)
    assert all(one["what_to_supply"] and one["reference"] for one in stage.notice["missing"])


# -- what becomes of them --------------------------------------------------------------------------


def cured(stage: Stage) -> None:
    stage.files(DMCA, signature=None)
    assert stage.days == {"cure_by": "2027-01-21"}
    stage.moves(MONDAY + 3 * DAY)
    stage.does(stage.claimant, "cure", supplied={"signature": "Ada Example"})
    assert (stage.notice["state"], stage.missing) == ("valid", set())
    assert stage.days == {"disable_target": "2026-12-29"}, "counted from the cure, past Christmas and a weekend"


def never_cured(stage: Stage) -> None:
    stage.files(DMCA, signature=None)
    stage.moves(datetime(2027, 1, 22, 6, tzinfo=UTC))
    stage.becomes("defective")


def cured_with_too_little(stage: Stage) -> None:
    stage.files(DMCA, signature=None, good_faith=False)
    stage.does(stage.claimant, "cure", supplied={"signature": "Ada Example"})
    assert (stage.notice["state"], stage.missing) == ("cure_requested", {"good_faith"})


def restored_by_itself(stage: Stage) -> None:
    stage.files(DMCA)
    stage.disables()
    stage.moves(MONDAY + DAY)
    stage.counters()
    assert stage.notice["state"] == "forwarded"
    assert stage.days == {
        "court_action_by": "2027-01-07", "restore_not_before": "2027-01-07", "restore_not_after": "2027-01-13",
    }  # fmt: skip
    stage.moves(datetime(2027, 1, 8, 4, 59, tzinfo=UTC))  # a minute before that day ends in New York
    early = {"event": "restore", "reason": "Early."}
    problem(stage.reviewer.post(f"/v1/notices/{stage.notice['id']}/transitions", json=early), 409, "conflict")
    assert stage.now()["state"] == "forwarded"
    stage.moves(datetime(2027, 1, 8, 5, 0, tzinfo=UTC))
    stage.becomes("restored")


def an_incomplete_counter_notice_starts_nothing(stage: Stage) -> None:
    stage.files(DMCA)
    stage.disables()
    stage.counters(telephone=None)
    assert (stage.notice["state"], stage.missing, stage.days) == ("counter_received", {"contact_and_consent"}, {})
    stage.moves(datetime(2027, 1, 4, 15, tzinfo=UTC))
    stage.counters()
    assert stage.days["restore_not_before"] == "2027-01-19", "ten business days past Martin Luther King Day"
    assert stage.days["restore_not_after"] == "2027-01-25"


def held_by_a_court(stage: Stage) -> None:
    stage.files(DMCA)
    stage.disables()
    stage.counters()
    stage.moves(datetime(2027, 1, 6, 15, tzinfo=UTC))
    stage.does(stage.claimant, "court_action", reason="No. 27-1, District of Example")
    assert (stage.notice["state"], stage.days) == ("held", {})
    stage.moves(datetime(2027, 6, 1, 15, tzinfo=UTC))
    assert stage.now()["state"] == "held", "time alone does not end it"
    stage.does(stage.reviewer, "restore", reason="The action was dismissed.")
    assert stage.notice["state"] == "restored"


def a_court_action_too_late(stage: Stage) -> None:
    stage.files(DMCA)
    stage.disables()
    stage.counters()
    stage.moves(datetime(2027, 1, 7, 6, tzinfo=UTC))
    stage.becomes("restored")
    late = stage.claimant.post(f"/v1/notices/{stage.notice['id']}/transitions", json={"event": "court_action"})
    problem(late, 409, "illegal-transition")


def retracted(stage: Stage) -> None:
    stage.files(DMCA)
    stage.disables()
    stage.does(stage.claimant, "retract", reason="We settled.")
    assert (stage.notice["state"], stage.days) == ("retracted", {})


def a_duplicate(stage: Stage) -> None:
    place = "https://platform.example/watch/twice"
    stage.files(DMCA, material=[place])
    first = stage.notice["id"]
    stage.files(DMCA, material=[place])
    assert (stage.notice["state"], stage.notice["duplicate_of"]) == ("valid", first)
    stage.notice = {"id": first}
    stage.does(stage.reviewer, "disable", reason="It is a copy.", for_duplicates=True)
    assert {one["id"] for one in waiting(stage) if first in (one["id"], one["duplicate_of"])} == {
        first, *stage.notice["review"]["duplicates"],
    }, "both wait for somebody to be told"  # fmt: skip
    assert len(stage.notice["review"]["duplicates"]) == 1


def waiting(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(stage.reviewer.get("/v1/notices/queue", params={"limit": 200}))["items"]
    return found


def abusive(stage: Stage) -> None:
    stage.files(DMCA)
    stage.does(stage.reviewer, "reject_abuse", reason_code="impersonation", gravity="grave", reason="Not the studio.")
    assert stage.notice["state"] == "rejected_abuse"
    assert stage.days == {"complaint_by": "2027-06-21"}
    stage.complains(stage.claimant)
    assert stage.notice["state"] == "claimant_complaint"
    again = {"event": "uphold", "reason": "I was right."}
    problem(stage.reviewer.post(f"/v1/notices/{stage.notice['id']}/transitions", json=again), 403, "forbidden")
    stage.does(stage.second, "reinstate", reason="They are who they say.")
    assert stage.notice["state"] == "valid"


def suspended(stage: Stage) -> None:
    service = stage.service
    with service.client(service.key("Flooder", "notices:write")) as flooder:
        stage.notice = ok(flooder.post("/v1/notices", json=DMCA), 201)
        stage.does(stage.reviewer, "reject_abuse", reason="Made up.", intent="A competitor's clips alone.")
        holder = next(
            one["id"] for one in ok(stage.reviewer.get("/v1/holders"))["items"] if one["name"] == "Flooder"
        )  # fmt: skip
        path = f"/v1/holders/{holder}/misuse"
        suspend = {
            "side": "claimant", "decision": "suspend", "reason": "Again and again.",
            "until": (MONDAY + 30 * DAY).isoformat(),
        }  # fmt: skip
        problem(stage.reviewer.post(path, json=suspend), 409, "conflict")  # nobody warned them
        ok(stage.reviewer.post(path, json={"side": "claimant", "decision": "warn", "reason": "Look first."}))
        ok(stage.reviewer.post(path, json=suspend))
        stage.notice = ok(flooder.post("/v1/notices", json=DMCA), 201)
        assert (stage.notice["state"], stage.notice["is_set_aside"]) == ("submitted", True)
        assert stage.now()["content"]["signature"] == "Ada Example", "people can read it"
        intimate = ok(flooder.post("/v1/notices", json=INTIMATE), 201)
        assert (intimate["state"], intimate["is_set_aside"]) == ("valid", False), "the Act knows no suspension"
        stage.moves(MONDAY + 31 * DAY)
        assert ok(flooder.post("/v1/notices", json=DMCA), 201)["state"] == "valid"


def declined_and_closed(stage: Stage) -> None:
    stage.files(DSA)
    stage.does(stage.reviewer, "decline", reason_code="fair_use", reason="A review.", fair_use="Quotes ten seconds.")
    assert (stage.notice["state"], stage.days) == ("declined", {"complaint_by": "2027-06-21"})
    stage.moves(datetime(2027, 6, 22, 5, tzinfo=UTC))
    stage.becomes("closed")


def an_uploaders_complaint(stage: Stage) -> None:
    stage.files(DSA)
    stage.disables()
    assert stage.days == {"complaint_by": "2027-06-21"}
    stage.complains(stage.reviewer)
    assert (stage.notice["state"], stage.days) == ("uploader_complaint", {"complaint_decision_target": "2027-01-06"})
    mine = {"event": "restore", "reason": "I was wrong."}
    problem(stage.reviewer.post(f"/v1/notices/{stage.notice['id']}/transitions", json=mine), 403, "forbidden")
    stage.does(stage.second, "restore", reason="They are right.")
    assert stage.notice["state"] == "restored"


def an_uploaders_complaint_rejected(stage: Stage) -> None:
    stage.files(LIKENESS)
    stage.disables()
    stage.complains(stage.reviewer)
    stage.does(stage.second, "uphold", reason="The voice is theirs.")
    assert (stage.notice["state"], stage.days) == ("upheld", {})


def forty_eight_hours(stage: Stage) -> None:
    stage.moves(datetime(2026, 12, 31, 20, tzinfo=UTC))
    stage.files(INTIMATE)
    [due] = stage.notice["deadlines"]
    assert (due["name"], due["at"][:16]) == ("remove_by", "2027-01-02T20:00"), "no holiday stops it"
    assert due["statutory"]


def forty_eight_hours_from_the_cure(stage: Stage) -> None:
    stage.files(INTIMATE, signature=None)
    stage.moves(MONDAY + 5 * HOUR)
    stage.does(stage.claimant, "cure", supplied={"signature": "Ada Example"})
    assert stage.notice["deadlines"][0]["at"][:16] == "2026-12-23T20:00"


def of_a_trusted_flagger(stage: Stage) -> None:
    service = stage.service
    with service.client(service.key("Watchers", "notices:write")) as watchers:
        holder = ok(watchers.post("/v1/notices", json=DSA), 201)
        assert holder["tier"] == "vetted"
        known = ok(stage.reviewer.get("/v1/holders"))["items"]
        path = f"/v1/holders/{next(one['id'] for one in known if one['name'] == 'Watchers')}/trusted-flagger"
        ok(stage.reviewer.put(path, json={"basis": "Awarded by the coordinator of Example."}))
        flagged = ok(watchers.post("/v1/notices", json=DSA), 201)
        assert flagged["tier"] == "trusted_flagger"
        places = [one["id"] for one in waiting(stage) if one["track"] == "dsa_16" and one["state"] == "valid"]
        assert places.index(flagged["id"]) < places.index(holder["id"])


def without_a_key(stage: Stage) -> None:
    with stage.service.client() as anyone:
        filed = ok(anyone.post("/v1/notices", json=DSA | {"contact_email": "anna@home.example", "language": "id"}), 201)
        assert (filed["state"], filed["ticket"]) == ("submitted", None)
        problem(anyone.get(f"/v1/notices/{filed['id']}"), 401, "unauthorized")
        letter = str(until(lambda: _letter_to(stage.service, "anna@home.example")))
        code = next(line.strip() for line in letter.splitlines() if len(line.strip()) == 32 and " " not in line.strip())
        path = f"/v1/notices/{filed['id']}/confirmation"
        confirmed = ok(anyone.post(path, json={"code": code}))
        assert confirmed["state"] == "valid"
        problem(anyone.post(path, json={"code": code}), 422, "invalid")
    with stage.service.client(confirmed["ticket"]) as claimant:
        assert ok(claimant.get(f"/v1/notices/{filed['id']}"))["content"]["explanation"] == DSA["explanation"]
        problem(claimant.post("/v1/works", json={"title": "Mine", "kind": "film"}), 403, "forbidden")
        stage.notice = ok(
            claimant.post(f"/v1/notices/{filed['id']}/transitions", json={"event": "retract"})
        )  # fmt: skip
    assert stage.notice["state"] == "retracted"


def _letter_to(service: RunningService, address: str) -> str | None:
    for path in (service.data_dir / "mail").glob("*.eml"):
        letter = email.message_from_bytes(path.read_bytes(), policy=default)
        body = letter.get_body(("plain",))
        if str(letter["To"]) == address and body is not None:
            return str(body.get_content())
    return None


PLAYED: list[Callable[[Stage], None]] = [
    cured, never_cured, cured_with_too_little, restored_by_itself, an_incomplete_counter_notice_starts_nothing,
    held_by_a_court, a_court_action_too_late, retracted, a_duplicate, abusive, suspended, declined_and_closed,
    an_uploaders_complaint, an_uploaders_complaint_rejected, forty_eight_hours, forty_eight_hours_from_the_cure,
    of_a_trusted_flagger, without_a_key,
]  # fmt: skip


@pytest.mark.parametrize("play", PLAYED, ids=lambda play: play.__name__.replace("_", " "))
def test_the_course_of_a_notice(stage: Stage, play: Callable[[Stage], None]) -> None:
    play(stage)


def test_there_are_forty_cases() -> None:
    assert len(FORMS) + len(PLAYED) == 40
