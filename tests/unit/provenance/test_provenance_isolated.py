"""What a dead, late or babbling worker means, and what the worker is not given."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from provenance.authority import SigningIdentity
from provenance.errors import ReadFailed, SigningFailed
from provenance.isolated import IsolatedEngine
from provenance.model import IntegrityState, ReleaseClaim

type MediaMaker = Callable[[str], Path]


def instead(script: str) -> Callable[[list[str]], list[str]]:
    """Run a shell script in the worker's place."""
    return lambda command: ["/bin/sh", "-c", script, "sh", *command]


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("exit 3", "exit"),
        ("kill -9 $$", "exit"),
        ("echo not json", "garbled"),
        ('echo \'{"ok": true, "value": {}}\'', "garbled"),
        ('echo \'{"ok": false, "error": {"kind": "SystemExit", "fields": {}}}\'', "garbled"),
        ('echo \'{"ok": false, "error": {"kind": "ReadFailed", "fields": {"x": 1}}}\'', "garbled"),
        ("head -c 20000000 /dev/zero", "garbled"),
        ("true", "garbled"),
    ],
)
def test_a_broken_worker_makes_the_file_unreadable_and_a_signature_fail(
    identity: SigningIdentity, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path, script: str, how: str
) -> None:
    engine = IsolatedEngine(identity=identity, command_prefix=instead(script), timeout_s=30)
    facts = engine.read(media("mp4"), "video/mp4")
    assert facts.integrity.state is IntegrityState.UNREADABLE
    assert facts.integrity.failures[0].code == f"clearmark.reader.{how}"
    with pytest.raises(SigningFailed, match=how):
        engine.sign(media("mp4"), tmp_path / "signed.mp4", claim)
    assert list(tmp_path.iterdir()) == []


def test_a_late_worker_is_killed_with_its_children(
    identity: SigningIdentity, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path
) -> None:
    alive = tmp_path / "alive"
    script = f"sleep 2; touch {alive}"
    engine = IsolatedEngine(identity=identity, command_prefix=instead(f"({script}) & wait"), timeout_s=0.2)
    facts = engine.read(media("mp4"), "video/mp4")
    assert facts.integrity.failures[0].code == "clearmark.reader.timeout"
    with pytest.raises(SigningFailed, match="timeout"):
        engine.sign(media("mp4"), tmp_path / "signed.mp4", claim)
    time.sleep(2.2)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_cannot_be_started_says_nothing_of_the_file(
    identity: SigningIdentity, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path
) -> None:
    engine = IsolatedEngine(identity=identity, command_prefix=lambda command: ["/no/such/program", *command])
    with pytest.raises(ReadFailed):
        engine.read(media("mp4"), "video/mp4")
    with pytest.raises(SigningFailed):
        engine.sign(media("mp4"), tmp_path / "signed.mp4", claim)


def test_a_limit_in_the_prefix_reaches_the_worker(identity: SigningIdentity, media: MediaMaker) -> None:
    starved = IsolatedEngine(identity=identity, command_prefix=instead('ulimit -v 40000; exec "$@"'))
    assert starved.read(media("mp4"), "video/mp4").integrity.state is IntegrityState.UNREADABLE
    roomy = IsolatedEngine(identity=identity, command_prefix=instead('ulimit -v 4000000; exec "$@"'))
    assert roomy.read(media("mp4"), "video/mp4").integrity.state is IntegrityState.ABSENT


def test_the_worker_gets_no_environment_of_ours(
    identity: SigningIdentity, media: MediaMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARMARK_SECRET_OF_THE_TEST", "s3cret")
    seen = tmp_path / "environment"
    IsolatedEngine(identity=identity, command_prefix=instead(f"env > {seen}")).read(media("mp4"), "video/mp4")
    assert "PYTHONPATH=" in seen.read_text()
    assert "s3cret" not in seen.read_text()


def test_the_worker_is_found_from_any_folder_and_reads_relative_paths(
    identity: SigningIdentity, media: MediaMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clip.mp4").write_bytes(media("mp4").read_bytes())
    (tmp_path / "provenance.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    facts = IsolatedEngine(identity=identity).read(Path("clip.mp4"), "video/mp4")
    assert facts.integrity.state is IntegrityState.ABSENT


def test_the_isolated_engine_loads_no_native_library() -> None:
    code = "import sys, provenance.isolated; sys.exit('c2pa' in sys.modules)"
    root = str(Path(__file__).resolve().parents[3])
    assert os.spawnve(os.P_WAIT, sys.executable, [sys.executable, "-c", code], {"PYTHONPATH": root}) == 0
