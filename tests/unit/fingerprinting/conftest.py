"""What reading a file may leave behind: nothing."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests import media

type NoTrace = Callable[[], AbstractContextManager[None]]

_MOST_GROWTH_BYTES = 50 << 20
_PAGE_BYTES = 4096


def _children() -> set[str]:
    """Process ids of this process's children; the system tells on Linux only."""
    listed = Path("/proc/self/task").glob("*/children")
    return {pid for threads in listed for pid in threads.read_text().split()}


def _resident_bytes() -> int:
    told = Path("/proc/self/statm")
    return int(told.read_text().split()[1]) * _PAGE_BYTES if told.exists() else 0


@pytest.fixture
def no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NoTrace:
    """A block after which no child, no file and no memory of what happened inside is left."""
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)

    @contextlib.contextmanager
    def watched() -> Iterator[None]:
        children, resident, files = _children(), _resident_bytes(), set(tmp_path.rglob("*"))
        yield
        assert _children() <= children
        assert set(tmp_path.rglob("*")) == files
        assert _resident_bytes() - resident < _MOST_GROWTH_BYTES

    return watched


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips with sound, `one.mp4` and `two.mp4`, fourteen seconds each."""
    folder = tmp_path_factory.mktemp("made")
    for seed, name in enumerate(("one.mp4", "two.mp4"), start=1):
        media.clip_with_sound(folder / name, seconds=14, seed=seed)
    return folder
