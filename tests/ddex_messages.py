"""DDEX ERN messages in the shape of each version: a test names what matters to it, this fills in the rest."""

from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

VERSIONS = ("38", "381", "382", "383", "41", "411", "42", "43", "431", "432")
ICPN = "00602537022502"


def isrc(number: int) -> str:
    return f"US-SKG-{number // 100_000:02}-{number % 100_000:05}"


def recording(
    reference: str = "A1",
    *,
    version: str = "43",
    isrc: str | None = "US-SKG-19-12345",
    title: str = "Night Train",
    sub_title: str | None = None,
    artists: Sequence[str] = ("Ada",),
    year: int | None = 1998,
    kind: str = "SoundRecording",
    type: str = "MusicalWorkSoundRecording",
    ids: str = "",
    more: str = "",
) -> str:
    """A SoundRecording or Video; `ids` goes in beside the ISRC, `more` at its end."""
    numbers = (f"<ISRC>{isrc}</ISRC>" if isrc else "") + ids
    line = f"<PLine><Year>{year}</Year><PLineText>(P) {year} Label</PLineText></PLine>" if year else ""
    titled = f"<TitleText>{escape(title)}</TitleText>" + (f"<SubTitle>{sub_title}</SubTitle>" if sub_title else "")
    named = f"<ResourceReference>{reference}</ResourceReference>"
    if version.startswith("3"):
        shown = "".join(f"<DisplayArtist>{_name(name)}</DisplayArtist>" for name in artists)
        inside = (
            f"<{kind}Type>{type}</{kind}Type><{kind}Id>{numbers}</{kind}Id>{named}"
            f"<ReferenceTitle>{titled}</ReferenceTitle><{kind}DetailsByTerritory>"
            f"<TerritoryCode>Worldwide</TerritoryCode>{shown}{line}</{kind}DetailsByTerritory>{more}"
        )
    else:
        shown = "".join(
            f'<DisplayArtist SequenceNumber="{place}"><ArtistPartyReference>{party(name)}</ArtistPartyReference>'
            "</DisplayArtist>"
            for place, name in enumerate(artists, start=1)
        )
        id_and_line = f"<ResourceId>{numbers}</ResourceId>{line}"
        if version.startswith("43"):
            id_and_line = f"<{kind}Edition>{id_and_line}</{kind}Edition>"
        inside = f"{named}<Type>{type}</Type>{id_and_line}<DisplayTitle>{titled}</DisplayTitle>{shown}{more}"
    return f"<{kind}>{inside}</{kind}>"


def image(reference: str = "A9", *, type: str = "FrontCoverImage") -> str:
    number = f"<ResourceId><ProprietaryId>I-{reference}</ProprietaryId></ResourceId>"
    return f"<Image><ResourceReference>{reference}</ResourceReference><Type>{type}</Type>{number}</Image>"


def release(*references: str, ids: str = f"<ICPN>{ICPN}</ICPN>", more: str = "", main: bool = False) -> str:
    held = "".join(f"<ReleaseResourceReference>{one}</ReleaseResourceReference>" for one in references)
    return (
        f"<Release{' IsMainRelease="true"' * main}><ReleaseReference>R0</ReleaseReference>"
        f"<ReleaseId>{ids}</ReleaseId><ResourceGroup>{held}</ResourceGroup>{more}</Release>"
    )


def deal(*terms: str, release: str = "R0") -> str:
    inside = "".join(f"<Deal><DealTerms>{one}</DealTerms></Deal>" for one in terms)
    return f"<ReleaseDeal><DealReleaseReference>{release}</DealReleaseReference>{inside}</ReleaseDeal>"


def message(
    *resources: str,
    version: str = "43",
    artists: Iterable[str] = ("Ada",),
    header: str = "<MessageId>M1</MessageId>",
    releases: str | None = None,
    deals: str = "",
) -> str:
    """A NewReleaseMessage of these resources; the artists are its parties where a version has a list of them."""
    parties = "".join(
        f"<Party><PartyReference>{party(name)}</PartyReference>{_name(name)}</Party>" for name in dict.fromkeys(artists)
    )
    listed = "" if version.startswith("3") else f"<PartyList>{parties}</PartyList>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<ern:NewReleaseMessage xmlns:ern="http://ddex.net/xml/ern/{version}" LanguageAndScriptCode="en">'
        f"<MessageHeader>{header}</MessageHeader>{listed}<ResourceList>{''.join(resources)}</ResourceList>"
        f"<ReleaseList>{release() if releases is None else releases}</ReleaseList>"
        f"<DealList>{deals}</DealList></ern:NewReleaseMessage>"
    )


def album(count: int, *, version: str = "43", cover: bool = True) -> str:
    """A message of many recordings, each with its ISRC, one release with all of them, and its deals."""
    recordings = [
        recording(f"A{n}", version=version, isrc=isrc(n), title=f"Song {n}", artists=("Ada", f"Guest {n % 50}"))
        for n in range(1, count + 1)
    ]
    names = ["Ada", *(f"Guest {n}" for n in range(50))]
    references = [f"A{n}" for n in range(1, count + 1)]
    terms = "<CommercialModelType>SubscriptionModel</CommercialModelType><UseType>OnDemandStream</UseType>"
    covers = [image("A0")] * cover
    return message(
        *covers, *recordings, version=version, artists=names, releases=release(*references), deals=deal(terms)
    )


def party(name: str) -> str:
    return f"P{name.encode().hex()}"


def _name(name: str) -> str:
    return f"<PartyName><FullName>{escape(name)}</FullName></PartyName>"
