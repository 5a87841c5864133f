"""Who installs what the locks name: uv, or pip as the user has set it up. Both are stand-ins here that take notes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_PYTHON = """#!/bin/sh
echo "python $*" >>said
case "$*" in *"config list") cat settings ;; *) exit 0 ;; esac
"""
_UV = """#!/bin/sh
echo "uv $*" >>said
exit {code}
"""


def _installed_by(folder: Path, settings: str, uv_exits: int) -> list[str]:
    """Who was told to install the lock, in order."""
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "setup", folder / "scripts")
    (folder / "settings").write_text(settings)
    for path, text in ((".venv/bin/python", _PYTHON), (".uv/bin/uv", _UV.format(code=uv_exits))):
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_text(text)
        (folder / path).chmod(0o755)
    (folder / ".venv" / "pyvenv.cfg").write_text(f"command = python3 -m venv {folder.resolve()}/.venv\n")
    subprocess.run(["sh", "scripts/setup", "dev"], cwd=folder, env=os.environ, check=True, capture_output=True)
    assert (folder / ".venv" / "installed").exists()
    said = [line for line in (folder / "said").read_text().splitlines() if "dev.lock" in line]
    assert all("--require-hashes --only-binary :all:" in line for line in said)
    return [line.split()[0] for line in said]


@pytest.mark.parametrize(
    ("settings", "uv_exits", "who"),
    [
        ("", 0, ["uv"]),
        ("global.find-links='/wheels'\nglobal.cert='/ca.pem'\n", 0, ["uv"]),
        ("", 2, ["uv", "python"]),
        ("global.index-url='https://mirror.example/simple'\n", 0, ["python"]),
        (":env:.no-index='1'\n", 0, ["python"]),
        ("user.proxy='http://proxy.example'\n", 0, ["python"]),
    ],
    ids=["nothing set", "nothing that matters", "uv cannot", "a mirror", "no index", "a proxy"],
)
def test_uv_installs_unless_pip_is_told_of_another_way(
    tmp_path: Path, settings: str, uv_exits: int, who: list[str]
) -> None:
    assert _installed_by(tmp_path, settings, uv_exits) == who
