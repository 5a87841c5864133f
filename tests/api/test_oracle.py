"""What somebody learns who asks about clips: whoever has a copy learns that it is one, and not what of.

A film that is not out is registered as confidential. Strangers probe for it: without a key, with one, by searching, and
by changing a clip a little at a time.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import media
from tests.api.conftest import HOLDER_SCOPES, Registered, register
from tests.api.service import RunningService, finished, ok, problem, running_service, send

TITLE, WITHHELD = "Zorglub Returns", "(withheld)"
SCORES = {0.5, 0.7, 0.9}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Drawn clips look alike: what other tests registered would be found in these."""
    with running_service(tmp_path_factory.mktemp("oracle"), sscd_model="none") as started:
        yield started


@pytest.fixture(scope="module")
def stranger(service: RunningService) -> Iterator[httpx.Client]:
    with service.client(service.key("Stranger", *HOLDER_SCOPES)) as client:
        yield client


@pytest.fixture(scope="module")
def operator(service: RunningService) -> Iterator[httpx.Client]:
    with service.client(service.key("Operator", "admin")) as client:
        yield client


@pytest.fixture(scope="module")
def owner(service: RunningService) -> Iterator[httpx.Client]:
    with service.client(service.key("Careful Films", *HOLDER_SCOPES)) as client:
        yield client


@pytest.fixture(scope="module")
def secret_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return media.clip_with_sound(tmp_path_factory.mktemp("secret") / "secret.mp4", seconds=8, seed=7102)


@pytest.fixture(scope="module")
def secret(owner: httpx.Client, secret_clip: Path) -> Registered:
    return register(owner, secret_clip, title=TITLE, policy="block", confidential=True, shows_frames=True)


@pytest.fixture(scope="module")
def leaked(secret_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Seconds 1 to 6 of the film, each re-encoded a little worse than the one before."""
    folder = tmp_path_factory.mktemp("leaked")
    return [
        media.copied(secret_clip, folder / f"{crf}.mp4", start_s=1, seconds=5, options=["-crf", str(crf)])
        for crf in (20, 26, 32)
    ]


def test_a_confidential_work_is_in_no_public_list(anyone: httpx.Client, secret: Registered) -> None:
    for asked in (TITLE, "zorglub", secret.work_id, "Careful Films"):
        assert ok(anyone.get("/v1/public/works", params={"q": asked}))["items"] == []
    problem(anyone.get(f"/v1/public/works/{secret.work_id}"), 404, "not-found")
    assert anyone.get(f"/registry/{secret.work_id}").status_code == 404
    assert TITLE not in anyone.get("/registry", params={"q": "zorglub"}).text


def test_who_verifies_a_copy_learns_that_it_is_registered_and_not_what_it_is(
    anyone: httpx.Client, secret: Registered, leaked: list[Path]
) -> None:
    answers = [ok(send(anyone, "/v1/verifications", clip)) for clip in leaked]
    told = set()
    for answer in answers:
        [match] = answer["registry_matches"]
        assert (match["work_id"], match["title"]) == (secret.work_id, WITHHELD)
        stretches = [match, *match["segments"]]
        assert {one["score"] for one in stretches} <= SCORES
        for one in stretches:
            times = [value for name, value in one.items() if name.endswith(("_start_s", "_end_s"))]
            assert all(value.is_integer() or value == answer["duration_s"] for value in times)
        told.add((match["score"], match["matched_s"]))
        assert TITLE not in anyone.get(f"/verifications/{answer['id']}").text
    assert len(told) == 1, "worse copies of it are told alike: there is nothing to climb by"


def test_an_asker_learns_what_follows_and_not_the_title(
    stranger: httpx.Client, secret: Registered, leaked: list[Path]
) -> None:
    asked = ok(send(stranger, "/v1/checks", leaked[0]))
    check = finished(stranger, f"/v1/checks/{asked['id']}")
    assert check["verdict"] == "block"
    assert {match["title"] for match in check["matches"]} == {WITHHELD}
    assert {match["score"] for match in check["matches"]} <= SCORES
    assert TITLE not in str(check)
    assert check["matches"][0]["work_id"] == secret.work_id
    explanation = stranger.get(f"/v1/checks/{check['id']}/explanation")
    assert TITLE not in explanation.text
    assert WITHHELD in explanation.text


def test_its_owner_sees_their_own_title_and_scores(owner: httpx.Client, secret: Registered, leaked: list[Path]) -> None:
    check = ok(send(owner, "/v1/checks", leaked[0]))
    own = [match for match in check["matches"] if match["own"]]
    assert {match["title"] for match in own} == {TITLE}
    assert ok(owner.get(f"/v1/works/{secret.work_id}"))["title"] == TITLE
    assert {match["score"] for match in own} - SCORES, "to the ten-thousandth"


@pytest.mark.usefixtures("secret")
def test_who_registers_the_same_learns_of_the_conflict_and_not_of_the_title(
    stranger: httpx.Client, operator: httpx.Client, secret_clip: Path, tmp_path: Path
) -> None:
    copy = media.copied(secret_clip, tmp_path / "copy.mp4", start_s=0, seconds=8, options=["-crf", "30"])
    rival = register(stranger, copy, title="Mine, I say")
    [opened] = ok(stranger.get(f"/v1/assets/{rival.asset_id}"))["conflicts"]
    seen = ok(stranger.get(f"/v1/conflicts/{opened['id']}"))
    assert {seen["earlier"]["title"], seen["later"]["title"]} == {WITHHELD, "Mine, I say"}
    assert TITLE in str(ok(operator.get(f"/v1/conflicts/{opened['id']}"))), "who decides must know"
    stranger.delete(f"/v1/works/{rival.work_id}").raise_for_status()


def test_once_it_is_out_it_is_public(owner: httpx.Client, anyone: httpx.Client, secret: Registered) -> None:
    ok(owner.patch(f"/v1/works/{secret.work_id}", json={"confidential": False}))
    [found] = ok(anyone.get("/v1/public/works", params={"q": "zorglub"}))["items"]
    assert found["title"] == TITLE
    ok(owner.patch(f"/v1/works/{secret.work_id}", json={"confidential": True}))
