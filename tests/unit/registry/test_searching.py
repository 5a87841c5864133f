"""What is the same to who looks."""

import pytest

from registry.domain.searching import folded, words_of


@pytest.mark.parametrize(
    ("written", "looked_for"),
    [
        ("L’Été – 2", "lete 2"),
        ("Łódź, İSTANBUL & Ærø", "lodz istanbul aero"),
        ("Straße", "strasse"),
        ("ﬁlm ２", "film 2"),
        ("東京 物語", "東京 物語"),
        ("किताब", "किताब"),
        ("100%_'", "100"),
        ("…", ""),
    ],
)
def test_capitals_accents_and_punctuation_make_no_difference(written: str, looked_for: str) -> None:
    assert folded(written) == looked_for


def test_folding_again_changes_nothing() -> None:
    for text in ("L’Été – 2", "İ", "ŉ", "ǰ ﷺ"):
        assert folded(folded(text)) == folded(text)


def test_each_word_is_looked_for_once_and_not_too_many() -> None:
    assert words_of("The  Night, the NIGHT") == ["the", "night"]
    assert len(words_of(" ".join(map(str, range(200))))) == 10
