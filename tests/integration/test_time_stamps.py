"""Time-stamps of releases: whom they are had from, in which order, and what is done when nobody answers."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from api.signers import trial_claim
from provenance.authority import AnchorKind, Credentials, TrustAnchor, ensure_development_signer
from provenance.engine import LibraryEngine
from provenance.errors import TimeStampFailed
from provenance.isolated import IsolatedEngine
from provenance.model import IntegrityState, SignerState, TimeStampState
from tests.servers.loopback import Answer, Asked, serving
from tests.servers.tsa import Authority

# The library compares certificates with the machine's clock.
NOW = datetime.now(UTC)
AUTHORITY = Authority(at=NOW)
NOBODY = "http://127.0.0.1:9/"
CLAIM = trial_claim(at=NOW)


def stamps(asked: Asked) -> Answer:
    body = AUTHORITY.answer(asked.body, at=datetime.now(UTC))
    return Answer(body=body, headers={"content-type": "application/timestamp-reply"})


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return Credentials(signer=ensure_development_signer(tmp_path / "keys", at=NOW))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (32, 32), "teal").save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def known(uri: str = "urn:example:tsa") -> TrustAnchor:
    return TrustAnchor(pem=AUTHORITY.roots_pem.decode(), uri=uri, kind=AnchorKind.TIME_STAMP)


def test_who_signs_in_a_process_of_its_own_is_stamped_too(
    credentials: Credentials, picture: Path, tmp_path: Path
) -> None:
    with serving(stamps) as url, closing(IsolatedEngine(lambda: replace(credentials, tsa_urls=(url,)))) as engine:
        engine.sign(picture, tmp_path / "signed.png", CLAIM)
    read = LibraryEngine(replace(credentials, trust_anchors=(known(),))).read(tmp_path / "signed.png", "image/png")
    assert read.time_stamp.state is TimeStampState.TRUSTED


def test_a_release_is_stamped_and_whose_word_it_is_depends_on_who_reads(
    credentials: Credentials, picture: Path, tmp_path: Path
) -> None:
    with serving(stamps) as url:
        LibraryEngine(replace(credentials, tsa_urls=(url,))).sign(picture, tmp_path / "signed.png", CLAIM)
    strange = LibraryEngine(credentials).read(tmp_path / "signed.png", "image/png").time_stamp
    trusted = LibraryEngine(replace(credentials, trust_anchors=(known(),))).read(tmp_path / "signed.png", "image/png")
    assert (strange.state, trusted.time_stamp.state) == (TimeStampState.UNTRUSTED, TimeStampState.TRUSTED)
    assert strange.at is not None
    assert strange.at == trusted.time_stamp.at
    assert abs(strange.at - datetime.now(UTC)) < timedelta(minutes=2)
    assert trusted.time_stamp.authority == AUTHORITY.name
    assert (trusted.integrity.state, trusted.signer.state) == (IntegrityState.INTACT, SignerState.TRUSTED)


def refuses(_: Asked) -> Answer:
    return Answer(status=503)


def babbles(_: Asked) -> Answer:
    return Answer(body=b"no time-stamp", headers={"content-type": "application/timestamp-reply"})


def stamps_another(asked: Asked) -> Answer:
    """A stamp of something else: the digest that was asked for is turned."""
    turned = bytearray(asked.body)
    turned[turned.index(b"\x04\x20") + 5] ^= 0xFF
    return Answer(body=AUTHORITY.answer(bytes(turned), at=datetime.now(UTC)))


@pytest.mark.parametrize("first", [refuses, babbles, stamps_another])
def test_where_one_authority_fails_the_next_is_asked(
    credentials: Credentials, picture: Path, tmp_path: Path, first: Callable[[Asked], Answer]
) -> None:
    with serving(first) as failing, serving(stamps) as url:
        engine = LibraryEngine(replace(credentials, tsa_urls=(NOBODY, failing, url), trust_anchors=(known(),)))
        engine.sign(picture, tmp_path / "signed.png", CLAIM)
    assert engine.read(tmp_path / "signed.png", "image/png").time_stamp.state is TimeStampState.TRUSTED


def test_an_authority_that_failed_in_passing_is_asked_again(
    credentials: Credentials, picture: Path, tmp_path: Path
) -> None:
    asked: list[Asked] = []

    def busy_once(now: Asked) -> Answer:
        asked.append(now)
        return stamps(now) if len(asked) > 1 else Answer(status=503)

    with serving(busy_once) as url:
        LibraryEngine(replace(credentials, tsa_urls=(url,))).sign(picture, tmp_path / "signed.png", CLAIM)
    assert len(asked) == 2


def test_without_a_time_stamp_nothing_is_signed(credentials: Credentials, picture: Path, tmp_path: Path) -> None:
    target = tmp_path / "signed.png"
    with (
        serving(refuses) as failing,
        pytest.raises(TimeStampFailed) as failed,
    ):
        LibraryEngine(replace(credentials, tsa_urls=(NOBODY, failing))).sign(picture, target, CLAIM)
    assert NOBODY in failed.value.reason
    assert failing in failed.value.reason
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys", "picture.png"]


def test_a_time_stamp_authority_vouches_for_no_signer(credentials: Credentials, picture: Path, tmp_path: Path) -> None:
    with serving(stamps) as url:
        LibraryEngine(replace(credentials, tsa_urls=(url,))).sign(picture, tmp_path / "signed.png", CLAIM)
    stranger = Credentials(signer=ensure_development_signer(tmp_path / "others", at=NOW), trust_anchors=(known(),))
    facts = LibraryEngine(stranger).read(tmp_path / "signed.png", "image/png")
    assert facts.signer.state is SignerState.UNTRUSTED
    assert facts.time_stamp.state is TimeStampState.TRUSTED
