"""How results are told: Markdown, on the terminal or written to docs/benchmarks."""

from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "docs" / "benchmarks"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all but the first column to the right."""
    lines = [headings, ["---", *["--:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def document(title: str, *, command: str, body: str) -> str:
    return f"# {title}\n\nPrinted by `{command}`, written by the same with `--write`.\n\n{body.rstrip()}\n"
