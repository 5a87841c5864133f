"""`python -m tests.drills NAME …`: each drill is a module here with a `main` that takes its arguments."""

import importlib
import sys

DRILLS = {
    "kill": "kill -9 of one part after another under load, and what must hold afterwards",
    "restore": "backup, loss and restore, timed: every verdict is the one that it was",
}


def main() -> int:
    name, *arguments = sys.argv[1:] or ["--help"]
    if name not in DRILLS:
        sys.stdout.write("usage: python -m tests.drills NAME …\n\n")
        sys.stdout.write("".join(f"  {drill:<10}{what}\n" for drill, what in DRILLS.items()))
        return 0 if name in ("-h", "--help") else 2
    code: int = importlib.import_module(f"tests.drills.{name}").main(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())
