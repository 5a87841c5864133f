"""What reading says of every category of the public test sets, of bombs and of noise, and of real files where given."""

import os
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from provenance.authority import Credentials
from provenance.engine import LibraryEngine
from provenance.isolated import IsolatedEngine
from provenance.isolation import WorkerLimits
from provenance.media_types import media_type_of
from provenance.model import IngredientFacts, IntegrityState, ManifestFacts, SignerState
from tests.conformance.bombs import BOMBS, BURNING
from tests.conformance.boxes import parse, store_of
from tests.conformance.categories import CATEGORIES, SUFFIXES, Category, Found
from tests.conformance.second import agree, second_says
from tests.conformance.workshop import (
    ASSERTIONS,
    CLAIM,
    Opinion,
    Workshop,
    integrity_codes,
    library_says,
    said_in,
)

CASES = [pytest.param(each, suffix, id=f"{each.name}-{suffix}") for each in CATEGORIES for suffix in each.suffixes]
CORPUS = "CLEARMARK_C2PA_CORPUS"
MUTATIONS = 300
LIMITS = WorkerLimits(cpu_s=10, wall_s=60.0, memory_bytes=1 << 30)
HASTE = WorkerLimits(cpu_s=1, wall_s=60.0, memory_bytes=1 << 30)


@pytest.fixture(scope="module")
def engine(own: Credentials) -> LibraryEngine:
    return LibraryEngine(own)


def found(facts: ManifestFacts | IngredientFacts) -> Found:
    return Found(
        integrity=facts.integrity.state,
        codes=frozenset(failure.code for failure in facts.integrity.failures),
        signer=facts.signer.state,
        ingredients=tuple(map(found, facts.ingredients)),
    )


@pytest.mark.parametrize(("category", "suffix"), CASES)
def test_every_category_reads_as_what_was_done_to_it(
    engine: LibraryEngine, workshop: Workshop, category: Category, suffix: str
) -> None:
    facts = engine.read(category.write(workshop, suffix), "")
    assert found(facts) == category.expects(suffix)
    assert all(failure.explanation for failure in facts.integrity.failures)


@pytest.mark.parametrize(("category", "suffix"), CASES)
def test_our_reading_adds_nothing_to_the_librarys_and_hides_nothing_of_it(
    engine: LibraryEngine, workshop: Workshop, own: Credentials, category: Category, suffix: str
) -> None:
    path = category.write(workshop, suffix)
    facts, alone = engine.read(path, ""), library_says(path, own)
    assert facts.integrity.state is alone.state
    if facts.raw is not None:
        assert integrity_codes(failure.code for failure in facts.integrity.failures) == alone.codes


def test_nothing_that_was_tampered_with_keeps_its_check(engine: LibraryEngine, workshop: Workshop) -> None:
    for category in CATEGORIES:
        facts = engine.read(category.write(workshop, "png"), "") if "png" in category.suffixes else None
        if facts is not None and category.expects("png").integrity is not IntegrityState.INTACT:
            assert facts.check is None, category.name
            assert facts.consents == (), category.name


# --- Bombs ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def isolated(own: Credentials) -> Iterator[dict[WorkerLimits, IsolatedEngine]]:
    with (
        closing(IsolatedEngine(lambda: own, limits=LIMITS)) as patient,
        closing(IsolatedEngine(lambda: own, limits=HASTE)) as hasty,
    ):
        yield {LIMITS: patient, HASTE: hasty}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_answered_soon_and_the_next_file_is_read(
    isolated: dict[WorkerLimits, IsolatedEngine], workshop: Workshop, tmp_path: Path, name: str
) -> None:
    suffix, content = BOMBS[name](workshop)
    (path := tmp_path / f"bomb.{suffix}").write_bytes(content)
    engine = isolated[HASTE if name in BURNING else LIMITS]
    facts = engine.read(path, "")
    assert name in LENGTH_IGNORED or facts.integrity.state in (IntegrityState.INVALID, IntegrityState.UNREADABLE)
    assert all(failure.explanation for failure in facts.integrity.failures)
    if name in BURNING:
        assert [failure.code for failure in facts.integrity.failures] == ["clearmark.reader.exit"]
    after = engine.read(workshop.signed("jpg"), "")
    assert (after.integrity.state, after.signer.state) == (IntegrityState.INTACT, SignerState.TRUSTED)


# The length that a store gives of itself is in no hash, and the library goes by the chunk that holds it.
LENGTH_IGNORED = {"a_store_that_says_it_is_four_gigabytes"}


def test_what_lies_past_a_wrong_length_is_not_handed_on(
    isolated: dict[WorkerLimits, IsolatedEngine], workshop: Workshop, tmp_path: Path
) -> None:
    (name,) = LENGTH_IGNORED
    suffix, content = BOMBS[name](workshop)
    (path := tmp_path / f"bomb.{suffix}").write_bytes(content)
    facts = isolated[LIMITS].read(path, "")
    assert facts.integrity.state is IntegrityState.INTACT
    assert facts.manifest_store is None


# --- Noise ------------------------------------------------------------------------------------------------


def mutated(content: bytes, chance: random.Random) -> bytes:
    """One change: bits flipped, bytes lost, added, repeated or exchanged, a length that lies."""
    made, at = bytearray(content), chance.randrange(len(content))
    for _ in range(3):  # not in the padding of the signature, where nothing is
        at = at if any(content[at - 8 : at + 8]) else chance.randrange(len(content))
    size = chance.choice((1, 1, 2, 4, 8, 64, 1000))
    match chance.randrange(7):
        case 0 | 1:
            made[at] ^= 1 << chance.randrange(8)
        case 2:
            made[at : at + size] = chance.randbytes(size)
        case 3:
            del made[at : at + size]
        case 4:
            made[at:at] = chance.randbytes(size)
        case 5:
            made[at:at] = made[at : at + size]
        case _:
            made[at : at + 4] = chance.choice((bytes(4), b"\xff" * 4, b"\x80\0\0\0", b"\0\0\0\1"))
    return bytes(made)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_noise_breaks_nothing_and_passes_for_nothing(
    engine: LibraryEngine, own: Credentials, workshop: Workshop, tmp_path: Path, suffix: str
) -> None:
    content, chance = workshop.signed(suffix).read_bytes(), random.Random(f"conformance {suffix}")
    path, kind = tmp_path / f"noise.{suffix}", media_type_of(workshop.signed(suffix))
    states: dict[IntegrityState, int] = {}
    for number in range(MUTATIONS):
        path.write_bytes(noise := mutated(content, chance))
        state = engine.read(path, kind or "").integrity.state
        states[state] = states.get(state, 0) + 1
        if state is IntegrityState.INTACT and noise != content:
            assert library_says(path, own).state is IntegrityState.INTACT, number
            assert same_where_signed(workshop.signed(suffix), noise), number
    assert states[IntegrityState.INVALID] > MUTATIONS // 10
    assert states.get(IntegrityState.REMOTE) is None


def same_where_signed(signed: Path, noise: bytes) -> bool:
    """Whether all that a hash or the signature covers is there as it was: the media, each statement, the claim.

    Of a statement its name and what it says: the library hashes a box as it would write it, so bits of the
    description that mean nothing may differ (other verifiers call that a change).
    """
    content, tree = signed.read_bytes(), parse(store_of(signed))
    held = tree.named(ASSERTIONS).boxes[1:]
    statements = [piece for each in held for piece in (each.label.encode(), each.boxes[1].to_bytes())]
    if not all(piece in noise for piece in [*statements, tree.named(CLAIM).boxes[1].content]):
        return False
    if media_type_of(signed) == "video/mp4":
        return hashed_boxes(content) == hashed_boxes(noise)
    (left_out,) = said_in(tree.named("c2pa.hash.data"))["exclusions"]
    start, end = left_out["start"], left_out["start"] + left_out["length"]
    return content[:start] == noise[:start] and content[end:] == noise[end:]


def hashed_boxes(content: bytes) -> list[bytes]:
    """The boxes of an ISO file that its hash covers (C2PA 2.4 section 18.6: exclusions)."""
    boxes, at = [], 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4]) or len(content) - at
        boxes.append(content[at : at + max(size, 8)])
        at += max(size, 8)
    return [box for box in boxes if box[4:8] not in (b"uuid", b"ftyp", b"mfra", b"free", b"skip")]


# --- Real files -------------------------------------------------------------------------------------------


def real_files() -> list[Path]:
    folder = os.environ.get(CORPUS)
    return sorted(path for path in Path(folder).rglob("*") if path.is_file()) if folder else []


@pytest.mark.skipif(not os.environ.get(CORPUS), reason=f"{CORPUS} names no folder of real files")
def test_real_files_are_read_as_others_read_them(engine: LibraryEngine, own: Credentials) -> None:
    rows, differ = [], []
    for path in real_files():
        facts, kind = engine.read(path, ""), media_type_of(path)
        alone = library_says(path, own) if kind else None
        second = second_says(path, own)
        ours = Opinion(state=facts.integrity.state, codes=frozenset(f.code for f in facts.integrity.failures))
        rows.append(f"{path.name:40} {kind} ours {ours.state} {sorted(ours.codes)} library {alone} second {second}")
        if alone is not None and kind and ours.state is not alone.state:
            differ.append(rows[-1])
        if second is not None and not agree(ours.state, second.state):
            differ.append(rows[-1])
    print(*rows, sep="\n")  # noqa: T201 - the table is what one runs this for
    assert rows, "the folder is empty"
    assert differ == []
