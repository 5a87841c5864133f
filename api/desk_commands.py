"""What a takedown desk does beside single notices: `clearmark letters` and `clearmark misuse`.

`letters list` and `letters preview` need no service: the words come with the program. Everything else speaks to one
over HTTP with a key of the scope `review`, and names trusted flaggers with `admin`; a holder may look at what counts
against themselves.
"""

from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import typer

from api.console import (
    URL,
    AsJson,
    Exit,
    Holder,
    Key,
    Reason,
    Until,
    Url,
    columns,
    day,
    fields,
    service_at,
    show,
)
from clearmark.client import Problem, Unreachable
from clearmark.client.exchange import QUICK_S, Answer, problem_of, read_object
from clearmark.client.http import patience, service_address

if TYPE_CHECKING:
    from takedown.letters import LetterName

letters = typer.Typer(help="Letters to the parties of notices.", no_args_is_help=True)
misuse = typer.Typer(help="Who misuses notices or releases, and whose notices come first.", no_args_is_help=True)

HolderId = Annotated[str, typer.Argument(help="The holder's id, hld_…")]

# What the service says of a report that it cannot take; with anything else the next report would end alike.
_NOT_TAKEN = {HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}


# -- letters -------------------------------------------------------------------------------------


@letters.command("list")
def list_templates(as_json: AsJson = False) -> None:
    """List every letter that may be written, with its tracks and languages; asks no service."""
    from takedown.letters import LANGUAGES, TRACKS_OF, LetterName, version_of

    found = [
        {
            "name": name.value, "tracks": list(TRACKS_OF[name]),
            "versions": {language: version_of(name, language) for language in LANGUAGES},
        }
        for name in LetterName
    ]  # fmt: skip
    rows = [
        [name.value, ", ".join(TRACKS_OF[name]), *(version_of(name, language) for language in LANGUAGES)]
        for name in LetterName
    ]
    names = ["letter", "tracks", *(f"version, {language}" for language in LANGUAGES)]
    show(found, as_json=as_json, table=lambda: columns("Letters", names, rows))


@letters.command("preview")
def preview_letter(
    name: Annotated[str, typer.Argument(help="A letter's name, as `list` has it.")],
    language: Annotated[str, typer.Option(help="A language that there are letters in: en, id.")] = "en",
    track: Annotated[str | None, typer.Option(help="As it is on this track; else on its first.")] = None,
    html: Annotated[bool, typer.Option("--html", help="As HTML, not as plain text.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print a letter as it would go out, with made-up facts; asks no service."""
    from takedown.letter_samples import sample
    from takedown.letters import LANGUAGES, TRACKS_OF, render

    letter = _letter(name)
    if track is not None and track not in TRACKS_OF[letter]:
        said = f"There is no such letter on it, but on: {', '.join(TRACKS_OF[letter])}."
        raise typer.BadParameter(said, param_hint="--track")
    made = render(letter, sample(letter, track=track), language=language)
    if made.language != language.partition("-")[0].lower():
        raise typer.BadParameter(f"There are letters in: {', '.join(LANGUAGES)}.", param_hint="--language")
    show(
        asdict(made), as_json=as_json, table=lambda: made.html if html else f"Subject: {made.subject}\n\n{made.text}"
    )  # fmt: skip


@letters.command("bounce")
def note_bounces(
    reports: Annotated[
        list[Path],
        typer.Argument(
            exists=True, dir_okay=False, readable=True, metavar="FILE...",
            help="Reports of a mail server (RFC 3464), each as it came: .eml.",
        ),
    ],
    key: Key,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Note letters that came back, as a reviewer. Exit code: 1 where a report is about none of ours or is no report."""
    noted, left = [], {}
    for path in reports:
        try:
            noted.append({"file": str(path), **_sent_as_it_is(url, key, path.read_bytes())})
        except Problem as problem:
            if problem.status not in _NOT_TAKEN:
                raise
            left[str(path)] = problem.detail
    said = [f"{one['file']}: {one['mail_id']} {one['problem']}" for one in noted]
    said += [f"{name}: not taken. {problem}" for name, problem in left.items()]
    show({"noted": noted, "left": left}, as_json=as_json, table=lambda: "\n".join(said))
    raise typer.Exit(Exit.ERROR if left else Exit.OK)


@letters.command("again")
def send_again(
    mail_id: Annotated[str, typer.Argument(help="The letter's id, as `clearmark notices letters` has it.")],
    key: Key,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Send a letter once more that failed, or of which nobody knows whether it went out, as a reviewer."""
    with service_at(url, key) as client:
        found = client.send_letter_again(mail_id)
    show(found, as_json=as_json, table=lambda: f"{found['mail_id']} is sent again.")


# -- misuse --------------------------------------------------------------------------------------


@misuse.command("list")
def list_misuse(key: Key, url: Url = URL, as_json: AsJson = False) -> None:
    """List holders with so many strikes that a reviewer should think of a suspension."""
    with service_at(url, key) as client:
        found = client.misuse_to_consider()
    rows = [
        [one["holder_id"], of["side"], f"{of['count']} of {of['total']}", of["gravest"] or "", day(of["warned_at"])]
        for one in found
        for of in one["factors"]
        if of["count"]
    ]
    names = ["holder", "as", "strikes", "gravest", "warned"]
    show(found, as_json=as_json, table=lambda: columns("To be considered", names, rows))


@misuse.command("show")
def show_misuse(
    holder_id: HolderId, key: Key, holder: Holder = None, url: Url = URL, as_json: AsJson = False
) -> None:  # fmt: skip
    """Show what counts against a holder, and what was decided: any, for reviewers, or your own."""
    with service_at(url, key, holder) as client:
        found = client.misuse(holder_id)
    _show_misuse(found, as_json=as_json)


@misuse.command("decide")
def decide_misuse(
    holder_id: HolderId,
    key: Key,
    side: Annotated[str, typer.Option(help="In what part they misuse the service: claimant or uploader.")],
    decision: Annotated[str, typer.Option(help="warn; suspend, after a warning and --until; or lift.")],
    reason: Reason,
    until: Until = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Warn a holder, suspend them for a time, or lift that, as a reviewer; they are written to."""
    ends = until.isoformat() if until is not None else None
    with service_at(url, key) as client:
        found = client.decide_misuse(holder_id, side=side, decision=decision, reason=reason, until=ends)
    _show_misuse(found, as_json=as_json)


@misuse.command("trust")
def trust_holder(
    holder_id: HolderId,
    key: Key,
    basis: Annotated[str, typer.Option(help="Who awarded the status of a trusted flagger, and when.")],
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Make a holder a trusted flagger (DSA art. 22) as the operator: their notices come first."""
    with service_at(url, key) as client:
        found = client.make_trusted_flagger(holder_id, basis)
    _show_flagger(found, as_json=as_json)


@misuse.command("distrust")
def distrust_holder(holder_id: HolderId, key: Key, reason: Reason, url: Url = URL, as_json: AsJson = False) -> None:
    """End a holder's status as a trusted flagger, as the operator."""
    with service_at(url, key) as client:
        found = client.end_trusted_flagger(holder_id, reason)
    _show_flagger(found, as_json=as_json)


# -- parts ---------------------------------------------------------------------------------------


def _letter(name: str) -> "LetterName":
    from takedown.letters import LetterName

    try:
        return LetterName(name)
    except ValueError:
        raise typer.BadParameter(f"Name one of: {', '.join(LetterName)}.", param_hint="NAME") from None


def _sent_as_it_is(url: str, key: str, report: bytes) -> dict[str, Any]:
    """What the service says to a report, which goes as it came: the client's calls send JSON and forms."""
    headers = {b"Authorization": f"Bearer {key}".encode(), b"Content-Type": b"message/rfc822"}
    try:
        with httpx.Client(base_url=service_address(url), timeout=patience(QUICK_S)) as http:
            said = http.post("/v1/letters/bounces", content=report, headers=headers)
    except httpx.RequestError as error:
        raise Unreachable(f"the service cannot be reached ({type(error).__name__}: {error})") from error
    answer = Answer(status=said.status_code, headers=said.headers, content=said.content)
    if not said.is_success:
        raise problem_of(answer)
    return read_object(answer)


def _show_misuse(found: Mapping[str, Any], *, as_json: bool) -> None:
    rows = {
        **{f"as {of['side']}": _weighed(of) for of in found["factors"]},
        "strikes": "\n".join(map(_strike, found["strikes"])),
        "decisions": "\n".join(map(_decision, found["decisions"])),
    }
    show(found, as_json=as_json, table=lambda: fields(found["holder_id"], rows))


def _weighed(of: Mapping[str, Any]) -> str:
    """The factors of DSA art. 23(3): number, share, gravity, intent."""
    gravest = f", the gravest {of['gravest']}" if of["gravest"] else ""
    return "\n".join([
        f"{of['count']} of {of['total']} ({of['ratio_0_1']:.0%}){gravest}",
        *(f"intent: {one}" for one in of["intents"]),
        *([f"warned {day(of['warned_at'])}"] if of["warned_at"] else []),
        *([f"suspended until {of['suspended_until']}"] if of["suspended_until"] else []),
    ])  # fmt: skip


def _strike(one: Mapping[str, Any]) -> str:
    ends = f"lifted {day(one['lifted_at'])}" if one["lifted_at"] else f"until {day(one['expires_at'])}"
    return f"{day(one['given_at'])} {one['notice_id']} as {one['side']}, {one['gravity']}, {ends}"


def _decision(one: Mapping[str, Any]) -> str:
    until = f" until {one['until']}" if one["until"] else ""
    return f"{day(one['at'])} {one['decision']} as {one['side']}{until}, by {one['decided_by']}: {one['reason']}"


def _show_flagger(found: Mapping[str, Any], *, as_json: bool) -> None:
    rows = {"basis": found["basis"], "since": day(found["granted_at"]), "ended": day(found["ended_at"])}
    show(found, as_json=as_json, table=lambda: fields(found["holder_id"], rows))
