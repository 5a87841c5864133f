"""Edits make the files that their truth speaks of."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import cache
from benchmarks.edits import picture, sound, still
from benchmarks.edits.picture import PICTURE_EDITS, Of, PictureEdit, Shot
from benchmarks.edits.sound import SOUND_EDITS, SoundEdit, Surroundings, Track
from benchmarks.media import Clip, Kind
from fingerprinting.decode import probe
from fingerprinting.model import ItemNumber
from tests.media import moving_clip, track

COPY, SECOND, THIRD = ItemNumber(0), ItemNumber(1), ItemNumber(2)


def clip(path: Path, kind: Kind, duration_s: float) -> Clip:
    return Clip(path=path, kind=kind, cluster="c", source="s", duration_s=duration_s, has_audio=kind is not Kind.VIDEO)


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Of, Shot]]:
    folder = tmp_path_factory.mktemp("edits")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "FOLDER", folder / "cache")
        shots = {}
        for seed, (of, item) in enumerate(zip(Of, (COPY, SECOND, THIRD, None), strict=True)):
            path = moving_clip(folder / f"{of}.mp4", seconds=20, seed=seed)
            shots[of] = picture.shot(clip(path, Kind.VIDEO, 20.0), item)
        yield shots


@pytest.mark.sampled
@pytest.mark.parametrize("edit", PICTURE_EDITS, ids=lambda edit: edit.name)
def test_an_edited_picture_is_as_long_as_its_pieces_say(edit: PictureEdit, cast: dict[Of, Shot]) -> None:
    edited = edit.apply({of: cast[of] for of in edit.needs})
    duration_s = probe(edited.path).duration_s
    assert duration_s is not None
    last = edit.takes[-1]
    after_s = (last.length_s or 0.0) if last.of is Of.OTHER else 0.0
    assert max(piece.query_end_s for piece in edited.pieces) + after_s == pytest.approx(duration_s, abs=0.15)
    for piece in edited.pieces:
        assert 0 <= piece.query_start_s < piece.query_end_s
        # The shot is the middle of 20 s.
        assert 3.2 <= piece.reference_start_s < piece.reference_end_s <= 15.2
        copied_s = piece.reference_end_s - piece.reference_start_s
        assert copied_s == pytest.approx((piece.query_end_s - piece.query_start_s) * edit.speed)


def test_what_was_made_once_is_not_made_again(cast: dict[Of, Shot]) -> None:
    edit = next(edit for edit in PICTURE_EDITS if edit.name == "grey")
    first = edit.apply(cast).path.stat().st_mtime_ns
    assert edit.apply(cast).path.stat().st_mtime_ns == first


def test_a_mash_up_copies_all_its_works(cast: dict[Of, Shot]) -> None:
    edit = next(edit for edit in PICTURE_EDITS if edit.name == "mash-up of three works")
    assert [piece.item for piece in edit.apply(cast).pieces] == [COPY, SECOND, THIRD]


def test_an_unregistered_shot_is_no_piece(cast: dict[Of, Shot]) -> None:
    edit = next(edit for edit in PICTURE_EDITS if edit.name == "grey")
    assert edit.apply({Of.COPY: cast[Of.OTHER]}).pieces == ()


@pytest.mark.sampled
@pytest.mark.parametrize("edit", still.STILL_EDITS, ids=lambda edit: edit.name)
def test_a_picture_is_shown_for_as_long_as_is_said(edit: still.StillEdit, cast: dict[Of, Shot]) -> None:
    edited = edit.apply(still.still(cast[Of.COPY]), COPY, cast[Of.OTHER])
    (piece,) = edited.pieces
    if edit.shown_s:
        assert piece.query_end_s - piece.query_start_s == edit.shown_s
        assert probe(edited.path).duration_s == pytest.approx(8 + edit.shown_s, abs=0.15)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> tuple[Track, tuple[Clip, ...]]:
    folder = tmp_path_factory.mktemp("music")
    paths = [track(folder / f"{seed}.wav", seconds=20, seed=seed) for seed in range(4)]
    copied, *speech = [clip(path, Kind.MUSIC, 20.0) for path in paths]
    return Track(clip=copied, item=COPY), tuple(speech)


@pytest.mark.sampled
@pytest.mark.parametrize("edit", [e for e in SOUND_EDITS if e.length_s == 5], ids=lambda edit: edit.name)
def test_an_edited_sound_is_as_long_as_its_name_says(
    edit: SoundEdit, cast: dict[Of, Shot], music: tuple[Track, tuple[Clip, ...]]
) -> None:
    copied, speech = music
    edited = edit.apply(copied, 0.4, Surroundings(picture=cast[Of.OTHER], speech=speech, other=speech[0]))
    (piece,) = edited.pieces
    assert piece.query_end_s - piece.query_start_s == edit.length_s
    assert piece.reference_end_s - piece.reference_start_s == pytest.approx(edit.length_s * edit.speed)
    assert piece.reference_end_s <= 20
    assert probe(edited.path).duration_s == pytest.approx(60.0 if edit.inside else edit.length_s, abs=0.2)


def test_edits_have_names_of_their_own() -> None:
    for edits in (PICTURE_EDITS, SOUND_EDITS, still.STILL_EDITS):
        names = [edit.name for edit in edits]
        assert len(set(names)) == len(names)


def test_negatives_are_edited_as_copies_are() -> None:
    assert len(picture.NEGATIVE_EDITS) == 11
    assert len(sound.NEGATIVE_EDITS) == 8
