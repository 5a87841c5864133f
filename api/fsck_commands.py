"""`clearmark fsck`: whether database, files, index and ledger fit together, and what can be put right."""

from typing import Annotated, Any

import typer

from api.console import AsJson, Exit, columns, progress, show, the_service


def fsck(
    repair: Annotated[
        bool, typer.Option("--repair", help="Put right what can be; nothing is made up, the ledger is not touched.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Sizes of files instead of their content; no proof of the ledger.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hold database, files, index and ledger against each other; beside a running service too.

    Exit code: 0 everything fits, 1 something does not.
    """
    from api.fsck import Report, examine
    from api.fsck import repair as mend

    with the_service(asks_store=True) as service, progress("Looking at everything", quiet=as_json):
        report = mend(service, is_quick=quick) if repair else Report(flaws=examine(service, is_quick=quick))
    found: dict[str, Any] = {
        "clean": report.is_clean, "quick": quick, "findings": [_told(flaw) for flaw in report.flaws],
        "repaired": [_told(flaw) for flaw in report.mended],
    }  # fmt: skip
    rows = [[f["severity"], f["code"], f["subject"], f"{f['problem']} {f['repair']}"] for f in found["findings"]]
    title = "Everything fits." if report.is_clean else f"{sum(flaw.counts for flaw in report.flaws)} findings."
    if report.mended:
        title = f"{len(report.mended)} were put right. {title}"
    names = ["", "code", "about", "what it means, and what --repair does"]
    show(found, as_json=as_json, table=lambda: columns(title, names, rows) if rows else title)
    raise typer.Exit(Exit.OK if report.is_clean else Exit.ERROR)


def _told(flaw: Any) -> dict[str, Any]:
    from registry.consistency import MEANINGS

    meaning = MEANINGS[flaw.code]
    return {
        "code": flaw.code.value, "severity": flaw.severity.value, "subject": flaw.subject, "problem": flaw.problem,
        "repairable": meaning.is_mended, "repair": meaning.cure,
    }  # fmt: skip
