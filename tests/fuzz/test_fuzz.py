"""The hunt in short, what it ever found, and that it would find what it is for."""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.api.service import running_service
from tests.fuzz.__main__ import hunted
from tests.fuzz.clips import clips, media_target
from tests.fuzz.hunt import Hunt, broken_again, save, tried
from tests.fuzz.mutate import MOST_BYTES, mutated
from tests.fuzz.parsers import PARSERS, Target
from tests.fuzz.service import hunted_service

FINDINGS = Path(__file__).with_name("findings")


def test_no_parser_does_what_it_does_not_declare() -> None:
    hunts = hunted([*PARSERS], seed=1, inputs=60 * len(PARSERS), turn=60)
    assert {hunt.name: hunt.findings for hunt in hunts if hunt.findings} == {}
    assert min(hunt.outcomes.total() for hunt in hunts) > 0


def test_what_was_found_once_is_read_or_refused() -> None:
    assert broken_again(FINDINGS, {**PARSERS, "media": media_target}) == {}


def test_mutated_media_becomes_a_fingerprint_or_is_refused() -> None:
    hunt = Hunt("media", media_target(), 3)
    hunt.turn(most=12, most_cpu_s=60)
    assert hunt.findings == {}
    assert hunt.outcomes.total() == 12


def test_a_service_stays_whole_whatever_is_sent(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        hunt = hunted_service(service, 5, inputs=25, seeds=clips()[:4])
    assert (hunt.problems, hunt.findings) == ([], {})
    assert hunt.outcomes.total() == 25


# -- the hunt itself ----------------------------------------------------------------------------------


def test_a_right_input_is_read() -> None:
    """A target whose own seeds are refused would hunt in the porch."""
    for name, make in PARSERS.items():
        target = make()
        outcomes = [tried(target, seed)[0] for seed in target.seeds]
        assert "read" in outcomes, (name, outcomes)


def _knows_nothing(data: bytes) -> object:
    known: dict[bytes, object] = {}
    return known[data]


def _too_large(_: bytes) -> object:
    return len(bytearray(b"x") * (700 << 20))


def _slow(_: bytes) -> object:
    until_s = time.process_time() + 2.2
    while time.process_time() < until_s:
        pass
    return None


@pytest.mark.parametrize(
    ("run", "outcome"),
    [
        (_knows_nothing, "!KeyError ?"),
        (lambda data: data.decode("ascii"), "UnicodeDecodeError"),
        (lambda data: len(data), "read"),
        (_slow, "!slow"),
        (_too_large, "!large"),
    ],
)
def test_each_rule_that_is_broken_is_seen(run: Callable[[bytes], object], outcome: str) -> None:
    target = Target(run=run, seeds=[b""], refusals=(UnicodeDecodeError,))
    assert tried(target, b"\xff")[0] == outcome


def test_an_input_that_would_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.hunt._HANGS_CPU_S", 0.2)

    def hangs(_: bytes) -> object:
        while True:
            pass

    assert tried(Target(run=hangs, seeds=[b""], refusals=(Exception,)), b"")[0] == "!hangs"


def test_a_finding_is_kept_as_it_was_and_tried_again(tmp_path: Path) -> None:
    hunt = Hunt("words", Target(run=_knows_nothing, seeds=[b"seed"]), 1)
    hunt.turn(most=5)
    [path] = save([hunt], tmp_path)
    assert path.read_bytes() == next(iter(hunt.findings.values()))
    [outcome] = hunt.findings
    assert broken_again(tmp_path, {"words": lambda: hunt.target}) == {path.name: outcome}
    mended = Target(run=lambda data: data, seeds=[], refusals=())
    assert broken_again(tmp_path, {"words": lambda: mended}) == {}


@pytest.mark.parametrize("kind", ["bytes", "json", "boxes"])
def test_a_seed_makes_the_same_inputs_again(kind: str) -> None:
    seed = b'{"a": [1, 2, {"b": "c"}], "moov": "\x00\x00\x00\x10trak"}'

    def made() -> list[bytes]:
        random = Random(9)
        return [mutated(seed, random, others=[seed, b"x" * 50], kind=kind) for _ in range(300)]

    assert made() == made()
    assert len(set(made())) > 200
    assert max(map(len, made())) <= MOST_BYTES
