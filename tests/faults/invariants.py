"""What must hold of a service whose parts were killed: nothing acknowledged is lost, nothing happened twice.

Held against each other are what people were told (`tests.faults.errands`), what the service says now, what lies in
its database and blob folder, and what arrived at others: webhooks and letters. It decides nothing about how the
service was killed.
"""

import json
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from registry.database import Database
from registry.models import Job, JobState, LedgerEntry, MessageStatus, OutboxMessage
from tests.api.service import ok, run_cli_here
from tests.fakes import Receiver
from tests.faults.afterwards import grow_old, written_twice
from tests.faults.errands import Errands, Kind
from tests.faults.house import House

_LISTS = {Kind.WORK: "works", Kind.RESERVATION: "reservations", Kind.CHECK: "checks", Kind.RELEASE: "releases"}
# A lease ends after 30 s, the wait after a first failed attempt is 5 s, after a second one 20 s.
_SETTLES_S = 450.0
_SEARCHED, _OLD_VERDICTS = 40, 40
# Why a check may say that it does not know: the index was being loaded, or a job was killed each time that it ran.
_HONEST = frozenset({"index_behind", "engine_error"})


@dataclass(slots=True, kw_only=True)
class Found:
    """What was looked at, and what does not hold; each sentence is one broken promise."""

    acknowledged: Counter[Kind] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    webhooks: int = 0
    letters: int = 0
    letters_in_doubt: int = 0
    unknown: int = 0
    fsck: str = "not run"

    @property
    def problems(self) -> list[str]:
        return self.lost + self.doubled + self.broken


@dataclass(slots=True)
class Invariants:
    """The promises, and who holds the service to them."""

    house: House
    errands: Errands
    receiver: Receiver
    reviewer: str
    seed: int
    _searched: set[str] = field(default_factory=set)

    def check(self) -> Found:
        """Wait until nothing is left to do, and then look at everything; the load must have stopped."""
        found = Found(broken=list(self.errands.wrong))
        database = Database(self.house.service.environment.get("CLEARMARK_DATABASE_URL", "") or self._sqlite())
        try:
            found.broken += self._settled(database)
            with self._client("studio") as studio, self._client("pipeline") as pipeline:
                self._each_is_there_once(studio, pipeline, found)
                self._verdicts_stand(pipeline, found)
                self._assets_are_found(studio, pipeline, found)
                found.broken += self._settled(database)  # also what the checks just asked for are told of
                self._releases_are_served(pipeline, found)
            self._letters_went_out_once(found)
            self._webhooks_went_out_once(database, found)
            self._records_are_written_once(database, found)
        finally:
            database.dispose()
        self._commands_find_nothing(found)
        return found

    def residue(self) -> list[str]:
        """What is left in the blob folder that no row names, once all of it is old enough to be swept."""
        from api import housekeeping
        from api.console import the_service

        blobs = self.house.folder / "var" / "blobs"
        grow_old(blobs)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.house.service.environment.items():
                patch.setenv(name, value)
            with the_service() as service:
                housekeeping.sweep_staging(service)
                housekeeping.remove_orphans(service)
        in_staging = [f"staging/{path.name}" for path in (blobs / "staging").iterdir()]
        releases = len(self.errands.acknowledged(Kind.RELEASE))
        kept = list(blobs.glob("??/release_*"))
        extra = [f"{len(kept)} files of {releases} releases"] if len(kept) != releases else []
        return in_staging + extra

    # -- each promise ----------------------------------------------------------------------------

    def _settled(self, database: Database) -> list[str]:
        """Nothing is left undone that was to be done by now."""
        until_s = time.monotonic() + _SETTLES_S
        unfinished = sa.select(Job.kind, Job.subject_id, Job.state, Job.attempts, Job.error).where(
            sa.or_(Job.state == JobState.RUNNING, sa.and_(Job.state == JobState.QUEUED, Job.attempts > 0), _at_once())
        )
        failed = sa.select(Job.kind, Job.subject_id, Job.error).where(Job.state == JobState.FAILED)
        while True:
            with database.reading() as session:
                left, given_up = session.execute(unfinished).all(), session.execute(failed).all()
            if not left or time.monotonic() > until_s:
                break
            time.sleep(0.3)
        return [f"a job was never done: {tuple(job)}" for job in left] + [
            f"a job was given up: {tuple(job)}" for job in given_up
        ]

    def _each_is_there_once(self, studio: httpx.Client, pipeline: httpx.Client, found: Found) -> None:
        for kind, path in _LISTS.items():
            client = studio if kind in (Kind.WORK, Kind.RESERVATION) else pipeline
            there = [one["id"] for one in _all(client, f"/v1/{path}")]
            if kind is Kind.CHECK:
                there = [check for check in there if check not in self._searched]
            self._compare(kind, there, found)
        works = _all(studio, "/v1/works")
        self._compare(Kind.ASSET, [asset for work in works for asset in work["assets"]], found)
        self._compare(Kind.NOTICE, [notice["id"] for notice in _all(studio, "/v1/notices")], found)
        per_check = Counter(release["check_id"] for release in _all(pipeline, "/v1/releases"))
        found.doubled += [f"{n} releases of {check}" for check, n in per_check.items() if n > 1]

    def _compare(self, kind: Kind, there: list[str], found: Found) -> None:
        told = [errand.id for errand in self.errands.acknowledged(kind)]
        found.acknowledged[kind] = len(told)
        found.lost += [f"{kind} {one} was acknowledged and is not there" for one in set(told) - set(there)]
        # Whoever did not get an answer asked again: whatever is there beyond what was acknowledged was made twice.
        found.doubled += [f"{kind} {one} is there and nobody was told" for one in set(there) - set(told)]
        found.doubled += [f"{kind} {one} was given to {n} errands" for one, n in Counter(told).items() if n > 1]

    def _verdicts_stand(self, pipeline: httpx.Client, found: Found) -> None:
        asked = self.errands.acknowledged(Kind.CHECK)
        chance = random.Random(self.seed + len(asked))
        for errand in asked[-200:] + chance.sample(asked, min(len(asked), _OLD_VERDICTS)):
            now = ok(pipeline.get(f"/v1/checks/{errand.id}"))
            codes = {reason["code"] for reason in now["reasons"]}
            if now["status"] == "done" and now["verdict"] == "unknown" and codes <= _HONEST:
                found.unknown += 1
            elif now["status"] != "done" or now["verdict"] not in ("clear", "review", "block"):
                found.lost.append(
                    f"{errand.id} was accepted and is {now['status']}, {now['verdict']}: {now['reasons']}"
                )
            elif errand.answer is not None and errand.answer["verdict"] not in (None, now["verdict"]):
                found.broken.append(f"{errand.id} was {errand.answer['verdict']} and is {now['verdict']} now")

    def _assets_are_found(self, studio: httpx.Client, pipeline: httpx.Client, found: Found) -> None:
        """Each is indexed, and the newest are found by who asks for a copy."""
        assets = self.errands.acknowledged(Kind.ASSET)
        for errand in assets[-200:]:
            asset = ok(studio.get(f"/v1/assets/{errand.id}"))
            if asset["status"] != "indexed":
                found.lost.append(f"{errand.id} was accepted and is {asset['status']}: {asset['reason']}")
        for errand in [one for one in assets if one.file is None][-_SEARCHED:]:
            check = ok(pipeline.post("/v1/checks", json=errand.body))
            self._searched.add(check["id"])
            if errand.id not in {match["asset_id"] for match in check["matches"]}:
                found.lost.append(f"{errand.id} is not found by its own copy: {check['verdict']}")

    def _releases_are_served(self, pipeline: httpx.Client, found: Found) -> None:
        for errand in self.errands.acknowledged(Kind.RELEASE)[-20:]:
            release = ok(pipeline.get(f"/v1/releases/{errand.id}"))
            file = pipeline.get(f"/v1/releases/{errand.id}/file")
            if file.status_code != httpx.codes.OK or len(file.content) != release["size_bytes"]:
                found.lost.append(f"the file of {errand.id}: {file.status_code}, {len(file.content)} bytes")

    def _letters_went_out_once(self, found: Found) -> None:
        arrived = self._arrived()
        found.doubled += [f"the letter {one} arrived {n} times" for one, n in arrived.items() if n > 1]
        with self._client("reviewer") as reviewer:
            for errand in self.errands.acknowledged(Kind.NOTICE)[-200:]:
                letters: Any = ok(reviewer.get(f"/v1/notices/{errand.id}/letters"))
                written = Counter((letter["name"], letter["party"]) for letter in letters)
                found.doubled += [f"{errand.id}: {n} letters {name}" for name, n in written.items() if n > 1]
                if not letters:
                    found.lost.append(f"{errand.id} was filed, and nobody was written to")
                for letter in letters:
                    found.letters += 1
                    if letter["sent_at"] and not arrived[letter["id"]]:
                        found.lost.append(f"the letter {letter['id']} is said to be sent, and never arrived")
                    # Of one over which a process died nobody can say: it waits for a person, and is not sent again.
                    found.letters_in_doubt += not letter["sent_at"]

    def _arrived(self) -> Counter[str]:
        """How often each letter arrived, by its id."""
        if self.house.mail is None:
            return Counter(path.stem for path in (self.house.folder / "var" / "mail").glob("*.eml"))
        ids = (str(letter["Message-ID"]) for letter in self.house.mail.letters())
        return Counter(one.strip("<>").partition("@")[0] for one in ids)

    def _webhooks_went_out_once(self, database: Database, found: Found) -> None:
        """Each thing was told under one id, by which a receiver knows what comes again."""
        told: dict[tuple[str, str], set[str]] = defaultdict(set)
        for delivery in list(self.receiver.deliveries):
            said = json.loads(delivery.body)
            told[said["type"], json.dumps(said["data"], sort_keys=True)].add(delivery.headers["webhook-id"])
        found.webhooks = len(told)
        found.doubled += [f"{event} was told under {len(ids)} ids" for event, ids in told.items() if len(ids) > 1]
        signed = {json.loads(data)["id"] for event, data in told if event == "release.signed"}
        for errand in self.errands.acknowledged(Kind.RELEASE):
            if errand.id not in signed:
                found.lost.append(f"nobody was told of {errand.id}")
        with database.reading() as session:
            undelivered = sa.select(OutboxMessage.id).where(OutboxMessage.status != MessageStatus.DELIVERED)
            found.lost += [f"the webhook {one} was not delivered" for one in session.scalars(undelivered)]

    def _records_are_written_once(self, database: Database, found: Found) -> None:
        with database.reading() as session:
            entries = [json.loads(data) for data in session.scalars(sa.select(LedgerEntry.data))]
            found.doubled += written_twice(session)
        steps = {(entry["kind"], entry["subject"]) for entry in entries}
        kinds = {Kind.WORK: "work.registered", Kind.CHECK: "verdict.given", Kind.RELEASE: "release.signed"}
        for kind, step in kinds.items():
            for errand in self.errands.acknowledged(kind):
                if (step, errand.id) not in steps:
                    found.lost.append(f"{errand.id} has no entry {step} in the ledger")

    def _commands_find_nothing(self, found: Found) -> None:
        """What the operator would ask: the ledger, the index against the database, and all against all."""
        proved = self._cli("ledger", "verify")
        found.broken += [f"ledger: {problem}" for problem in proved["problems"]]
        with httpx.Client(base_url=self.house.service.url) as anybody:
            held = ok(anybody.get("/readyz"))["index"]
        rebuilt = self._cli("index", "rebuild")
        if held["rows"] != rebuilt["rows"] or held["sequence"] != held["head"]:
            found.broken.append(f"the index holds {held}, and the database says {rebuilt}")
        looked = self._cli("fsck")
        found.fsck = "clean" if looked["clean"] else "findings"
        found.broken += [f"fsck: {flaw}" for flaw in looked["findings"] if flaw["severity"] != "info"]

    # -- how it is asked -------------------------------------------------------------------------

    def _cli(self, *arguments: str) -> dict[str, Any]:
        ran = run_cli_here(*arguments, "--json", environment=self.house.service.environment)
        assert ran.stdout, ran.stderr
        told: dict[str, Any] = json.loads(ran.stdout)
        return told

    def _client(self, who: str) -> httpx.Client:
        return self.house.service.client(self.reviewer if who == "reviewer" else self.errands.keys[who])

    def _sqlite(self) -> str:
        return f"sqlite:///{self.house.folder / 'var' / 'clearmark.db'}"


def _at_once() -> sa.ColumnElement[bool]:
    """A job that was to be done as soon as it was accepted."""
    return sa.and_(Job.state == JobState.QUEUED, Job.run_at <= Job.created_at)


def _all(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    """A whole list, page by page."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = ok(client.get(path, params={"limit": 200, **({"cursor": cursor} if cursor else {})}))
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return found
