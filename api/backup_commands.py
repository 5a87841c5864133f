"""`clearmark backup` and `clearmark restore`: the whole registry in one folder or file, and back."""

from pathlib import Path
from typing import Annotated

import typer

from api.console import AsJson, Exit, complain, fields, noted, progress, show, the_service
from api.settings import load_settings


def backup(
    target: Annotated[
        Path, typer.Argument(metavar="FOLDER|FILE.tar", help="A new folder, or one with a backup to add to; or a file.")
    ],
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Leave the keys out; a restore needs them from elsewhere.")
    ] = False,
    without_database: Annotated[
        bool, typer.Option("--without-database", help="Leave the database out: you copy it by other means.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy database, files, keys and trust lists, beside a running service too. A folder is only added to.

    Exit code: 0 all of it, 15 files that the database names are lost.
    """
    from api.backup import back_up, summary
    from registry.admin_actions import Action, console, note

    with the_service(asks_store=True) as service, progress("Copying", quiet=as_json):
        at = service.now()
        made = back_up(service, target, with_keys=not without_keys, with_database=not without_database, at=at)
        told = summary(made)
        with service.database.transaction() as session:
            said = {"files": told["files"], "keys": made.has_keys, "ledger_size": told["ledger_size"]}
            note(session, Action.BACKUP_MADE, made.made_at, by=console(), at=at, details=said)
    show({"backup": str(target), **told}, as_json=as_json, table=lambda: fields(f"Backup in {target}", told))
    if made.has_keys:
        complain(f"{target} holds the keys that sign for you: keep it where only you can read it")
    raise typer.Exit(Exit.INCOMPLETE if made.lost else Exit.OK)


def restore(
    source: Annotated[Path, typer.Argument(exists=True, metavar="FOLDER|FILE.tar", help="A backup.")],
    into: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The data folder.", show_default="CLEARMARK_DATA_DIR")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Move what is in the way aside, to a folder beside it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup back where nothing is. Stop the service first; afterwards run `clearmark fsck`."""
    from api.backup import restore as put_back
    from api.backup import summary
    from api.clock import make_clock
    from registry.admin_actions import Action

    settings = load_settings(**({"data_dir": into} if into is not None else {}))
    at = make_clock(settings.clock)()
    with progress("Putting back", quiet=as_json):
        manifest = put_back(source, settings, moves_aside=force, at=at)
    told = summary(manifest)
    if manifest.database is not None:
        said = {"ledger_size": told["ledger_size"], "version": manifest.version}
        noted(Action.BACKUP_RESTORED, manifest.made_at, settings=settings, details=said)
    rows = {**told, "next": "clearmark fsck"}
    show({"data_dir": str(settings.data_dir), **told}, as_json=as_json, table=lambda: fields("Restored", rows))
    complain(
        f"what came after entry {told['ledger_size']} of the ledger is lost, if anything did: whoever followed the log"
        " further will see that it went back"
    )
    if not manifest.has_keys:
        complain(f"this backup has no keys: put yours into {settings.keys_folder} before you start the service")
