"""A child gets what its limits give and nothing more, and is gone when the call returns."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fingerprinting.child import ChildExceededLimit, Output, ProcessLimits, run_limited
from tests.unit.fingerprinting.conftest import NoTrace

ROOMY = ProcessLimits(cpu_s=10, wall_s=10.0, memory_bytes=1 << 30)


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def test_what_a_child_writes_arrives_whole_and_apart() -> None:
    left, right = bytearray(), bytearray()
    outputs = {
        "left": Output(take=left.extend, most_bytes=1 << 20),
        "right": Output(take=right.extend, most_bytes=1 << 20),
    }
    # More than a pipe holds, in turns: a reader that waited for one of them would hang.
    script = (
        "for i in 1 2 3 4; do head -c 200000 /dev/zero >/dev/fd/{left}; head -c 150000 /dev/zero >/dev/fd/{right}; done"
    )
    result = run_limited(shell(f"{script}; echo said >&2; exit 3"), limits=ROOMY, outputs=outputs)
    assert (len(left), len(right)) == (800_000, 600_000)
    assert (result.returncode, result.stderr) == (3, "said\n")


def test_a_child_has_none_of_the_services_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARMARK_SIGNER_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    said = run_limited(shell("env >&2"), limits=ROOMY, outputs={}).stderr
    assert "PATH=" in said
    assert "secret" not in said


def test_a_child_that_outlives_its_wall_time_is_ended(no_trace: NoTrace) -> None:
    started = time.monotonic()
    with no_trace(), pytest.raises(ChildExceededLimit) as ended:
        run_limited(shell("sleep 60"), limits=replace(ROOMY, wall_s=0.3), outputs={})
    assert ended.value.limit == "wall"
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("yes >&2", id="never stops talking"),
        pytest.param("exec 2>&-; sleep 60", id="closes its pipes and stays"),
        pytest.param("sleep 60 & wait", id="waits for a child of its own"),
    ],
)
def test_no_trick_outlasts_the_wall_time(script: str, no_trace: NoTrace) -> None:
    started = time.monotonic()
    with no_trace(), pytest.raises(ChildExceededLimit) as ended:
        run_limited(shell(script), limits=replace(ROOMY, wall_s=0.3), outputs={})
    assert ended.value.limit == "wall"
    assert time.monotonic() - started < 5


def test_the_children_of_an_ended_child_end_with_it(tmp_path: Path) -> None:
    late = tmp_path / "late"
    script = f"(sleep 0.8; mkdir {late}) & wait"
    with pytest.raises(ChildExceededLimit):
        run_limited(shell(script), limits=replace(ROOMY, wall_s=0.2), outputs={})
    time.sleep(1.2)
    assert not late.exists()


def test_an_output_past_its_size_ends_the_child(no_trace: NoTrace) -> None:
    taken = bytearray()
    outputs = {"frames": Output(take=taken.extend, most_bytes=100_000)}
    with no_trace(), pytest.raises(ChildExceededLimit) as ended:
        run_limited(shell("cat /dev/zero >/dev/fd/{frames}"), limits=ROOMY, outputs=outputs)
    assert ended.value.limit == "frames"
    assert len(taken) <= 100_000


def test_a_chatty_child_is_cut_short_but_not_blamed() -> None:
    script = "echo begin >&2; yes | head -c 3000000 >&2"
    result = run_limited(shell(script), limits=ROOMY, outputs={})
    assert result.returncode == 0
    assert result.stderr.startswith("begin\n")
    assert len(result.stderr) <= 1 << 16


def test_a_child_has_no_more_memory_than_its_limit() -> None:
    grab = [sys.executable, "-S", "-c", "held = bytearray(400 << 20); print('got it')"]
    assert run_limited(grab, limits=ROOMY, outputs={}).returncode == 0
    refused = run_limited(grab, limits=replace(ROOMY, memory_bytes=300 << 20), outputs={})
    assert refused.returncode != 0
    assert "MemoryError" in refused.stderr


def test_a_child_has_no_more_processor_time_than_its_limit() -> None:
    started = time.monotonic()
    result = run_limited(shell("while :; do :; done"), limits=replace(ROOMY, cpu_s=1), outputs={})
    assert result.returncode < 0
    assert time.monotonic() - started < 8


@pytest.mark.parametrize(("file_bytes", "size"), [(0, 0), (1024, 1024), (5000, 4096)])
def test_a_child_writes_no_larger_file_than_its_limit(tmp_path: Path, file_bytes: int, size: int) -> None:
    target = tmp_path / "written"
    command = ["/bin/sh", "-c", 'head -c 4096 /dev/zero > "$0"', str(target)]
    result = run_limited(command, limits=replace(ROOMY, file_bytes=file_bytes), outputs={})
    assert target.stat().st_size == size
    assert (result.returncode == 0) == (size == 4096)


def test_a_child_has_nothing_to_read() -> None:
    heard = bytearray()
    outputs = {"heard": Output(take=heard.extend, most_bytes=100)}
    assert run_limited(shell("cat >/dev/fd/{heard}"), limits=ROOMY, outputs=outputs).returncode == 0
    assert heard == b""


def test_a_program_that_is_not_there_is_a_failure_not_a_crash() -> None:
    assert run_limited(["/no/such/program"], limits=ROOMY, outputs={}).returncode != 0


def test_a_taker_that_fails_ends_the_child(no_trace: NoTrace) -> None:
    def refuse(_: bytes) -> None:
        raise RuntimeError("full")

    with no_trace(), pytest.raises(RuntimeError, match="full"):
        run_limited(
            shell("cat /dev/zero >/dev/fd/{out}"),
            limits=ROOMY,
            outputs={"out": Output(take=refuse, most_bytes=1 << 30)},
        )
