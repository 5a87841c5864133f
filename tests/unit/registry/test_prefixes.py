"""What a text begins with is found as if all were tried."""

from hypothesis import given
from hypothesis import strategies as st

from registry.prefixes import Prefixes

_TEXTS = st.text("ab/", max_size=6)


@given(texts=st.lists(_TEXTS, max_size=30), asked=_TEXTS)
def test_what_is_found_is_what_trying_each_would_find(texts: list[str], asked: str) -> None:
    made = Prefixes((text, number) for number, text in enumerate(texts))
    found = list(made.beginning(asked))
    assert sorted(found) == [number for number, text in enumerate(texts) if asked.startswith(text)]
    assert [len(texts[number]) for number in found] == sorted((len(texts[number]) for number in found), reverse=True)
    assert sorted(made.continuing(asked)) == [
        number for number, text in enumerate(texts) if text.startswith(asked) and text != asked
    ]


class _Counted(str):
    """A text that counts how often it is compared."""

    compared = 0
    __slots__ = ()

    def startswith(self, *prefix: object) -> bool:
        _Counted.compared += 1
        return str.startswith(self, *prefix)  # type: ignore[arg-type]


def test_of_thousands_few_are_tried() -> None:
    made = Prefixes((f"/a{number:05}/", number) for number in range(10_000))
    _Counted.compared = 0
    assert list(made.beginning(_Counted("/a07777/film"))) == [7777]
    assert list(made.beginning(_Counted("/b/film"))) == []
    assert _Counted.compared <= 4
