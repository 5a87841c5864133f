"""What waits for a person: `clearmark conflicts`, `findings` and `quarantines` list it, show it and decide it.

All speak to a service over HTTP. Conflicts and quarantines are decided with a key of the scope `admin`, findings with
`review`; with another key a holder sees their own.
"""

from typing import Annotated, Any

import typer

from api.console import URL, AsJson, Holder, Key, Over, Reason, Url, columns, day, fields, service_at, show

conflicts = typer.Typer(help="Two holders registered the same material.", no_args_is_help=True)
findings = typer.Typer(help="Outputs of before that copy works registered after them.", no_args_is_help=True)
quarantines = typer.Typer(help="Assets that suddenly match very many checks.", no_args_is_help=True)


@conflicts.command("list")
def list_conflicts(
    key: Key, over: Over = False, holder: Holder = None, url: Url = URL, as_json: AsJson = False
) -> None:  # fmt: skip
    """List the conflicts over your works; everybody's, for the operator."""
    with service_at(url, key, holder) as client:
        found = list(client.conflicts(open=not over))
    rows = [
        [c["id"], c["state"], _side(c["earlier"]), _side(c["later"]), f"{c['matched_s']:.0f} s",
         day(c["evidence_until"])]
        for c in found
    ]  # fmt: skip
    names = ["conflict", "state", "earlier", "later", "alike", "evidence until"]
    show(found, as_json=as_json, table=lambda: columns("Conflicts", names, rows))


@conflicts.command("show")
def show_conflict(
    conflict_id: Annotated[str, typer.Argument(help="The conflict's id.")],
    key: Key,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Show both sides of a conflict, what is alike, and what they said."""
    with service_at(url, key, holder) as client:
        found = client.get_conflict(conflict_id)
    show(found, as_json=as_json, table=lambda: fields(found["id"], _conflict(found)))


@conflicts.command("decide")
def decide_conflict(
    conflict_id: Annotated[str, typer.Argument(help="The conflict's id.")],
    key: Key,
    outcome: Annotated[str, typer.Option(help="Whose it is: earlier, later, shared or neither.")],
    reason: Reason,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Decide as the operator, once both sides spoke or had their time; an appeal with another key than before."""
    with service_at(url, key) as client:
        found = client.decide_conflict(conflict_id, outcome, reason)
    show(found, as_json=as_json, table=lambda: fields(found["id"], _conflict(found)))


@findings.command("list")
def list_findings(
    key: Key, over: Over = False, holder: Holder = None, url: Url = URL, as_json: AsJson = False
) -> None:  # fmt: skip
    """List the findings about your works and checks; everybody's, for reviewers."""
    with service_at(url, key, holder) as client:
        found = list(client.findings(open=not over))
    rows = [[f["id"], f["title"], f["verdict"], f["release_id"] or "", f["decision"] or ""] for f in found]
    names = ["finding", "work", "would be", "release", "decision"]
    show(found, as_json=as_json, table=lambda: columns("Findings", names, rows))


@findings.command("show")
def show_finding(
    finding_id: Annotated[str, typer.Argument(help="The finding's id.")],
    key: Key,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Show what copies which work, and where."""
    with service_at(url, key, holder) as client:
        found = client.get_finding(finding_id)
    show(found, as_json=as_json, table=lambda: fields(found["id"], _finding(found)))


@findings.command("decide")
def decide_finding(
    finding_id: Annotated[str, typer.Argument(help="The finding's id.")],
    key: Key,
    decision: Annotated[str, typer.Option(help="uphold or dismiss.")],
    reason: Reason,
    disable_release: Annotated[
        bool, typer.Option("--disable-release", help="With uphold: its release goes out no more.")
    ] = False,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Decide as a reviewer whether a finding holds."""
    with service_at(url, key) as client:
        found = client.decide_finding(finding_id, decision, reason, disable_release=disable_release)
    show(found, as_json=as_json, table=lambda: fields(found["id"], _finding(found)))


@quarantines.command("list")
def list_quarantines(key: Key, url: Url = URL, as_json: AsJson = False) -> None:
    """List the assets that wait for the operator's decision."""
    with service_at(url, key) as client:
        found = list(client.quarantines())
    rows = [
        [a["id"], a["work_id"], held["matched_checks"], held["askers"], day(held["opened_at"])]
        for a in found
        if (held := a["quarantine"])
    ]
    names = ["asset", "work", "checks", "askers", "since"]
    show(found, as_json=as_json, table=lambda: columns("In quarantine", names, rows))


@quarantines.command("decide")
def decide_quarantine(
    asset_id: Annotated[str, typer.Argument(help="The asset's id.")],
    key: Key,
    decision: Annotated[str, typer.Option(help="release: it counts as before; or withdraw it.")],
    reason: Reason,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Let an asset count as before, or withdraw it."""
    with service_at(url, key) as client:
        found = client.decide_quarantine(asset_id, decision, reason)
    rows = {"work": found["work_id"], "status": found["status"], "decision": decision, "reason": reason}
    show(found, as_json=as_json, table=lambda: fields(found["id"], rows))


def _side(side: dict[str, Any]) -> str:
    return f"{side['title']} ({side['holder']})"


def _conflict(found: dict[str, Any]) -> dict[str, object]:
    sides = {
        name: f"{_side(side)}, {side['assurance']}, since {side['registered_at']}: {side['position'] or 'said nothing'}"
        f"\n{side['holder_id']}\n{side['work_id']}\n{side['asset_id']}"
        for name in ("earlier", "later")
        if (side := found[name])
    }
    return {
        "state": found["state"], "appeal of": found["appeal_of"], **sides,
        "alike": "\n".join(f"{s['modality']}: {_span(s['earlier_s'])}, {_span(s['later_s'])}" for s in found["alike"]),
        "said": "\n".join(
            "\n".join([f"{said['at']} {said['holder_id']}: {said['position']}", said["text"], *said["links"]])
            for said in found["statements"]
        ),
        "evidence until": found["evidence_until"], "outcome": found["outcome"], "reason": found["reason"],
        "appeal until": found["appeal_until"], "appealed in": found["appealed_in"],
    }  # fmt: skip


def _finding(found: dict[str, Any]) -> dict[str, object]:
    return {
        "work": f"{found['title']}\n{found['work_id']}\n{found['asset_id']}",
        "check": found["check_id"], "release": found["release_id"],
        "would be": "\n".join([found["verdict"], *found["reasons"]]),
        "alike": "\n".join(
            f"{s['modality']}: {_span((s['query_start_s'], s['query_end_s']))} of the output,"
            f" {_span((s['reference_start_s'], s['reference_end_s']))} of the work"
            for s in found["segments"]
        ),
        "decision": found["decision"], "reason": found["decision_reason"],
        "release disabled": "yes" if found["release_disabled"] else "no",
    }  # fmt: skip


def _span(span: tuple[float, float]) -> str:
    return f"{span[0]:.1f}–{span[1]:.1f} s"
