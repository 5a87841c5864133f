"""Another verifier, which shares no code with the one that we read with, agrees; where it does not is listed."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provenance.authority import AnchorKind, Credentials, TrustAnchor
from provenance.engine import LibraryEngine
from provenance.media_types import BESIDE, SIGNABLE
from provenance.model import IntegrityState, SignerState, TimeStampState
from tests.conformance.categories import CATEGORIES, Category
from tests.conformance.second import NOT_INTACT, SUPPORTED, agree, second_says
from tests.conformance.workshop import Workshop
from tests.servers.loopback import Answer, Asked, serving
from tests.servers.tsa import Authority

SUFFIXES = ["mp4", "mov", "avi", "wav", "mp3", "flac", "m4a", "jpg", "png", "gif", "webp", "tiff", "avif"]
CASES = [pytest.param(each, suffix, id=f"{each.name}-{suffix}") for each in CATEGORIES for suffix in each.suffixes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where the two do not agree, and why that is known to be so."""

    ours: IntegrityState
    theirs: IntegrityState
    why: str


KNOWN_DIFFERENCES: dict[tuple[str, str], Difference] = {}


def _known(category: str, *suffixes: str, ours: IntegrityState, theirs: IntegrityState, why: str) -> None:
    for suffix in suffixes:
        KNOWN_DIFFERENCES[category, suffix] = Difference(ours=ours, theirs=theirs, why=why)


_UNNAMED = "The library knows a claim and a signature by their kind of box; the other goes by the name as well."
for _name in ("a_claim_by_another_name", "a_signature_by_another_name"):
    _known(_name, "mp4", "png", "wav", ours=IntegrityState.INTACT, theirs=IntegrityState.INVALID, why=_UNNAMED)
    _known(
        _name, "jpg", ours=IntegrityState.INTACT, theirs=IntegrityState.ABSENT,
        why=_UNNAMED + " In a JPEG, where others keep boxes too, it takes what is no store for none.",
    )  # fmt: skip
for _name in ("two_claims", "a_store_with_nothing_in_it"):
    _known(
        _name, "jpg", ours=IntegrityState.UNREADABLE, theirs=IntegrityState.ABSENT,
        why="In a JPEG, where others keep boxes too, it takes what is no store for none.",
    )  # fmt: skip
_known(
    "two_stores", "mp4", ours=IntegrityState.UNREADABLE, theirs=IntegrityState.INTACT,
    why="It reads the first of two stores, which no hash of an ISO file covers; we read neither.",
)  # fmt: skip

# Codes that one of the two gives beside those that both give.
KNOWN_CODES: dict[str, set[str]] = {
    "changed_assertion": {"com.encypher.cawg.trainingMining.invalid"},  # what the changed word says is no value
    "an_ingredient_changed_later": {"assertion.hashedURI.mismatch"},  # it does not look into what is changed as a whole
}


@pytest.fixture(scope="module")
def engine(own: Credentials) -> LibraryEngine:
    return LibraryEngine(own)


def test_it_knows_every_kind_that_we_sign_and_none_that_lies_beside() -> None:
    assert SIGNABLE <= SUPPORTED
    assert BESIDE.isdisjoint(SUPPORTED)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_we_sign_is_intact_and_of_a_known_signer(workshop: Workshop, own: Credentials, suffix: str) -> None:
    theirs = second_says(workshop.signed(suffix), own)
    assert theirs is not None
    assert (theirs.state, theirs.codes, theirs.trusted) == (IntegrityState.INTACT, frozenset(), True)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_changed_is_not(workshop: Workshop, own: Credentials, suffix: str, tmp_path: Path) -> None:
    """A byte in the middle of the last hundred: media in each of these kinds, or what tells how to read it."""
    signed = bytearray(workshop.signed(suffix).read_bytes())
    signed[len(signed) - 50] ^= 0xFF
    (path := tmp_path / f"changed.{suffix}").write_bytes(signed)
    theirs = second_says(path, own)
    ours = LibraryEngine(own).read(path, "").integrity.state
    assert theirs is not None
    assert (ours in NOT_INTACT, theirs.state in NOT_INTACT) == (True, True)


@pytest.mark.parametrize(("category", "suffix"), CASES)
def test_both_say_the_same_of_every_category(
    engine: LibraryEngine, workshop: Workshop, own: Credentials, category: Category, suffix: str
) -> None:
    path = category.write(workshop, suffix)
    facts, theirs = engine.read(path, ""), second_says(path, own)
    assert theirs is not None
    known = KNOWN_DIFFERENCES.get((category.name, suffix))
    if known is None:
        assert agree(facts.integrity.state, theirs.state), (facts.integrity, theirs)
        if facts.integrity.state is IntegrityState.INTACT:
            assert (facts.signer.state is SignerState.TRUSTED) == theirs.trusted
        elif facts.integrity.state is IntegrityState.INVALID:
            ours = {failure.code for failure in facts.integrity.failures}
            assert ours ^ theirs.codes == KNOWN_CODES.get(category.name, set())
    else:
        assert (facts.integrity.state, theirs.state) == (known.ours, known.theirs), known.why


def test_no_difference_is_listed_that_is_none() -> None:
    assert {(each.name, suffix) for each in CATEGORIES for suffix in each.suffixes} >= set(KNOWN_DIFFERENCES)
    for known in KNOWN_DIFFERENCES.values():
        assert not agree(known.ours, known.theirs)
        assert known.why


def test_a_signer_is_known_by_the_anchors_that_are_given(
    workshop: Workshop, own: Credentials, stranger: Credentials
) -> None:
    signed = workshop.signed("mp4")
    for credentials in (own, stranger):
        theirs, ours = second_says(signed, credentials), LibraryEngine(credentials).read(signed, "")
        assert theirs is not None
        assert theirs.state is ours.integrity.state is IntegrityState.INTACT
        assert theirs.trusted == (ours.signer.state is SignerState.TRUSTED) == (credentials is own)


def test_a_time_stamp_counts_with_both_or_with_none(workshop: Workshop, own: Credentials, tmp_path: Path) -> None:
    moment = datetime.now(UTC)
    authority = Authority(at=moment)
    known = TrustAnchor(pem=authority.roots_pem.decode(), uri="urn:example:stamps", kind=AnchorKind.TIME_STAMP)

    def stamp(asked: Asked) -> Answer:
        answered = authority.answer(asked.body, at=moment)
        return Answer(body=answered, headers={"content-type": "application/timestamp-reply"})

    with serving(stamp) as url:
        stamped = replace(own, tsa_urls=(url,))
        signed = workshop.sign(workshop.media("png"), tmp_path / "stamped.png", by=stamped)
    for anchors, state in (((known,), TimeStampState.TRUSTED), ((), TimeStampState.UNTRUSTED)):
        facts = LibraryEngine(replace(own, trust_anchors=anchors)).read(signed, "")
        theirs = second_says(signed, own, tsa_pem=known.pem if anchors else None)
        assert theirs is not None
        assert facts.integrity.state is theirs.state is IntegrityState.INTACT
        assert facts.time_stamp.state is state
        assert ("timeStamp.trusted" in theirs.all_codes) == (state is TimeStampState.TRUSTED)
