"""Playing media: who may, in ranges, and never as anything but media."""

from dataclasses import dataclass
from http import HTTPStatus

import httpx
import pytest
from sqlalchemy.orm import Session

from api.app import create_app
from api.pages import playback
from api.pages.visit import SIGN_IN
from api.service import Service
from registry import checks, releases, works
from registry.access import Actor, Scope
from registry.checks import DecisionValue
from registry.domain.policy import Policy
from registry.index import IndexEngine
from registry.models import Asset, Check, Holder, Release, Revocation
from tests import factories
from tests.factories import AT
from tests.integration.inside import Inside
from tests.people import cookie_of

MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(range(256)) * 8
HTML = b"<!doctype html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A clip that copies a work, and who has to do with it, each with the cookie of their sign-in."""

    client: Inside
    check: str
    asset: str
    owner: str
    asker: str
    stranger: str
    reviewer: str
    operator: str


def kept(service: Service, key: str, content: bytes) -> str:
    path = service.blobs.staging / key
    path.write_bytes(content)
    service.blobs.adopt(path, key)
    return key


def cookie(service: Service, session: Session, actor: Actor, *scopes: Scope) -> str:
    row = session.get_one(Holder, actor.holder_id)
    key = factories.key(session, row, *scopes).key
    return cookie_of(service, key)


@pytest.fixture
def story(service: Service, index: IndexEngine) -> Story:
    kept(service, "check_1", MP4)
    kept(service, "asset_1", MP4)
    with service.database.transaction() as session:
        owner, asker, stranger = (factories.actor(session) for _ in range(3))
        work = factories.work(session, owner, policy=Policy.REVIEW, shows_frames=True)
        asset = factories.asset(session, owner, work, index, factories.fingerprint(1))
        asset.blob_key = "asset_1"
        check = factories.check(session, asker, index, factories.fingerprint(1))
        return Story(
            client=Inside(create_app(service)),
            check=check.id,
            asset=asset.id,
            owner=cookie(service, session, owner),
            asker=cookie(service, session, asker),
            stranger=cookie(service, session, stranger),
            reviewer=cookie(service, session, factories.reviewer(session), Scope.REVIEW),
            operator=cookie(service, session, factories.operator(session), Scope.ADMIN),
        )


def released(service: Service, story: Story) -> str:
    kept(service, "release_a", MP4)
    with service.database.transaction() as session:
        check = session.get_one(Check, story.check)
        checks.review(session, factories.reviewer(session), check.id, DecisionValue.APPROVE, "Licensed.", at=AT)
        maker = factories.actor_of(session.get_one(Holder, check.holder_id))
        release = factories.release(session, maker, check)
        release.blob_key = "release_a"
        return release.id


def ask(story: Story, path: str, who: str | None, **headers: str) -> httpx.Response:
    return story.client.get(path, headers=headers | ({"Cookie": f"{SIGN_IN}={who}"} if who else {}))


def seen_by(story: Story, path: str) -> dict[str, int]:
    whom = ("owner", "asker", "stranger", "reviewer", "operator")
    found = {name: ask(story, path, getattr(story, name)).status_code for name in whom}
    return found | {"nobody": ask(story, path, None).status_code}


def only(*whom: str, else_: int = 404) -> dict[str, int]:
    everybody = ("owner", "asker", "stranger", "reviewer", "operator", "nobody")
    return {name: 200 if name in whom else else_ for name in everybody}


def test_a_clip_is_for_who_asked_and_once_it_is_out_for_whose_work_it_copies(service: Service, story: Story) -> None:
    path = f"/media/checks/{story.check}"
    assert seen_by(story, path) == only("asker", "reviewer", "operator")
    release_id = released(service, story)
    assert seen_by(story, path) == only("owner", "asker", "reviewer", "operator")
    with service.database.transaction() as session:
        releases.disable(session, session.get_one(Release, release_id), at=AT)
    assert ask(story, path, story.owner).status_code == HTTPStatus.OK, "they still argue about it"
    with service.database.transaction() as session:
        row = session.get_one(Release, release_id)
        maker = factories.actor_of(session.get_one(Holder, row.holder_id))
        releases.revoke(session, maker, row.id, Revocation.MISTAKE, "Oh.", at=AT)
    assert seen_by(story, path) == only("asker", "reviewer", "operator")


def test_the_file_of_a_work_is_for_its_owner_even_where_frames_are_shown(service: Service, story: Story) -> None:
    path = f"/media/assets/{story.asset}"
    assert seen_by(story, path) == only("owner", "reviewer", "operator")
    with service.database.transaction() as session:
        asset = session.get_one(Asset, story.asset)
        works.withdraw(session, factories.actor_of(asset.work.holder), asset.work_id, at=AT)
    assert seen_by(story, path) == only()


def test_a_release_is_for_its_holder_as_long_as_it_is_out(service: Service, story: Story) -> None:
    release_id = released(service, story)
    path = f"/media/releases/{release_id}"
    assert seen_by(story, path) == only("asker", "owner", "reviewer", "operator")
    with service.database.transaction() as session:
        releases.disable(session, session.get_one(Release, release_id), at=AT)
    down = seen_by(story, path)
    assert {down["asker"], down["owner"], down["reviewer"]} == {HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS}
    assert {down["stranger"], down["nobody"]} == {HTTPStatus.NOT_FOUND}
    with service.database.transaction() as session:
        row = session.get_one(Release, release_id)
        maker = factories.actor_of(session.get_one(Holder, row.holder_id))
        releases.revoke(session, maker, row.id, Revocation.MISTAKE, "Oh.", at=AT)
    assert ask(story, path, story.asker).status_code == HTTPStatus.GONE


def test_media_comes_in_ranges_and_can_do_nothing_by_itself(story: Story) -> None:
    path = f"/media/checks/{story.check}"
    whole = ask(story, path, story.asker)
    assert whole.content == MP4
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["content-disposition"] == f'inline; filename="{story.check}.mp4"'
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert whole.headers["cross-origin-resource-policy"] == "same-origin"
    assert whole.headers["cache-control"] == "private, no-store"
    some = ask(story, path, story.asker, Range="bytes=4-11")
    assert (some.status_code, some.content) == (HTTPStatus.PARTIAL_CONTENT, MP4[4:12])
    assert some.headers["content-range"] == f"bytes 4-11/{len(MP4)}"
    assert ask(story, path, story.asker, Range=f"bytes={len(MP4)}-").status_code == 416


def test_what_is_no_media_is_not_sent_whatever_it_is_called(service: Service, story: Story) -> None:
    for content in (HTML, SVG, b"\xef\xbb\xbf" + SVG, b"%PDF-1.7", b"", b"GIF", b"PK\x03\x04"):
        kept(service, "check_1", content)
        answer = ask(story, f"/media/checks/{story.check}", story.asker)
        assert answer.status_code == HTTPStatus.NOT_FOUND
        assert "of a kind that is not shown" in answer.text
        assert b"alert(1)" not in answer.content


def test_media_is_called_what_its_first_bytes_say(service: Service, story: Story) -> None:
    for content, media_type in (
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"OggS" + bytes(60), "video/ogg"),
        (b"\x89PNG\r\n\x1a\n" + HTML, "image/png"),
        (b"\x1a\x45\xdf\xa3\x42\x82\x84webm", "video/webm"),
        (b"\xff\xd8\xff" + HTML, "image/jpeg"),
    ):
        kept(service, "check_1", content)
        answer = ask(story, f"/media/checks/{story.check}", story.asker)
        assert (answer.status_code, answer.headers["content-type"]) == (HTTPStatus.OK, media_type)
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_file_that_is_no_longer_kept_is_said_to_be(service: Service, story: Story) -> None:
    with service.database.transaction() as session:
        session.get_one(Check, story.check).blob_key = None
    service.blobs.delete("asset_1")
    for path, who in ((f"/media/checks/{story.check}", story.asker), (f"/media/assets/{story.asset}", story.owner)):
        answer = ask(story, path, who)
        assert answer.status_code == HTTPStatus.NOT_FOUND
        assert "no longer kept" in answer.text or "not kept here any more" in answer.text


def test_what_a_page_plays_is_what_is_sent(service: Service, story: Story) -> None:
    release_id = released(service, story)
    with service.database.reading() as session:
        check, asset = session.get_one(Check, story.check), session.get_one(Asset, story.asset)
        release = session.get_one(Release, release_id)
        owner, asker = Actor(holder_id=asset.work.holder_id, scopes=frozenset({Scope.WORKS_WRITE})), release.holder_id
        stranger = Actor(holder_id="hld_0", scopes=frozenset({Scope.WORKS_WRITE}))
        clip = playback.of_check(service, session, owner, check)
        assert (clip.address, clip.kind) == (f"/media/checks/{check.id}", "video") if clip else False
        assert playback.of_check(service, session, stranger, check) is None
        assert playback.of_asset(service, owner, asset)
        assert playback.of_asset(service, stranger, asset) is None
        maker = Actor(holder_id=asker, scopes=frozenset({Scope.RELEASES_WRITE}))
        assert playback.of_release(service, session, maker, release)
        assert playback.of_release(service, session, owner, release)
        nothing = Actor(holder_id=asker, scopes=frozenset({Scope.NOTICES_WRITE}))  # an agent's part, or a role
        assert playback.of_release(service, session, nothing, release) is None
        assert playback.of_check(service, session, nothing, check) is None
        helper = Actor(holder_id=asset.work.holder_id, scopes=frozenset({Scope.CHECKS_WRITE}))
        assert playback.of_asset(service, helper, asset) is None
