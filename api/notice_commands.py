"""The commands of `clearmark notices`, for their parties and for reviewers; and `clearmark transparency`, for anybody.

All speak to a service over HTTP. A party's key shows what concerns them, a key of the scope `review` everything; who
filed without a key gives as one the ticket that came with the confirmation.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from api.console import URL, AsJson, Holder, Key, Url, columns, day, fields, progress, service_at, show
from clearmark.client import Client

notices = typer.Typer(help="Takedown notices.", no_args_is_help=True)

NoticeId = Annotated[str, typer.Argument(help="The notice's id, ntc_…")]


# -- what there is -------------------------------------------------------------------------------


@notices.command("queue")
def list_queue(key: Key, url: Url = URL, as_json: AsJson = False) -> None:
    """List as a reviewer what waits for one, the most urgent first: 200 at most."""
    with service_at(url, key) as client:
        found = client.notice_queue()
    title = f"Waiting for a reviewer: {len(found['items'])} of {found['total']}"
    _show_list(title, found["items"], as_json=as_json)


@notices.command("list")
def list_notices(
    key: Key,
    state: Annotated[str | None, typer.Option(help="Only those in this state: valid, forwarded, declined, …")] = None,
    track: Annotated[
        str | None, typer.Option(help="Only those of this track: dmca_512, dsa_16, take_it_down or likeness.")
    ] = None,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """List your notices and those about your releases; everybody's, for reviewers."""
    with service_at(url, key, holder) as client:
        found = list(client.notices(state=state, track=track))
    _show_list("Notices", found, as_json=as_json)


@notices.command("show")
def show_notice(
    notice_id: NoticeId, key: Key, holder: Holder = None, url: Url = URL, as_json: AsJson = False
) -> None:  # fmt: skip
    """Show where a notice stands, what it lacks, and by when what must happen; for reviewers also what to weigh."""
    with service_at(url, key, holder) as client:
        found = client.get_notice(notice_id)
    _show_one(found, as_json=as_json)


@notices.command("letters")
def list_letters(
    notice_id: NoticeId,
    key: Key,
    text: Annotated[bool, typer.Option("--text", help="Also what each says.")] = False,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """List what was written about a notice, and whether it arrived; a text that went out is not kept."""
    with service_at(url, key, holder) as client:
        found = client.notice_letters(notice_id)
    title = f"Letters about {notice_id}"
    rows = [[one["id"], one["party"], one["subject"], day(one["written_at"]), _fate(one)] for one in found]
    names = ["letter", "to", "subject", "written", "fate"]

    def whole() -> str:
        blocks = [
            fields(one["subject"], {"letter": one["id"], "to": one["party"], "fate": _fate(one), "text": one["text"]})
            for one in found
        ]
        return "\n\n".join([title, *blocks])

    show(found, as_json=as_json, table=whole if text else lambda: columns(title, names, rows))


# -- what is done --------------------------------------------------------------------------------


@notices.command("act")
def act_on_notice(
    notice_id: NoticeId,
    event: Annotated[str, typer.Argument(help="One of the events that `show` says can happen.")],
    key: Key,
    reason: Annotated[str | None, typer.Option(help="Why, in words: those concerned read it.")] = None,
    code: Annotated[str | None, typer.Option(help="The reason, of the list of the track.")] = None,
    fair_use: Annotated[str | None, typer.Option(help="What you considered of fair use.")] = None,
    gravity: Annotated[str | None, typer.Option(help="Of an abuse: minor, serious or grave.")] = None,
    intent: Annotated[str | None, typer.Option(help="Of an abuse, where it can be seen.")] = None,
    for_duplicates: Annotated[
        bool, typer.Option("--for-duplicates", help="Also for the open duplicates of this notice.")
    ] = False,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Take a step with a notice: disable, decline, retract, …; it may wait for a second reviewer."""
    judged: dict[str, Any] = {"reason_code": code, "fair_use": fair_use, "gravity": gravity, "intent": intent}
    with service_at(url, key, holder) as client:
        found = client.act_on_notice(notice_id, event, reason=reason, for_duplicates=for_duplicates, **judged)
    _show_one(found, as_json=as_json)


@notices.command("complain")
def complain_of_notice(
    notice_id: NoticeId,
    key: Key,
    reason: Annotated[str, typer.Option(help="Why the decision is wrong.")],
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Have a decision looked at again, once, by somebody else than who made it."""
    with service_at(url, key, holder) as client:
        found = client.complain(notice_id, reason)
    _show_one(found, as_json=as_json)


@notices.command("publish")
def publish_notice(
    notice_id: NoticeId,
    key: Key,
    term: Annotated[
        list[str] | None, typer.Option(help="A word that points at a person, redacted too; may be repeated.")
    ] = None,
    no_texts: Annotated[bool, typer.Option("--no-texts", help="Not what was claimed.")] = False,
    no_material: Annotated[bool, typer.Option("--no-material", help="Not the addresses of the material.")] = False,
    claimant: Annotated[bool, typer.Option("--claimant", help="Also the claimant's name, an organisation's.")] = False,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Let anybody read the texts of a notice, redacted, as a reviewer; shows what they now read."""
    with service_at(url, key) as client:
        client.publish_notice(
            notice_id, terms=term or [], publish_texts=not no_texts, publish_material=not no_material,
            publish_claimant=claimant,
        )  # fmt: skip
        found = client.public_notice(notice_id)
    rows = {
        "claimant": found["claimant"], "work": found["work"], "explanation": found["explanation"],
        "material": _lines(found["material"]), "releases": _lines(found["releases"]),
        "reasons": _lines(found["reasons"]),
    }  # fmt: skip
    show(found, as_json=as_json, table=lambda: fields(f"Anybody may now read of {notice_id}", rows))


# -- what goes elsewhere -------------------------------------------------------------------------


@notices.command("pdf")
def fetch_pdf(
    notice_id: NoticeId,
    key: Key,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write it.")],
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Fetch a notice with its evidence on paper, as a reviewer."""
    with service_at(url, key) as client, progress("Writing", quiet=as_json):
        client.notice_pdf(notice_id, output)
    show({"notice": notice_id, "file": str(output)}, as_json=as_json, table=lambda: f"Written to {output}.")


@notices.command("statements")
def show_statements(notice_id: NoticeId, key: Key, url: Url = URL, as_json: AsJson = False) -> None:
    """Print the statements of reasons as the DSA Transparency Database takes them: one for each disabling."""
    _print_json(url, key, lambda client: client.statements_of_reasons(notice_id), as_json=as_json)


@notices.command("lumen")
def show_lumen(notice_id: NoticeId, key: Key, url: Url = URL, as_json: AsJson = False) -> None:
    """Print the public copy of a published notice as the Lumen database takes it."""
    _print_json(url, key, lambda client: client.lumen_notice(notice_id), as_json=as_json)


def transparency(
    since: Annotated[str | None, typer.Option(metavar="DAY", help="The first day, 2026-01-01.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DAY", help="The last day, within the period.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write all figures here, one a line.")] = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Show the figures of a period about notices; of the last year, where nothing is said. No key is needed."""
    for name, given in (("--since", since), ("--until", until)):
        if given is not None:
            _require_day(given, name)
    with service_at(url) as client:
        if csv is not None:
            client.transparency_csv(csv, since, until)
            show({"file": str(csv)}, as_json=as_json, table=lambda: f"Written to {csv}.")
            return
        found = client.transparency(since, until)
    title = f"Notices from {found['start']} to {found['end']}"
    show(found, as_json=as_json, table=lambda: fields(title, _figures(found)))


# -- parts ---------------------------------------------------------------------------------------


def _show_list(title: str, found: list[Any], *, as_json: bool) -> None:
    rows = [[one["id"], one["track"], one["state"], one["tier"] or "", _due(one), _lines(_notes(one))] for one in found]
    names = ["notice", "track", "state", "tier", "due", "notes"]
    show(found, as_json=as_json, table=lambda: columns(title, names, rows))


def _show_one(found: Mapping[str, Any], *, as_json: bool) -> None:
    show(found, as_json=as_json, table=lambda: fields(f"{found['id']}  {found['state']}", _notice(found)))


def _due(found: Mapping[str, Any]) -> str:
    """The first of its days."""
    return min((one["day"] for one in found["deadlines"]), default="")


def _notes(found: Mapping[str, Any]) -> Iterable[str]:
    """What is out of the ordinary about a notice."""
    if found["awaits_second_reviewer"]:
        yield "awaits a second reviewer"
    if found["is_set_aside"]:
        yield "set aside: it came during a suspension"
    if found["duplicate_of"]:
        yield "duplicate"
    if found["review"] and found["review"]["letters_failed"]:
        yield f"letters that did not arrive: {found['review']['letters_failed']}"


def _notice(found: Mapping[str, Any]) -> dict[str, object]:
    content = found["content"] or {}
    rows: dict[str, object] = {
        "track": f"{found['title']} ({found['statute']})",
        "notes": _lines(_notes(found)),
        "duplicate of": found["duplicate_of"],
        "missing": _lines(f"{one['what_to_supply']} ({one['reference']})" for one in found["missing"]),
        "deadlines": _lines(map(_deadline, found["deadlines"])),
        "work": content.get("work_description"),
        "explanation": content.get("explanation"),
        "material": _lines(content.get("material")),
        "releases": _lines(map(_release, found["materials"])),
        "history": _lines(map(_step, found["history"])),
        "can happen": _lines(found["possible_events"]),
        "ticket": found["ticket"],
    }
    shown = {name: value for name, value in rows.items() if value or name in _ALWAYS}
    return shown | (_review(found["review"]) if found["review"] else {})


_ALWAYS = ("missing", "deadlines", "releases")


def _review(review: Mapping[str, Any]) -> dict[str, object]:
    """What reviewers alone weigh."""
    proposal = review["proposal"]
    return {
        "signals": _lines(f"{one['weight']}: {one['explanation']}" for one in review["signals"]),
        "your interests": _lines(review["interests"]),
        "may not decide": _lines(review["barred"]),
        "proposal": proposal and (
            f"{day(proposal['proposed_at'])} {proposal['event']} by {proposal['proposed_by']}"
            f"{_because(proposal)}"
        ),
        "duplicates": _lines(review["duplicates"]),
        "same words": _lines(review["same_words"]),
    }  # fmt: skip


def _deadline(due: Mapping[str, Any]) -> str:
    """A day of the operator's, and the moment: a statute may count in hours."""
    moment = f"{datetime.fromisoformat(due['at']).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    whose = "by statute" if due["statutory"] else "the operator's own"
    return f"{due['day']} {due['name']}, {whose}: {due['basis']} ({moment})"


def _release(one: Mapping[str, Any]) -> str:
    parts = [
        one["release_id"],
        *([] if one["is_named"] else ["found as an identical copy"]),
        *([f"disabled {day(one['disabled_at'])}"] if one["disabled_at"] else []),
        *([f"restored {day(one['restored_at'])}"] if one["restored_at"] else []),
    ]
    return ", ".join(parts)


def _step(one: Mapping[str, Any]) -> str:
    return f"{day(one['at'])} {one['event']} by {one['actor']}: {one['state']}{_because(one)}"


def _because(said: Mapping[str, Any]) -> str:
    why = ": ".join(filter(None, [said["reason_code"], said["reason"]]))
    return f" ({why})" if why else ""


def _fate(letter: Mapping[str, Any]) -> str:
    sent = f"sent {day(letter['sent_at'])}" if letter["sent_at"] else ""
    return "; ".join(filter(None, [sent, letter["problem"]])) or "on its way"


def _print_json(url: str, key: str, ask: Callable[[Client], object], *, as_json: bool) -> None:
    """What another database takes is JSON, whoever reads it."""
    del as_json
    with service_at(url, key) as client:
        found = ask(client)
    show(found, as_json=True, table=str)


def _require_day(text: str, option: str) -> None:
    try:
        is_one = date.fromisoformat(text).isoformat() == text
    except ValueError:
        is_one = False
    if not is_one:
        raise typer.BadParameter("Write a day as 2026-12-31.", param_hint=option)


def _figures(found: Mapping[str, Any]) -> dict[str, object]:
    """The totals; `--json` and `--csv` have them by track and by tier too."""
    flagged, restorations, misuse = found["trusted_flaggers"], found["restorations"], found["misuse"]
    return {
        "received": found["received"]["total"],
        "by track": _lines(f"{name}: {count}" for name, count in found["received"]["by_track"].items() if count),
        "by trusted flaggers": flagged["share"]["part"],
        "duplicates": found["duplicates"]["total"],
        "where they stand": _lines(_counted(found["outcomes"])),
        "what was done": _lines(_counted(found["actions"])),
        "times": _lines(
            f"{name}: {of['total']['count']}, median {of['total']['median_h']} h, 90 % within {of['total']['p90_h']} h"
            for name, of in found["times"].items()
            if of["total"]["count"]
        ),
        "within 48 hours": _part(found["take_it_down_in_time"]),
        "restored": f"{_part(restorations['share']['total'])} disabled",
        "strikes": _lines(f"{name}: {count}" for name, count in misuse["strikes"].items() if count),
        "suspended": f"claimants: {misuse['suspended_claimants']}\nuploaders: {misuse['suspended_uploaders']}",
    }


def _counted(of: Mapping[str, Any]) -> Iterable[str]:
    return (f"{name}: {split['total']}" for name, split in of.items() if split["total"])


def _part(share: Mapping[str, Any]) -> str:
    return f"{share['part']} of {share['whole']}"


def _lines(texts: Iterable[str] | None) -> str:
    return "\n".join(texts or ())
