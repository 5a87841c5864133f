"""The page of a site: what to serve on it so that what was said of it is read there, to copy or to pass on."""

from collections.abc import Mapping, Sequence
from html import escape

from api import page
from registry.errors import Invalid
from registry.formats.statements import Remark
from registry.hosting import HostedFile, Site

_HOW: Mapping[HostedFile, tuple[str, str]] = {
    HostedFile.TDMREP: (
        "/.well-known/tdmrep.json",
        "The TDM Reservation Protocol. Serve it as <code>application/json</code>.",
    ),
    HostedFile.LICENSE: (
        "/license.xml",
        "RSL. Serve it as <code>application/rsl+xml</code>; robots.txt and the header lines below point to it.",
    ),
    HostedFile.ROBOTS: (
        "/robots.txt",
        "AIPREF, Content Signals and the way to the licence. Put these lines first in the robots.txt that you have. "
        "Does it have a group for <code>User-agent: *</code> already? Put the rules of ours into that one.",
    ),
    HostedFile.HEADERS: (
        "Headers of every answer",
        "Let your web server send these lines with all that it serves.",
    ),
}


def page_of(site: Site, *, url: str) -> str:
    """What a site is to serve, each file with how, and with what it cannot say.

    Args:
        url: where the same files are, without their names.
    """
    host = escape(site.host)
    parts = [
        f"<h1>What {host} is to serve</h1>",
        "<p>Crawlers look for it on the site itself. Copy each text from here; or let your web server pass its path on "
        "to the address that stands with it: then what you say later is there at once.</p>",
        *(_file(site, file, f"{url}/{file}") for file in HostedFile),
    ]
    return page.document(f"What {site.host} is to serve", "".join(parts))


def _file(site: Site, file: HostedFile, url: str) -> str:
    place, how = _HOW[file]
    title = f"<h2>{place}</h2><p>{how}</p>"
    try:
        written = site.file(file)
    except Invalid as error:
        return f"{title}<p><strong>There is none:</strong> {escape(error.problem)}</p>"
    if not written.text:
        return f"{title}<p>Nothing is said that belongs here.</p>{_left_out(written.left_out)}"
    return f"{title}<p><code>{escape(url)}</code></p><pre>{escape(written.text)}</pre>{_left_out(written.left_out)}"


def _left_out(remarks: Sequence[Remark]) -> str:
    if not remarks:
        return ""
    told = "".join(f"<li>{escape(remark.where)}: {escape(remark.problem)}</li>" for remark in remarks)
    return f"<p>What it does not say:</p><ul>{told}</ul>"
