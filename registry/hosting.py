"""Hosting: the files that a site is to serve, so that what its holders say of it is read where crawlers look.

There are some only for hosts whose holders showed that they are theirs; where several did, all of them speak. A crawler
finds a license file only where something points to it: `robots.txt` and the headers do, when there is one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import domains
from registry.errors import Invalid
from registry.exchange import About, ExportFormat, Spoken, in_format, spoken
from registry.formats import rsl
from registry.formats.statements import FormatError, Written, unsaid
from registry.models import Holder


class HostedFile(StrEnum):
    """What is served for a site, under the name that it has there."""

    TDMREP = "tdmrep.json"
    LICENSE = "license.xml"
    ROBOTS = "robots.txt"
    HEADERS = "headers.txt"


_FORMATS: Mapping[HostedFile, tuple[ExportFormat, ...]] = {
    HostedFile.TDMREP: (ExportFormat.TDMREP,),
    HostedFile.LICENSE: (ExportFormat.RSL,),
    HostedFile.ROBOTS: (ExportFormat.CONTENT_USAGE, ExportFormat.CONTENT_SIGNAL),
    HostedFile.HEADERS: (ExportFormat.HEADERS,),
}
_POINTERS: Mapping[HostedFile, Callable[[str], str]] = {
    HostedFile.ROBOTS: rsl.robots_line,
    HostedFile.HEADERS: rsl.link_header,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A host, and all that is said of it from now on."""

    about: About
    host: str
    words: Spoken
    _made: dict[ExportFormat, Written] = field(default_factory=dict, init=False)

    def file(self, file: HostedFile) -> Written:
        """A file of the site; empty where it has nothing to say. Raises: Invalid: there is more than it holds."""
        try:
            parts = [self._in(each) for each in _FORMATS[file]]
        except FormatError as error:
            raise Invalid(field="file", problem=error.problem) from None
        texts = [part.text for part in parts if part.text]
        if file in _POINTERS and self._has_license():
            texts.insert(0, _POINTERS[file](f"https://{self.host}/{HostedFile.LICENSE}"))
        between = "\n" if file is HostedFile.ROBOTS else ""
        left_out = unsaid(*[part.left_out for part in parts])
        return Written(text=between.join(texts), media_type=parts[0].media_type, left_out=left_out)

    def _has_license(self) -> bool:
        try:
            return bool(self._in(ExportFormat.RSL).text)
        except FormatError:
            return False

    def _in(self, format: ExportFormat) -> Written:
        if format not in self._made:
            self._made[format] = in_format(self.about, format, self.words)
        return self._made[format]


def site(session: Session, host: str, *, at: datetime) -> Site | None:
    """What the holders of a host's domain say of it; None where nobody showed that it is theirs."""
    speakers = speakers_of(session, host, at=at)
    if not speakers:
        return None
    theirs = [spoken(session, About(holder=holder, host=host), at=at) for holder in speakers]
    words = Spoken(
        said=[said for words in theirs for said in words.said],
        remarks=[remark for words in theirs for remark in words.remarks],
    )
    return Site(about=About(holder=speakers[0], host=host), host=host, words=words)


def speakers_of(session: Session, host: str, *, at: datetime) -> list[Holder]:
    """The holders who showed that a host answers for them."""
    shown = domains.masters(session, [host], at=at).get(host, ())
    return list(session.scalars(sa.select(Holder).where(Holder.id.in_(shown)).order_by(Holder.id)))
