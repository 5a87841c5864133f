"""What reading a file may leave behind: nothing."""

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests import media
from tests.processes import children_of, resident_mib

type NoTrace = Callable[[], AbstractContextManager[None]]

_MOST_GROWTH_MIB = 50


@pytest.fixture
def no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NoTrace:
    """A block after which no child, no file and no memory of what happened inside is left."""
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)
    own = os.getpid()

    @contextlib.contextmanager
    def watched() -> Iterator[None]:
        children, resident, files = children_of(own), resident_mib(own), set(tmp_path.rglob("*"))
        yield
        assert set(children_of(own)) <= set(children)
        assert set(tmp_path.rglob("*")) == files
        assert resident_mib(own) - resident < _MOST_GROWTH_MIB

    return watched


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips with sound, `one.mp4` and `two.mp4`, fourteen seconds each."""
    folder = tmp_path_factory.mktemp("made")
    for seed, name in enumerate(("one.mp4", "two.mp4"), start=1):
        media.clip_with_sound(folder / name, seconds=14, seed=seed)
    return folder
