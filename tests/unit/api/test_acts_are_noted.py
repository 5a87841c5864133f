"""Whatever an operator or reviewer does is on the audit: as a decision on its record, or as an act that is noted.

Functions that only those may call are found by what they require, commands by what they open; each is said to look, or
to leave something. A new one fails until it is.
"""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from api.cli import app

ROOT = Path(__file__).parents[3]
# What only looks.
LOOKS = frozenset(
    {
        "registry.audit.decisions", "registry.audit.people", "registry.health.jobs_in", "registry.health.known",
        "registry.health.letter",
        "registry.health.letters", "registry.health.messages", "registry.health.queues",
        "registry.health.troubles", "registry.health._failed",
        "registry.negatives.visible", "registry.review.bank", "registry.review.flood",
        "registry.review.held", "registry.review.queue", "registry.review.look",
        "registry.review.waiting", "registry.search.accounts", "registry.search.holders", "takedown.records.redacted",
    }
)  # fmt: skip
# What decides: the decision stands on its record, and `registry.audit` lists it from there.
DECIDES = frozenset(
    {
        "registry.checks.review", "registry.conflicts.decide", "registry.lookback.decide",
        "registry.quarantine.decide", "registry.assurance.grant", "takedown.misuse.decide",
        "registry.negatives.add_upload", "registry.negatives.add_fingerprint",
    }
)  # fmt: skip


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{one.name}", one) for one in node.body if isinstance(one, ast.FunctionDef))


def _for_operators() -> dict[str, ast.FunctionDef]:
    """Functions of services that require the scope of an operator or reviewer and no other, by their names."""
    found = {}
    for package in ("registry", "takedown"):
        for path in sorted((ROOT / package).glob("*.py")):
            functions = dict(_functions(ast.parse(path.read_text())))
            for name, function in functions.items():
                source = ast.unparse(function)
                if "require(Scope.ADMIN)" in source or "require(Scope.REVIEW)" in source:
                    found[f"{package}.{path.stem}.{name}"] = function
    return found


FOR_OPERATORS = _for_operators()


@pytest.mark.parametrize("name", sorted(FOR_OPERATORS))
def test_what_only_operators_may_do_leaves_a_trace(name: str) -> None:
    if name not in LOOKS and name not in DECIDES:
        assert "note(" in ast.unparse(FOR_OPERATORS[name]), "say that it looks, or note what it does"


# Commands on the data folder that change nothing which somebody could want to contest.
LOOKING = frozenset(
    {
        "keys list", "webhooks list", "ledger verify", "ledger checkpoint", "index status", "index migrate",
        "algorithms status", "algorithms backfill", "audit list", "trust lists", "signer status", "signer csr",
    }
)  # fmt: skip
_OPENS = ("the_service(", "_lists()", "_signers()", "keys_folder", "load_settings()")
# Commands that run the service, or fingerprint a file here.
_RUNS = frozenset({"serve", "worker", "demo", "settings", "fingerprint", "openapi"})


def _commands() -> Iterator[tuple[str, str]]:
    """Commands that open the data folder, with what they are made of."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        for sub, one in getattr(command, "commands", {"": command}).items():
            callback = one.callback
            source = inspect.getsource(inspect.unwrap(callback)) if callback is not None else ""
            if any(said in source for said in _OPENS):
                yield f"{name} {sub}".strip(), source


COMMANDS = dict(_commands())


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - LOOKING - _RUNS))
def test_what_is_done_at_the_machine_is_noted(name: str) -> None:
    source = COMMANDS[name]
    noting = ("note(", "noted(", "_put(", "mend(")  # the last two note by themselves
    assert any(said in source for said in noting), "note what it does, or say that it looks"


def test_there_are_commands_to_note() -> None:
    assert COMMANDS.keys() >= LOOKING
    assert FOR_OPERATORS.keys() >= LOOKS | DECIDES
    assert {"keys create", "keys revoke", "people erase", "backup", "fsck", "signer rotate"} <= COMMANDS.keys()
