"""The commands of `clearmark webhooks`, for the operator: where holders are told, and what did not arrive."""

from typing import Annotated, Any

import typer

from api.console import AsJson, Exit, columns, fields, show, the_service

webhooks = typer.Typer(help="Where holders are told of what happens.", no_args_is_help=True)

_OfHolder = Annotated[str | None, typer.Option("--holder", help="Only messages to this holder.")]


@webhooks.command("set")
def set_webhook(
    holder: Annotated[str, typer.Option(help="Name of the holder.")],
    target: Annotated[str, typer.Option("--target", help="URL that is told; any address, also an inner one.")],
    as_json: AsJson = False,
) -> None:
    """Tell a holder of what happens, by the Standard Webhooks convention; prints the signing secret."""
    from registry.admin_actions import Action, console, note
    from registry.endpoints import set_by_operator

    with the_service() as service, service.database.transaction() as session:
        secret = set_by_operator(session, holder=holder, url=target, at=service.now())
        note(session, Action.WEBHOOK_SET, holder, by=console(), at=service.now(), details={"url": target})
    rows = {"holder": holder, "url": target, "secret": secret}
    show(rows, as_json=as_json, table=lambda: fields("Webhook: the secret is shown this once", dict(rows)))


@webhooks.command("list")
def list_messages(
    status: Annotated[str | None, typer.Option(help="Only those: pending, delivered or failed (dead letters).")] = None,
    holder: _OfHolder = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List messages and what became of them, the newest first."""
    with the_service() as service, service.database.reading() as session:
        messages = session.execute(_messages(status, holder).limit(limit)).all()
    shown = ("id", "event", "payload", "status", "attempts", "last_error", "created_at")
    found = [{"holder": name, **{column: getattr(message, column) for column in shown}} for message, name in messages]
    told = ("id", "holder", "event", "status", "attempts", "last_error")
    rows = [[row[column] or "" for column in told] for row in found]
    names = ["message", *(column.replace("_", " ") for column in told[1:])]
    show(found, as_json=as_json, table=lambda: columns("Webhook messages", names, rows))


@webhooks.command("replay")
def replay_messages(
    message_ids: Annotated[list[str] | None, typer.Argument(help="Messages to send now.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Send every dead letter again.")] = False,
    pending: Annotated[bool, typer.Option("--pending", help="Send all that wait for their next try.")] = False,
    holder: _OfHolder = None,
    as_json: AsJson = False,
) -> None:
    """Send messages now, with the ids that they have; a running service does it within seconds."""
    from registry import outbox
    from registry.admin_actions import Action, console, note
    from registry.errors import Conflict, NotFound
    from registry.models import MessageStatus, OutboxMessage

    if [bool(message_ids), failed, pending].count(True) != 1:
        raise typer.BadParameter("Name messages, or give --failed or --pending.", param_hint="MESSAGE_IDS")
    status = MessageStatus.FAILED if failed else MessageStatus.PENDING if pending else None
    with the_service() as service, service.database.transaction() as session:
        query = _messages(status, holder)
        if message_ids:
            query = query.where(OutboxMessage.id.in_(message_ids))
        messages = [message for message, _ in session.execute(query)]
        for missing in set(message_ids or []) - {message.id for message in messages}:
            raise NotFound(kind="webhook message", id=missing)
        left = {}
        for message in messages:
            try:
                outbox.replay(session, message, at=service.now())
            except Conflict as conflict:
                left[message.id] = conflict.problem
        replayed = [message.id for message in messages if message.id not in left]
        if replayed:
            said = {"messages": len(replayed), "first": replayed[0]}
            note(session, Action.WEBHOOKS_REPLAYED, holder or "all", by=console(), at=service.now(), details=said)
    found: dict[str, Any] = {"replayed": replayed, "left": left}
    lines = [f"{len(replayed)} will be sent now.", *(f"{name}: {problem}" for name, problem in left.items())]
    show(found, as_json=as_json, table=lambda: "\n".join(lines))
    raise typer.Exit(Exit.ERROR if left else Exit.OK)


def _messages(status: str | None, holder: str | None) -> Any:
    """Messages with the names of their holders, the newest first."""
    import sqlalchemy as sa

    from registry.models import Holder, MessageStatus, OutboxMessage

    query = sa.select(OutboxMessage, Holder.name).join(Holder, Holder.id == OutboxMessage.holder_id)
    if status is not None:
        if status not in set(MessageStatus):
            raise typer.BadParameter(f"{status!r} is none of: {', '.join(MessageStatus)}", param_hint="--status")
        query = query.where(OutboxMessage.status == status)
    if holder is not None:
        query = query.where(Holder.name == holder)
    return query.order_by(OutboxMessage.id.desc())
