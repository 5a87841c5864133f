"""The commands of `clearmark reservations`: what a site or a file says goes on record, what is on record is written.

All speak to a service over HTTP.
"""

from pathlib import Path
from typing import Annotated

import typer

from api.console import URL, AsJson, Exit, Holder, Key, Url, columns, complain, service_at, show

reservations = typer.Typer(help="Reservations in the formats of the field.", no_args_is_help=True)
_KINDS = (
    "tdmrep.json, tdmrep.html, robots.txt, content-usage, content-signal, headers, rsl.xml, odrl.json, cawg, tdmai, "
    "epub, pdf, or media"
)
_FORMATS = "tdmrep.json, tdmrep.html, headers, rsl.xml, content-usage, content-signal, cawg, tdmai or odrl.json"


@reservations.command("import")
def import_source(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="What was found.")],
    key: Key,
    kind: Annotated[str, typer.Option(help=f"What it is: {_KINDS}, for a media file's own manifest.")],
    location: Annotated[
        str | None, typer.Option(help="The site that it is of, such as https://studio.example.")
    ] = None,
    work: Annotated[str | None, typer.Option(help="The work that it is of, wrk_…")] = None,
    asset: Annotated[str | None, typer.Option(help="The one file of a work that it is of, ast_…")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go on record, and do nothing.")] = False,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Put on record what a site's file, headers, a document or a media file say. Exit code 15: not all, or nothing."""
    with service_at(url, key, holder) as client:
        found = client.import_reservations(
            file, kind=kind, location=location, work_id=work, asset_id=asset, dry_run=dry_run
        )
    rows: list[list[object]] = [
        [said["use"], said["value"], said["location"] or "", said["terms_url"] or ""] for said in found["statements"]
    ]
    title = "Would go on record" if dry_run else "On record"
    nothing = "Nothing would go on record." if dry_run else "Nothing went on record."
    show(
        found,
        as_json=as_json,
        table=lambda: columns(title, ["use", "value", "where", "terms"], rows) if rows else nothing,
    )
    _remarks(found["remarks"])


@reservations.command("export")
def export_reservations(
    format: Annotated[str, typer.Argument(help=f"{_FORMATS}.")],
    key: Key,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to write; else it is printed.")] = None,
    work: Annotated[str | None, typer.Option(help="Of one work, wrk_…")] = None,
    host: Annotated[str | None, typer.Option(help="Of one site, such as studio.example.")] = None,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Write what you say in a format of the field; what it cannot say is told. Exit code 15: not all could be said."""
    with service_at(url, key, holder) as client:
        found = client.export_reservations(format, work_id=work, host=host)
    if output is not None:
        output.write_text(found["text"])
    elif not as_json:
        typer.echo(found["text"], nl=False)
    if as_json:
        show(found, as_json=True, table=lambda: "")
    _remarks(found["left_out"])


def _remarks(remarks: list[dict[str, str]]) -> None:
    for remark in remarks:
        complain(f"{remark['where']}: {remark['problem']}")
    raise typer.Exit(Exit.INCOMPLETE if remarks else Exit.OK)
