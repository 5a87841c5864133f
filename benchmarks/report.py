"""How results are told: Markdown, figures in JSON and plots, on the terminal or written to docs/benchmarks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "docs" / "benchmarks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a part has measured: `body` is Markdown, `figures` are the same and more, `plots` are PNG by name."""

    title: str
    body: str
    figures: Mapping[str, object] = field(default_factory=dict)
    plots: Mapping[str, bytes] = field(default_factory=dict)

    def text(self, command: str) -> str:
        """The document; it says which command printed it."""
        told = f"Printed by `{command}`, written by the same with `--write`."
        return f"# {self.title}\n\n{told}\n\n{self.body.rstrip()}\n"

    def write(self, name: str, command: str) -> None:
        """Write `name`.md, and beside it `name`.json and the plots if there are any."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / f"{name}.md").write_text(self.text(command))
        if self.figures:
            (FOLDER / f"{name}.json").write_text(json.dumps({"command": command, **self.figures}) + "\n")
        for plot, image in self.plots.items():
            (FOLDER / plot).write_bytes(image)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all but the first column to the right."""
    lines = [headings, ["---", *["--:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(share: float | None) -> str:
    """A share from 0 to 1 as a percentage; a dash for None."""
    return "–" if share is None else f"{100 * share:.0f} %" if share in (0, 1) else f"{100 * share:.1f} %"
