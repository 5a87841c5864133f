"""The commands of `clearmark algorithms`: how far each has come, to look again, to let one go.

All work on the data folder, beside a running service, whose workers do what takes long.
"""

from collections.abc import Mapping
from typing import Annotated

import typer

from api.console import AsJson, columns, day, fields, show, the_service
from fingerprinting.model import Algorithm
from fingerprinting.traits import SUCCESSION

algorithms = typer.Typer(help="Algorithms, and what is found by which.", no_args_is_help=True)
Name = Annotated[Algorithm, typer.Argument(metavar="ALGORITHM", help="Such as video-sscd-v1.")]


@algorithms.command("status")
def status(as_json: AsJson = False) -> None:
    """How many items are found by each algorithm, and how many are not yet or never will be."""
    from registry import rollouts

    with the_service() as service, service.database.reading() as session:
        found = [
            {
                "algorithm": one.algorithm.value, "having": one.having, "lacking": one.lacking,
                "without_media": one.without_media, "added": one.added, "is_under_way": one.is_under_way,
                "succeeds": one.succeeds, "retired_at": one.retired_at.isoformat() if one.retired_at else None,
            }
            for one in rollouts.coverage(session, SUCCESSION)
        ]  # fmt: skip
    heads = ["algorithm", "found by it", "not yet", "without media", "added later", ""]
    rows = [
        [one["algorithm"], one["having"], one["lacking"], one["without_media"], one["added"], _state(one)]
        for one in found
    ]
    show(found, as_json=as_json, table=lambda: columns("Algorithms", heads, rows))


@algorithms.command("backfill")
def backfill(algorithm: Name, as_json: AsJson = False) -> None:
    """Have workers look again at all that lacks an algorithm, also at what they tried in vain."""
    from registry import rollouts

    with the_service() as service, service.database.transaction() as session:
        found = {"algorithm": algorithm.value, "begun": rollouts.begin_again(session, algorithm, at=service.now())}
    show(found, as_json=as_json, table=lambda: fields("Backfill", {**found, "begun": _begun(begun=found["begun"])}))


@algorithms.command("retire")
def retire(
    algorithm: Name,
    although: Annotated[int, typer.Option(min=0, help="So many items may be lost that only it finds.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Let an algorithm go whose successor has come to all, and take what it left out of the index."""
    from registry import rollouts
    from registry.admin_actions import Action, console, note

    items = 0
    with the_service() as service:
        with service.database.transaction() as session:
            rollouts.retire(session, algorithm, SUCCESSION, although=although, at=service.now())
            said = {"although": although}
            note(session, Action.ALGORITHM_RETIRED, algorithm.value, by=console(), details=said, at=service.now())
        while True:
            with service.database.transaction() as session:
                some = rollouts.withdraw_some(session, at=service.now())
            if not some:
                break
            items += some
    found = {"algorithm": algorithm.value, "items": items}
    show(found, as_json=as_json, table=lambda: fields("Retired", found))


def _state(one: Mapping[str, object]) -> str:
    if one["retired_at"]:
        return f"retired {day(str(one['retired_at']))}"
    return "under way" if one["is_under_way"] else ""


def _begun(*, begun: object) -> str:
    return "yes" if begun else "no: nothing lacks it, or it is under way"
