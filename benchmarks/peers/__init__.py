"""Other ways to find copies, run side by side: each by its published description and with its own settings.

The comparing is written here from those descriptions; hashes and codes come from the packages named, which
only the benchmarks need: the group `bench` of pyproject.toml has them.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from benchmarks.systems import System


def peers(say: Callable[[str], None]) -> list[System[Any]]:
    """All of them whose packages are installed."""
    made: list[System[Any]] = []
    for module, name, how in _PEERS:
        try:
            made.append(getattr(import_module(f"benchmarks.peers.{module}"), name)(**how))
        except ModuleNotFoundError as error:
            say(f"{name} is left out: {error}")
    return made


_PEERS: tuple[tuple[str, str, dict[str, bool]], ...] = (
    ("frames", "VPdq", {"of_the_query": True}),
    ("frames", "VPdq", {"of_the_query": False}),
    ("frames", "FramePHash", {}),
    ("iscc", "IsccVideo", {}),
    ("acoustid", "AcoustID", {"whole_files": False}),
    ("acoustid", "AcoustID", {"whole_files": True}),
    ("audfprint", "Audfprint", {}),
    ("iscc", "IsccAudio", {}),
)
