"""Asks whether a version that the service runs on has a known vulnerability: `make lint` runs it.

Decides what fails: a vulnerability that somebody published does, whatever it is about. Where the advisories cannot be
asked, behind a mirror that has none or without a network, it says so in one line and fails nothing, since a build must
not depend on it. It does not decide which versions are locked: `make lock`.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_TIMEOUT_S, _PIP_AUDIT = 120, str(Path(sys.executable).with_name("pip-audit"))


def ask(locks: Sequence[Path]) -> list[dict[str, Any]] | None:
    """What the advisories say of each version; None where they could not be asked."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [_PIP_AUDIT, "--disable-pip", "--require-hashes", "--progress-spinner", "off", "--timeout", "10"]
        for lock in locks:
            command += ["--requirement", str(lock)]
        try:
            subprocess.run(
                [*command, "--format", "json", "--output", str(answer)],
                check=False,
                capture_output=True,
                timeout=_TIMEOUT_S,
            )
            found: list[dict[str, Any]] = json.loads(answer.read_text())["dependencies"]
        except (subprocess.TimeoutExpired, OSError, ValueError):
            return None
    return found


def judge(found: Sequence[dict[str, Any]] | None) -> tuple[list[str], bool]:
    """What to say, and whether a vulnerability is known."""
    asked = [one for one in found or () if "skip_reason" not in one]
    if not asked:
        return ["audit: the advisories could not be asked; nothing was audited"], False
    known = [
        f"audit: {one['name']} {one['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'none'}"
        for one in asked
        for flaw in one["vulns"]
    ]
    unknown = len(found or ()) - len(asked)
    left = f"; of {unknown} others nothing is known there" if unknown else ""
    return [*known, f"audit: {len(asked)} versions asked about, {len(known)} known vulnerabilities{left}"], bool(known)


if __name__ == "__main__":
    said, is_vulnerable = judge(ask([Path(lock) for lock in sys.argv[1:]]))
    print(*said, sep="\n")
    sys.exit(is_vulnerable)
