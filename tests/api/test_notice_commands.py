"""Takedown on the command line: claimants, two reviewers and the operator, beside a running service."""

import csv
import json
import re
import sqlite3
import subprocess
import sys
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.console import Exit
from clearmark.client import Client
from takedown.letter_samples import sample
from takedown.letters import LetterName, render
from tests.api.forked import REPOSITORY
from tests.api.service import RunningService, run_cli_here, until

DMCA: dict[str, Any] = {
    "signature": "Ada Example", "work_description": "The film Night Train", "contact_name": "Ada Example",
    "contact_email": "ada@studio.example", "good_faith": True, "accuracy_under_penalty_of_perjury": True,
    "authority": True,
}  # fmt: skip
DSA: dict[str, Any] = {
    "track": "dsa_16", "explanation": "It copies my film about the Lighthouse Boy.", "contact_name": "Ada Example",
    "contact_email": "ada@studio.example", "bona_fide": True,
}  # fmt: skip
NOWHERE = "http://127.0.0.1:9"
BOUNCE = """\
From: MAILER-DAEMON@mx.example
Content-Type: multipart/report; report-type=delivery-status; boundary="B"
MIME-Version: 1.0

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; ada@studio.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 User unknown

--B
Content-Type: text/rfc822-headers

Message-ID: <{mail_id}@clearmark.example>

--B--
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody at a terminal with a key of their own."""

    service: RunningService
    key: str
    holder_id: str

    def run(self, line: str, *more: object, url: str | None = None) -> subprocess.CompletedProcess[str]:
        told = {"CLEARMARK_URL": url or self.service.url, "CLEARMARK_KEY": self.key}
        return run_cli_here(*line.split(), *more, environment={**self.service.environment, **told})

    def json(self, line: str, *more: object) -> Any:
        ran = self.run(line, *more, "--json")
        assert ran.returncode == Exit.OK, ran.stderr
        return json.loads(ran.stdout)

    def text(self, line: str, *more: object) -> str:
        ran = self.run(line, *more)
        assert ran.returncode == Exit.OK, ran.stderr
        return ran.stdout

    def refused(self, line: str, *more: object, code: Exit = Exit.ERROR) -> str:
        ran = self.run(line, *more)
        assert (ran.returncode, ran.stdout) == (code, ""), ran.stdout
        return ran.stderr


def person(service: RunningService, holder: str, *scopes: str) -> Person:
    said = ("keys", "create", "--holder", holder, "--scopes", ",".join(scopes), "--json")
    told = json.loads(run_cli_here(*said, environment=service.environment).stdout)
    return Person(service=service, key=told["key"], holder_id=told["holder_id"])


@pytest.fixture(scope="module")
def claimant(service: RunningService) -> Person:
    return person(service, "Noticer", "notices:write")


@pytest.fixture(scope="module")
def reviewer(service: RunningService) -> Person:
    return person(service, "Takedown desk", "review")


@pytest.fixture(scope="module")
def second(service: RunningService) -> Person:
    return person(service, "Takedown desk", "review")


@pytest.fixture(scope="module")
def operator(service: RunningService) -> Person:
    return person(service, "Takedown desk", "admin")


@pytest.fixture
def place() -> str:
    """An address that no other notice names."""
    return f"https://platform.example/watch/{uuid.uuid4().hex}"


def filed(who: Person, body: dict[str, Any], place: str, **changes: Any) -> str:
    with Client(who.service.url, who.key) as client:
        return client.file_notice(**body | {"material": [place]} | changes)["id"]


# -- what there is -----------------------------------------------------------------------------------


def test_a_notice_shows_what_it_lacks_and_by_when(claimant: Person, reviewer: Person, place: str) -> None:
    notice = filed(claimant, DMCA, place, signature=None)
    found = claimant.json("notices show", notice)
    [missing], [due] = found["missing"], found["deadlines"]
    text = claimant.text("notices show", notice)
    for told in ("cure_requested", missing["what_to_supply"], missing["reference"], due["day"], due["basis"], place):
        assert told in text
    assert "submit by claimant: submitted" in text
    assert "retract" in text
    assert "signals" not in text, "that is for reviewers"
    whole = reviewer.text("notices show", notice)
    for signal in reviewer.json("notices show", notice)["review"]["signals"]:
        assert signal["explanation"] in whole
    for heading in ("signals", "your interests", "proposal", "may not decide"):
        assert f"  {heading}  " in whole


def test_notices_are_listed_by_state_and_track(claimant: Person, reviewer: Person, place: str) -> None:
    lacking, whole = filed(claimant, DMCA, place, signature=None), filed(claimant, DSA, place)
    told = claimant.text("notices list --state valid --track dsa_16")
    assert (whole in told, lacking in told) == (True, False)
    assert {one["track"] for one in reviewer.json("notices list --track dmca_512")} == {"dmca_512"}
    assert "state" in claimant.refused("notices list --state lost")


def test_the_queue_is_for_reviewers_and_says_what_is_odd(claimant: Person, reviewer: Person, place: str) -> None:
    first, again = filed(claimant, DMCA, place), filed(claimant, DMCA, place)
    ids = [one["id"] for one in reviewer.json("notices queue")]
    assert {first, again} <= set(ids)
    due = claimant.json("notices show", first)["deadlines"][0]["day"]
    text = reviewer.text("notices queue")
    assert [due in line for line in text.splitlines() if first in line] == [True]
    assert ["duplicate" in line for line in text.splitlines() if again in line] == [True]
    assert re.search(rf"  duplicate of +{first}\n", reviewer.text("notices show", again))
    assert "review" in claimant.refused("notices queue")


# -- what is done ------------------------------------------------------------------------------------


def test_a_step_says_why_and_may_be_for_the_duplicates_too(claimant: Person, reviewer: Person, place: str) -> None:
    notice, twin = filed(claimant, DMCA, place), filed(claimant, DMCA, place)
    said = ("--reason", "It is a copy.", "--fair-use", "Nothing is said about it.", "--for-duplicates")
    text = reviewer.text("notices act", notice, "disable", *said)
    assert "disable by reviewer: disabled" in text
    assert "It is a copy." in text
    after = [reviewer.json("notices show", one) for one in (notice, twin)]
    assert [one["state"] for one in after] == ["disabled", "disabled"]
    assert after[0]["review"]["decisions"][-1]["details"]["fair_use"] == "Nothing is said about it."
    assert "decline cannot happen" in reviewer.refused("notices act", notice, "decline")


def test_a_code_is_of_the_list_of_the_track(claimant: Person, reviewer: Person, place: str) -> None:
    notice = filed(claimant, DSA, place)
    assert "choose one of" in reviewer.refused("notices act", notice, "decline", "--code", "boring")
    declined = reviewer.json("notices act", notice, "decline", "--code", "fair_use", "--reason", "A review.")
    assert (declined["state"], declined["history"][-1]["reason_code"]) == ("declined", "fair_use")


def test_a_complaint_is_decided_by_somebody_else(
    claimant: Person, reviewer: Person, second: Person, place: str
) -> None:
    notice = filed(claimant, DSA, place)
    reviewer.json("notices act", notice, "decline", "--reason", "It is a review.")
    assert "claimant_complaint" in claimant.text("notices complain", notice, "--reason", "It is no review.")
    [barred] = reviewer.json("notices show", notice)["review"]["barred"]
    assert f"may not decide  {barred}" in reviewer.text("notices show", notice)
    uphold = ("notices act", notice, "uphold", "--reason", "It is one.")
    assert "somebody else" in reviewer.refused(*uphold)
    assert second.json(*uphold)["state"] == "closed"


def test_what_was_published_is_shown_as_anybody_reads_it(
    service: RunningService, claimant: Person, reviewer: Person, place: str, tmp_path: Path
) -> None:
    notice = filed(claimant, DSA, place)
    assert reviewer.refused("notices lumen", notice)
    reviewer.json("notices act", notice, "disable", "--reason", "It is a copy.")
    public = reviewer.json("notices publish", notice, "--term", "Lighthouse", "--term", "Boy", "--no-material")
    assert public["is_published"]
    assert public["explanation"].startswith("It copies my film about")
    assert "Lighthouse" not in public["explanation"]
    assert "Boy" not in public["explanation"]
    assert public["material"] is None
    shown = reviewer.text("notices publish", notice, "--no-texts")
    assert place.rpartition("/")[2] in shown
    assert "Lighthouse" not in shown
    with Client(service.url) as anybody:
        assert notice in [one["id"] for one in anybody.public_notices(track="dsa_16", state="disabled")]
    [statement] = reviewer.json("notices statements", notice)
    assert "decision_ground" in statement
    assert json.loads(reviewer.text("notices lumen", notice)) == reviewer.json("notices lumen", notice)
    paper = tmp_path / "notice.pdf"
    assert str(paper) in reviewer.text("notices pdf", notice, "-o", paper)
    assert paper.read_bytes().startswith(b"%PDF-")
    assert "review" in claimant.refused("notices pdf", notice, "-o", tmp_path / "other.pdf")
    assert list(tmp_path.iterdir()) == [paper]


# -- letters -----------------------------------------------------------------------------------------


def _letter(who: Person, notice: str) -> dict[str, Any]:
    """The newest letter about a notice, once it is out."""

    def sent() -> dict[str, Any] | None:
        newest: dict[str, Any] = who.json("notices letters", notice)[-1]
        return newest if newest["sent_at"] else None

    return until(sent) or {}


def test_a_letter_that_came_back_is_noted_and_seen(
    claimant: Person, reviewer: Person, place: str, tmp_path: Path
) -> None:
    notice = filed(claimant, DMCA, place)
    letter = _letter(reviewer, notice)
    assert letter["id"] in claimant.text("notices letters", notice)
    came_back, other, nobodys = tmp_path / "1.eml", tmp_path / "2.eml", tmp_path / "3.eml"
    came_back.write_text(BOUNCE.format(mail_id=letter["id"]))
    other.write_text("Subject: Out of office\n\nBack on Monday.\n")
    nobodys.write_text(BOUNCE.format(mail_id="mal_0nobodys"))
    ran = reviewer.run("letters bounce", other, came_back, nobodys, "--json")
    told = json.loads(ran.stdout)
    assert ran.returncode == Exit.ERROR
    assert [(one["file"], one["mail_id"]) for one in told["noted"]] == [(str(came_back), letter["id"])]
    assert set(told["left"]) == {str(other), str(nobodys)}
    assert "550 User unknown" in reviewer.text("notices letters", notice, "--text")
    assert "letters that did not arrive: 1" in " ".join(reviewer.text("notices show", notice).split())
    assert "550 User unknown" in reviewer.text("letters bounce", came_back)
    assert "review" in claimant.refused("letters bounce", came_back)
    assert "cannot be reached" in reviewer.run("letters bounce", came_back, url=NOWHERE).stderr


def test_a_letter_whose_fate_is_unknown_is_sent_again(
    service: RunningService, claimant: Person, reviewer: Person, place: str
) -> None:
    notice = filed(claimant, DMCA, place)
    letter = _letter(reviewer, notice)["id"]
    assert "as far as is known" in reviewer.refused("letters again", letter)
    # As a process leaves it that ended while a mail server took the letter.
    with closing(sqlite3.connect(service.data_dir / "clearmark.db")) as database, database:
        lost = "UPDATE mails SET sent_at = NULL, text = 'Dear Ada', problem = 'It may be out.' WHERE id = ?"
        database.execute(lost, [letter])
    shown = reviewer.text("notices letters", notice, "--text")
    assert "Dear Ada" in shown
    assert "It may be out." in shown
    assert letter in reviewer.text("letters again", letter)
    assert until(lambda: _letter(reviewer, notice)["problem"] is None)


@pytest.mark.parametrize("language", ["en", "id-ID"])
def test_a_letter_is_seen_with_no_service(reviewer: Person, language: str) -> None:
    made = render(LetterName.HELD_UPLOADER, sample(LetterName.HELD_UPLOADER), language=language)
    line = f"letters preview held_uploader --language {language}"
    ran = reviewer.run(line, url=NOWHERE)
    assert (ran.returncode, ran.stdout.strip()) == (Exit.OK, f"Subject: {made.subject}\n\n{made.text}".strip())
    assert reviewer.run(f"{line} --html", url=NOWHERE).stdout.strip() == made.html.strip()
    assert reviewer.json(line)["version"] == made.version


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("letters preview farewell", "held_uploader"),
        ("letters preview held_uploader --track dsa_16", "dmca_512"),
        ("letters preview held_uploader --language fr", "en, id"),
        ("letters bounce /nowhere.eml", "/nowhere.eml"),
        ("transparency --since 20260101", "2026-12-31"),
        ("transparency --until soon", "2026-12-31"),
    ],
)
def test_wrong_use_names_what_would_be_right(reviewer: Person, line: str, told: str) -> None:
    assert told in reviewer.refused(line, code=Exit.USAGE)


def test_every_letter_is_listed_with_its_tracks(reviewer: Person) -> None:
    listed = {one["name"]: one for one in reviewer.json("letters list")}
    assert set(listed) == set(LetterName)
    assert listed["held_uploader"]["tracks"] == ["dmca_512"]
    assert "held_uploader" in reviewer.run("letters list", url=NOWHERE).stdout


# -- misuse ------------------------------------------------------------------------------------------


def test_misuse_is_weighed_warned_of_and_suspended(service: RunningService, reviewer: Person, place: str) -> None:
    flooder = person(service, f"Flooder {uuid.uuid4().hex[:8]}", "notices:write")
    abuse = ("reject_abuse", "--gravity", "grave", "--intent", "A competitor's clips alone.", "--reason", "Made up.")
    notices = [filed(flooder, DMCA, f"{place}/{number}") for number in range(3)]
    for notice in notices:
        assert reviewer.json("notices act", notice, *abuse)["state"] == "rejected_abuse"
    assert flooder.holder_id in [one["holder_id"] for one in reviewer.json("misuse list")]
    listed = " ".join(reviewer.text("misuse list").split())
    assert f"{flooder.holder_id} │ claimant │ 3 of 3 │ grave" in listed
    shown = flooder.text("misuse show", flooder.holder_id)
    for told in ("3 of 3 (100%), the gravest grave", "A competitor's clips alone.", *notices):
        assert told in shown
    decide = f"misuse decide {flooder.holder_id} --side claimant --reason Enough. --decision"
    assert "Warn them first" in reviewer.refused(f"{decide} suspend --until 2999-12-31")
    assert "warn as claimant" in reviewer.text(f"{decide} warn")
    assert "suspended until 2999-12-31" in reviewer.text(f"{decide} suspend --until 2999-12-31")
    assert flooder.json("misuse show", flooder.holder_id)["decisions"][-1]["decision"] == "suspend"
    set_aside = filed(flooder, DMCA, place)
    assert "set aside" in flooder.text("notices show", set_aside)
    assert reviewer.json(f"{decide} lift")["factors"][0]["suspended_until"] is None
    assert "review" in flooder.refused(f"{decide} lift")


def test_the_operator_names_trusted_flaggers(service: RunningService, reviewer: Person, operator: Person) -> None:
    watchers = person(service, f"Watchers {uuid.uuid4().hex[:8]}", "notices:write").holder_id
    trust = ("misuse trust", watchers, "--basis", "Awarded by the coordinator of Example.")
    assert "admin" in reviewer.refused(*trust)
    assert "the coordinator of Example" in operator.text(*trust)
    ended = operator.json("misuse distrust", watchers, "--reason", "It was withdrawn.")
    assert ended["ended_at"] is not None


# -- the public --------------------------------------------------------------------------------------


def test_anybody_sees_the_figures_of_a_period(claimant: Person, reviewer: Person, place: str, tmp_path: Path) -> None:
    reviewer.json("notices act", filed(claimant, DSA, place), "decline", "--reason", "It is a review.")
    found = claimant.json("transparency")
    text = " ".join(claimant.text("transparency").split())
    assert found["actions"]["declined"]["total"] >= 1
    assert f"declined: {found['actions']['declined']['total']}" in text
    assert f"received {found['received']['total']}" in text
    table = tmp_path / "figures.csv"
    assert claimant.json("transparency --csv", table) == {"file": str(table)}
    rows = list(csv.DictReader(table.read_text().splitlines()))
    [received] = [row for row in rows if (row["figure"], row["track"], row["tier"]) == ("received", "all", "all")]
    assert int(received["value"]) >= found["received"]["total"]
    assert "ends after it begins" in claimant.refused("transparency --since 2026-02-01 --until 2026-01-01")


def test_the_command_starts_without_a_database() -> None:
    said = "import api.cli, sys; print({'sqlalchemy', 'fastapi', 'jinja2'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", said], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
