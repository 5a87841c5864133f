"""`make screenshots`: take the pictures of the pages again that the documents show, by playing the tests' journeys."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.browser.browser import SCREENSHOTS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "screenshots"
# A page that is longer is shown down to here.
_MOST_PX = 1800
_SHOWN = re.compile(r"screenshots/([a-z0-9-]+\.png)")


def shown() -> set[str]:
    """The pictures that documents show."""
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    return {name for document in documents for name in _SHOWN.findall(document.read_text())}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "tests/browser"]
        ran = subprocess.run(command, cwd=ROOT, env={**os.environ, SCREENSHOTS: folder}, check=False)
        if ran.returncode:
            return ran.returncode  # the old pictures are better than half of the new ones
        FOLDER.mkdir(exist_ok=True)
        for old in FOLDER.glob("*.png"):
            old.unlink()
        for name in sorted(shown()):
            _keep(Path(folder, name), FOLDER / name)
    return 0


def _keep(taken: Path, kept: Path) -> None:
    """Of few colours, as pages are; a quarter of the bytes."""
    with Image.open(taken) as picture:
        seen = picture.convert("RGB").crop((0, 0, picture.width, min(picture.height, _MOST_PX)))
        seen.quantize(128, dither=Image.Dither.NONE).save(kept, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
