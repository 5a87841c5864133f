"""The page that explains a check: what each who asks may see of it, and that nothing in it is alive."""

import json

import pytest
from sqlalchemy.orm import Session

from api import explanations
from api.page import POLICY
from api.service import Service
from fingerprinting.explain import MOST_BYTES, Explanation, Pair
from fingerprinting.model import Segment
from registry import checks, works
from registry.access import Actor, Scope
from registry.database import Database
from registry.index import IndexEngine
from registry.models import Check, Work
from tests import factories
from tests.factories import AT

CLIP, WORK = "Y2xpcA==", "d29yaw=="
CONTENT = json.dumps({"0": [{"query_s": 1.0, "reference_s": 1.0, "query": CLIP, "reference": WORK}]}).encode()
HOSTILE = '"><img src=x onerror=alert(1)>'


def checked(
    session: Session, index: IndexEngine, *, asker: Actor | None = None, title: str = "T"
) -> tuple[Check, Work]:
    owner = asker or factories.actor(session)
    work = factories.work(session, owner, title=title)
    factories.asset(session, owner, work, index, factories.fingerprint(1))
    check = factories.check(session, asker or factories.actor(session), index, factories.fingerprint(1))
    checks.explained(check, "explanation_1")
    return check, work


def sees(session: Session, who: Actor, check: Check) -> tuple[bool, bool]:
    page = explanations.page(session, who, check, CONTENT)
    return CLIP in page, WORK in page


def asker_of(check: Check) -> Actor:
    return Actor(holder_id=check.holder_id, scopes=frozenset({Scope.CHECKS_WRITE}))


def test_an_asker_sees_their_own_frames_and_a_reviewer_both(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        check, work = checked(session, index)
        assert sees(session, asker_of(check), check) == (True, False)
        assert sees(session, factories.reviewer(session), check) == (True, True)
        work.shows_frames = True
        assert sees(session, asker_of(check), check) == (True, True)


def test_who_asks_about_their_own_work_sees_it(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        check, _ = checked(session, index, asker=factories.actor(session))
        assert sees(session, asker_of(check), check) == (True, True)


def test_nobody_sees_frames_of_what_was_withdrawn(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        check, work = checked(session, index)
        work.shows_frames = True
        works.withdraw(session, factories.actor_of(work.holder), work.id, at=AT)
        for who in (asker_of(check), factories.reviewer(session)):
            assert sees(session, who, check) == (True, False)


def test_what_somebody_typed_stays_text(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        check, _ = checked(session, index, title=HOSTILE)
        page = explanations.page(session, asker_of(check), check, None)
    assert HOSTILE not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert page.count("<img") == 0
    assert POLICY in page


@pytest.mark.parametrize("key", ["explanation_1", None])
def test_without_its_pictures_a_page_still_says_what_matched_where(
    database: Database, index: IndexEngine, key: str | None
) -> None:
    with database.transaction() as session:
        check, work = checked(session, index)
        checks.explained(check, key)
        page = explanations.page(session, asker_of(check), check, None)
    assert work.id in page
    assert "0.0–12.0 s of the clip" in page
    assert "<svg" in page
    assert ("No pictures could be made." in page) == (key is None)


def test_pictures_are_kept_as_long_as_there_is_room(
    service: Service, index: IndexEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen(segment: Segment, **_media: object) -> Explanation:
        half = bytes(MOST_BYTES // 2 - 10)
        return Explanation(segment=segment, pairs=(Pair(query_s=0, reference_s=0, query=half, reference=None),))

    monkeypatch.setattr("api.explanations.explain", seen)
    with service.database.transaction() as session:
        for _ in range(3):
            check, _ = checked(session, index)
        assert len(check.matches) == 3
        content = explanations.make(service, check, check.matches, {})
    assert len(json.loads(content)) == 2
    assert len(content) < 300_000
