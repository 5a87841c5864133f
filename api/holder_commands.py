"""The commands of `clearmark holders`, `domains` and `agents`: who holders are, how that is shown, who acts for them.

All speak to a service over HTTP. `holders` is the operator's; `domains` and `agents` are a holder's own.
"""

from typing import Annotated, Any

import typer

from api.console import URL, AsJson, Exit, Holder, Key, Until, Url, columns, day, fields, service_at, show

holders = typer.Typer(help="Holders, and how well they are known; for the operator.", no_args_is_help=True)
domains = typer.Typer(help="Domains that show who a holder is.", no_args_is_help=True)
agents = typer.Typer(help="Who acts for whom.", no_args_is_help=True)


@holders.command("list")
def list_holders(key: Key, url: Url = URL, as_json: AsJson = False) -> None:
    """List all holders."""
    with service_at(url, key) as client:
        found = list(client.holders())
    rows = [[h["id"], h["name"], h["assurance"], day(h["created_at"])] for h in found]
    show(found, as_json=as_json, table=lambda: columns("Holders", ["holder", "name", "assurance", "since"], rows))


@holders.command("vet")
def vet_holder(
    holder_id: Annotated[str, typer.Argument(metavar="HOLDER", help="The holder's id, hld_…")],
    key: Key,
    note: Annotated[str, typer.Option(help="How you know who they are.")],
    assurance: Annotated[
        str, typer.Option(help="unverified, email, domain or vetted; a lower one takes your word back.")
    ] = "vetted",
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Say as the operator that you know who a holder is; what they showed by themselves stays."""
    with service_at(url, key) as client:
        found = client.set_assurance(holder_id, assurance, note)
    rows = {"holder": found["id"], "name": found["name"], "assurance": found["assurance"]}
    show(found, as_json=as_json, table=lambda: fields("Put on record", rows))


@domains.command("list")
def list_domains(key: Key, holder: Holder = None, url: Url = URL, as_json: AsJson = False) -> None:
    """List the domains that you said are yours."""
    with service_at(url, key, holder) as client:
        found = client.domains()
    rows = [[d["id"], d["domain"], _shown(d), day(d["checked_at"]), d["problem"] or ""] for d in found]
    show(found, as_json=as_json, table=lambda: columns("Domains", ["id", "domain", "shown", "looked at", ""], rows))


@domains.command("add")
def add_domain(
    domain: Annotated[str, typer.Argument(help="Such as studio.example.")],
    key: Key,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Say that a domain is yours; prints what to put there, and where."""
    with service_at(url, key, holder) as client:
        found = client.add_domain(domain)
    where = found["to_publish"]
    rows = {
        "domain": found["id"], "text": where["text"],
        "TXT record of": where["dns_name"], "or a line of": where["file_url"],
    }  # fmt: skip
    title = "Put the text in one of these places, then: clearmark domains check"
    show(found, as_json=as_json, table=lambda: fields(title, rows))


@domains.command("check")
def check_domain(
    domain_id: Annotated[str, typer.Argument(metavar="DOMAIN", help="The domain's id, dmn_…")],
    key: Key,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Have the service look whether the text is there. Exit code: 0 it is, 1 it is not."""
    with service_at(url, key, holder) as client:
        found = client.check_domain(domain_id)
    rows = {"domain": found["domain"], "shown": _shown(found), "by": found["method"], "problem": found["problem"]}
    show(found, as_json=as_json, table=lambda: fields(found["id"], rows))
    raise typer.Exit(Exit.ERROR if found["problem"] else Exit.OK)


@agents.command("list")
def list_agents(key: Key, holder: Holder = None, url: Url = URL, as_json: AsJson = False) -> None:
    """List who acts for you, and for whom you act."""
    with service_at(url, key, holder) as client:
        found = client.agents()
    rows = [[a["id"], a["agent_id"], a["principal_id"], ", ".join(a["scopes"]), day(a["valid_until"])] for a in found]
    names = ["agency", "agent", "acts for", "scopes", "until"]
    show(found, as_json=as_json, table=lambda: columns("Agents", names, rows))


@agents.command("appoint")
def appoint_agent(
    agent_id: Annotated[str, typer.Argument(metavar="AGENT", help="The id of the holder who may act for you, hld_…")],
    key: Key,
    scopes: Annotated[str, typer.Option(help="Comma-separated: works:write, checks:write, …")],
    until: Until = None,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Let another holder act for you; they give your id as --holder. What was agreed with them before ends."""
    wanted = [scope.strip() for scope in scopes.split(",")]
    with service_at(url, key, holder) as client:
        found = client.appoint_agent(agent_id, wanted, valid_until=until.isoformat() if until else None)
    rows = {
        "agency": found["id"], "agent": found["agent_id"], "acts for": found["principal_id"],
        "scopes": ", ".join(found["scopes"]), "until": found["valid_until"],
    }  # fmt: skip
    show(found, as_json=as_json, table=lambda: fields("They act for you", rows))


@agents.command("dismiss")
def dismiss_agent(
    agency_id: Annotated[str, typer.Argument(metavar="AGENCY", help="The agency's id, as `agents list` shows it.")],
    key: Key,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """End at once that somebody acts for you, or you for them."""
    with service_at(url, key, holder) as client:
        client.dismiss_agent(agency_id)
    show({"id": agency_id, "ended": True}, as_json=as_json, table=lambda: f"{agency_id} has ended.")


def _shown(found: dict[str, Any]) -> str:
    if found["verified_at"] is None:
        return "not yet"
    return f"lapsed {day(found['lapsed_at'])}" if found["lapsed_at"] else f"since {day(found['verified_at'])}"
