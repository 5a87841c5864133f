"""Sources by their names: what is exported under a name is read under it, and what says nothing says so."""

import pytest

from registry.domain.preferences import Use, Value
from registry.formats import content_signal, content_usage
from registry.formats.reading import ALSO_CALLED, SourceKind, read
from registry.formats.statements import FormatError, Written
from tests.saying import said

SAID = [said(Use.SEARCH, Value.RESERVED), said(Use.INPUT, Value.ALLOWED)]


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (SourceKind.CONTENT_USAGE, content_usage.write_header(SAID)),
        (SourceKind.CONTENT_USAGE, content_usage.write_robots(SAID)),
        (SourceKind.CONTENT_SIGNAL, content_signal.write_header(SAID)),
        (SourceKind.CONTENT_SIGNAL, content_signal.write_robots(SAID)),
    ],
)
def test_a_header_or_its_rules_are_read_under_the_name_of_the_export(kind: SourceKind, written: Written) -> None:
    assert {(one.use, one.value) for one in read(kind, f"{written.text}\n".encode()).statements} == {
        (one.use, one.value) for one in SAID
    }


def test_no_name_stands_for_two_things() -> None:
    assert not set(ALSO_CALLED) & set(SourceKind)


@pytest.mark.parametrize("kind", [SourceKind.CONTENT_USAGE, SourceKind.CONTENT_SIGNAL])
@pytest.mark.parametrize("data", [b"", b"\xff\x00", b'[{"location": 1}]', b"search", b"a=b," * 2000])
def test_what_is_no_header_says_nothing(kind: SourceKind, data: bytes) -> None:
    assert read(kind, data).statements == ()


def test_a_header_of_megabytes_is_refused() -> None:
    with pytest.raises(FormatError):
        read(SourceKind.CONTENT_USAGE, b"a\n" * (1 << 20))
