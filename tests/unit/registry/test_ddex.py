"""DDEX messages: what maps is a row, what does not is told, and no deal becomes a word to everybody."""

import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import ddex
from registry.catalogue import CatalogueFormat, Row, format_of
from registry.catalogue import read as read_catalogue
from registry.errors import Invalid
from registry.works import NewWork, WorkKind
from tests.ddex_messages import ICPN, VERSIONS, album, deal, image, message, recording, release

XML = '<?xml version="1.0" encoding="UTF-8"?>'
AI_USES = ("UseForDataMining", "UseForTrainingGenerativeAI", "UseForTrainingNonGenerativeAI")


def rows(text: str | bytes) -> list[Row]:
    file = io.BytesIO(text.encode() if isinstance(text, str) else text)
    return list(read_catalogue(file, CatalogueFormat.DDEX))


def row(text: str) -> Row:
    [found] = rows(text)
    return found


def work(text: str) -> NewWork:
    found = row(text)
    assert found.entry is not None, found.problem
    return found.entry.work


def refusal(text: str | bytes) -> str:
    """Why a file is refused, before any of its rows."""
    reading = read_catalogue(io.BytesIO(text.encode() if isinstance(text, str) else text), CatalogueFormat.DDEX)
    with pytest.raises(Invalid) as refused:
        next(reading)
    assert refused.value.field == "file"
    return refused.value.problem


# -- what maps -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_recording_is_the_same_work_in_every_version(version: str) -> None:
    text = message(
        recording(version=version, sub_title="Radio Edit", artists=("Ada", "Ben")),
        image(),
        version=version,
        artists=("Ben", "Ada"),
    )
    taken, cover = rows(text)
    assert taken.entry is not None
    assert taken.entry.work == NewWork(
        title="Night Train (Radio Edit)",
        kind=WorkKind.SOUND_RECORDING,
        identifiers={"isrc": "US-SKG-19-12345", "reference": "USSKG1912345"},
        creators=["Ada", "Ben"],
        year=1998,
    )
    assert (taken.number, taken.title, taken.note) == (1, "Night Train (Radio Edit)", None)
    assert (cover.number, cover.entry, cover.problem) == (2, None, None)
    assert "Image (FrontCoverImage)" in (cover.note or "")


@pytest.mark.parametrize(
    "root",
    [
        '<NewReleaseMessage xmlns="http://ddex.net/xml/ern/43">{}</NewReleaseMessage>',
        '<e:NewReleaseMessage xmlns:e="http://ddex.net/xml/ern/43">{}</e:NewReleaseMessage>',
        '<ernm:NewReleaseMessage xmlns:ernm="http://service.ddex.net/xml/ern/411">{}</ernm:NewReleaseMessage>',
    ],
    ids=["all qualified", "root qualified", "served from elsewhere"],
)
def test_elements_are_known_however_they_are_qualified(root: str) -> None:
    assert work(root.format(f"<ResourceList>{recording(artists=())}</ResourceList>")).title == "Night Train"


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1"])
def test_a_message_is_read_in_the_encoding_that_it_names(encoding: str) -> None:
    text = message(recording(title="Żal" if encoding != "ISO-8859-1" else "Bär")).replace("UTF-8", encoding)
    [found] = rows(text.encode(encoding))
    assert found.title in ("Żal", "Bär")


@pytest.mark.parametrize(
    ("type", "kind"),
    [
        ("ShortFormMusicalWorkVideo", WorkKind.CLIP),
        ("LongFormMusicalWorkVideo", WorkKind.FILM),
        ("FeatureFilm", WorkKind.FILM),
        ("Series", WorkKind.SERIES),
        ("UserDefined", WorkKind.CLIP),
        ("", WorkKind.CLIP),
    ],
)
@pytest.mark.parametrize("version", ["382", "43"])
def test_a_video_is_a_clip_or_film_by_its_type(version: str, type: str, kind: WorkKind) -> None:
    assert work(message(recording(version=version, kind="Video", type=type), version=version)).kind is kind


def test_a_video_has_the_numbers_of_films() -> None:
    numbers = "<ISAN>0000-0001-8947-0000-8</ISAN><EIDR>10.5240/7791-8534-2C23-9030-8610-5</EIDR>"
    found = work(message(recording(kind="Video", type="FeatureFilm", isrc=None, ids=numbers)))
    assert found.identifiers == {
        "isan": "0000-0001-8947-0000-8",
        "eidr": "10.5240/7791-8534-2C23-9030-8610-5",
        "reference": "0000-0001-8947-0000-8",
    }


def test_what_accompanies_a_release_is_skipped_with_a_reason() -> None:
    others = (
        recording(kind="Video", type="FrontCoverVideo"),
        "<Text><ResourceReference>A3</ResourceReference><Type>LyricText</Type></Text>",
        "<SheetMusic><SheetMusicType>Score</SheetMusicType></SheetMusic>",
    )
    found = rows(message(*others))
    assert [(one.number, one.entry, one.problem) for one in found] == [(n, None, None) for n in (1, 2, 3)]
    for one, what in zip(found, ("FrontCoverVideo", "LyricText", "Score"), strict=True):
        assert f"({what}): not taken" in (one.note or "")


@pytest.mark.parametrize(
    ("more", "dates", "year"),
    [
        ("<PLine><Year>2009</Year></PLine><PLine><Year>1998</Year></PLine>", "", 1998),
        ("<CLine><Year>2001</Year></CLine><FirstPublicationDate>1999</FirstPublicationDate>", "", 2001),
        ("<FirstPublicationDate>1999-05</FirstPublicationDate>", "<ReleaseDate>2020</ReleaseDate>", 1999),
        ("", "<ReleaseDate>2020-01-01</ReleaseDate><OriginalReleaseDate>1987</OriginalReleaseDate>", 1987),
        ("<PLine><Year>then</Year></PLine><PLine><PLineText>(P) 1998</PLineText></PLine>", "", None),
    ],
)
def test_the_year_is_that_of_the_first_edition(more: str, dates: str, year: int | None) -> None:
    assert work(message(recording(year=None, more=more), releases=release("A1", more=dates))).year == year


def test_the_year_of_the_release_is_that_of_the_main_one() -> None:
    dated = [release("A1", more=f"<ReleaseDate>{year}</ReleaseDate>", main=year == 1987) for year in (2001, 1987, 2003)]
    assert work(message(recording(year=None), releases="".join(dated))).year == 1987


def test_artists_come_in_their_order_and_once() -> None:
    def artist(number: str, name: str) -> str:
        named = f"<PartyName><FullName>{name}</FullName></PartyName>"
        return f'<DisplayArtist SequenceNumber="{number}">{named}</DisplayArtist>'

    shown = artist("10", "Cy") + artist("x", "Dee") + artist("2", "Ben") + artist("1", "Ada") + artist("3", "Ada")
    assert work(message(recording(artists=(), more=shown))).creators == ["Ada", "Ben", "Cy", "Dee"]


def test_the_line_of_artists_stands_in_where_none_is_named() -> None:
    found = work(message(recording(artists=("Nobody",), more="<DisplayArtistName>A &amp; B</DisplayArtistName>")))
    assert found.creators == ["A & B"]


def test_what_holds_worldwide_comes_before_what_holds_in_one_country() -> None:
    def names(name: str, *territories: str) -> str:
        where = "".join(f"<TerritoryCode>{one}</TerritoryCode>" for one in territories)
        artist = f"<DisplayArtist><PartyName><FullName>{name}</FullName></PartyName></DisplayArtist>"
        return f"<SoundRecordingDetailsByTerritory>{where}{artist}</SoundRecordingDetailsByTerritory>"

    inside = (
        "<ReferenceTitle><TitleText>T</TitleText></ReferenceTitle>" + names("エイダ", "JP") + names("Ada", "Worldwide")
    )
    assert work(message(f"<SoundRecording>{inside}</SoundRecording>", version="382")).creators == ["Ada"]


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=40).filter(
    lambda text: text.strip(" ")
)


@given(title=TEXT, artists=st.lists(TEXT, max_size=4, unique=True), version=st.sampled_from(VERSIONS))
def test_titles_and_artists_come_through_as_they_are(title: str, artists: list[str], version: str) -> None:
    found = work(message(recording(title=title, artists=artists, version=version), version=version, artists=artists))

    def plain(text: str) -> str:
        return " ".join(part for part in text.split(" ") if part)

    assert found.title == plain(title)
    assert found.creators == list(dict.fromkeys(map(plain, artists)))


# -- by what it is known again -------------------------------------------------------------------


def reference(text: str) -> str | None:
    return work(text).identifiers.get("reference")


def test_a_recording_is_known_by_its_isrc_whatever_else_is_corrected() -> None:
    first = message(recording("A1"), header="<MessageId>M1</MessageId>")
    moved = recording("A7", title="Night Trains", isrc="USSKG1912345")
    again = message(moved, header="<MessageId>M2</MessageId>", releases=release("A7", ids="<GRid>A10302B</GRid>"))
    assert reference(first) == reference(again) == "USSKG1912345"


@pytest.mark.parametrize(
    ("ids", "releases", "known_by", "is_told"),
    [
        ('<ProprietaryId Namespace="LABEL">7</ProprietaryId>', None, "LABEL:7", False),
        ("<ProprietaryId>7</ProprietaryId>", None, "7", False),
        ("", None, f"{ICPN}/A1", True),
        ("", release("A1", ids="<GRid>A10302B0000000007X</GRid>"), "A10302B0000000007X/A1", True),
        ("", "", "M1/A1", True),
    ],
)
def test_what_has_no_standard_number_is_known_by_the_next_best(
    ids: str, releases: str | None, known_by: str, is_told: bool
) -> None:
    text = message(recording(isrc=None, ids=ids), releases=releases)
    assert reference(text) == known_by
    assert ("its place in the message" in (row(text).note or "")) is is_told


def test_what_cannot_be_known_again_says_so() -> None:
    text = message(recording(isrc=None), header="", releases="")
    assert reference(text) is None
    assert "registered anew" in (row(text).note or "")


def test_a_number_that_was_replaced_is_no_number_of_the_work() -> None:
    old = '<ResourceId IsReplaced="true"><ISRC>US-SKG-19-00001</ISRC></ResourceId>'
    text = message(recording(version="42", more=old), version="42")
    assert (work(text).identifiers["isrc"], row(text).note) == ("US-SKG-19-12345", None)


def test_the_numbers_of_other_editions_are_told() -> None:
    other = "<SoundRecordingEdition><ResourceId><ISRC>USSKG1900002</ISRC></ResourceId></SoundRecordingEdition>"
    text = message(recording(more=other))
    assert work(text).identifiers["isrc"] == "US-SKG-19-12345"
    assert "USSKG1900002" in (row(text).note or "")


# -- rights --------------------------------------------------------------------------------------


def usage(version: str, use: str) -> str:
    said = f"<UseType>{use}</UseType>"
    return f"<Usage>{said}</Usage>" if version.startswith("3") else said


@pytest.mark.parametrize("use", AI_USES)
@pytest.mark.parametrize("version", ["382", "432"])
def test_a_licence_to_one_recipient_is_no_word_to_everybody(version: str, use: str) -> None:
    """Nor is it a reservation: what was not said of a work stays unset."""
    resources = [recording(ref, version=version, isrc=f"USSKG190000{n}") for n, ref in enumerate(("A1", "A2"), 1)]
    deals = deal(usage(version, "OnDemandStream"), usage(version, use))
    licensed, other = rows(message(*resources, version=version, releases=release("A1"), deals=deals))
    assert licensed.entry is not None
    assert licensed.entry.reservations == ()
    assert use in (licensed.note or "")
    assert other.note is None, "no deal is about it"


def test_a_deal_that_only_distributes_says_nothing() -> None:
    found = row(message(recording(), releases=release("A1"), deals=deal("<UseType>PermanentDownload</UseType>")))
    assert found.entry is not None
    assert (found.entry.reservations, found.note) == ((), None)


def test_delegated_rights_are_no_word_to_everybody_either() -> None:
    delegated = "<DelegatedUsageRights><UseType>UseForDataMining</UseType></DelegatedUsageRights>"
    found = row(message(recording(more=f"<ResourceRightsController>{delegated}</ResourceRightsController>")))
    assert "UseForDataMining" in (found.note or "")


@pytest.mark.parametrize(
    ("terms", "named"),
    [
        ('<UseType Namespace="LABEL" UserDefinedValue="NoAITraining">UserDefined</UseType>', "NoAITraining"),
        ("<RightsClaimPolicy><RightsClaimPolicyType>BlockAccess</RightsClaimPolicyType></RightsClaimPolicy>", "Block"),
    ],
)
def test_what_is_not_taken_over_is_told(terms: str, named: str) -> None:
    found = row(message(recording(), releases=release("A1"), deals=deal(terms, terms)))
    assert found.entry is not None
    assert found.entry.work.policy == "review"
    assert (found.note or "").count(named) == 1


@pytest.mark.parametrize(("contains", "is_told"), [("All", True), ("Partly", True), ("None", False)])
def test_how_a_work_was_made_is_no_word_on_its_use(contains: str, is_told: bool) -> None:
    found = row(message(recording(more=f"<ContainsAI>{contains}</ContainsAI>")))
    assert found.entry is not None
    assert found.entry.reservations == ()
    assert ("ContainsAI" in (found.note or "")) is is_told


# -- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "field"),
    [
        (recording(artists=[f"Artist {n}" for n in range(101)]), "creators"),
        (recording(artists=("a" * 5000,)), "creators"),
    ],
    ids=["too many artists", "long name"],
)
def test_a_bad_resource_is_named_and_spoils_no_other(resource: str, field: str) -> None:
    artists = [f"Artist {n}" for n in range(101)] + ["a" * 5000, "Ada"]
    bad, good = rows(message(resource, recording("A2", isrc="USSKG1900002"), artists=artists))
    assert bad.problem is not None
    assert (bad.number, bad.problem.field) == (1, field)
    assert good.entry is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read as XML"),
        ('<ern:PurgeReleaseMessage xmlns:ern="http://ddex.net/xml/ern/43"/>', "Withdraw the works"),
        ("<rsl/>", "its root is rsl"),
        ("<" + "a" * 5000 + "/>", "…"),
        ("<NewReleaseMessage/>", "namespace is none"),
        ('<NewReleaseMessage xmlns="http://ddex.net/xml/2010/ern-main/32"/>', "ERN 3.8 to 4.3"),
        ('<NewReleaseMessage xmlns="http://ddex.net/xml/ern/37"/>', "ERN 3.8 to 4.3"),
        ('<NewReleaseMessage xmlns="http://evil.example/http://ddex.net/xml/ern/43"/>', "ERN 3.8 to 4.3"),
        (message(header="<MessageControlType>TestMessage</MessageControlType>"), "TestMessage"),
        (message(recording())[:-30], "cannot be read as XML"),
        (message(recording()) + "<more/>", "cannot be read as XML"),
        (message(recording(), recording(title="?")).replace("?", "\x00"), "cannot be read as XML"),
        (message(recording(title="?")).replace("?", "&#0;"), "cannot be read as XML"),
        (message(recording(title="?")).replace("?", "&nbsp;"), "cannot be read as XML"),
        (message(recording()).replace("UTF-8", "rot13"), "encoding"),
        (message(recording()).replace("UTF-8", "no-such-one"), "encoding"),
        (message(recording()).replace("UTF-8", "shift_jis"), "encoding"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(text: str, said: str) -> None:
    problem = refusal(text)
    assert said in problem
    assert len(problem) < 300


def test_entities_are_refused_before_they_grow() -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'{XML}<!DOCTYPE a [<!ENTITY l0 "ha">{laughs}]><a>&l9;</a>'
    assert "DTD" in refusal(bomb)
    outside = f'{XML}<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'
    assert "DTD" in refusal(outside)


class Endless(io.BytesIO):
    """A file that begins as a message and never ends."""

    def __init__(self, again: bytes, *, inside: str) -> None:
        super().__init__(f'<NewReleaseMessage xmlns="http://ddex.net/xml/ern/43">{inside}'.encode())
        self._again = again
        self.read_bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size > 0
        chunk = super().read(size) or self._again * (size // len(self._again))
        self.read_bytes += len(chunk)
        assert self.read_bytes < 4 << 20, "it should have stopped long ago"
        return chunk


@pytest.mark.parametrize(
    ("again", "inside", "said"),
    [
        (b"<a>", "", "nested"),
        (b"<a/>", "<ResourceList><Image>", "too large"),
        (b"text", "<ResourceList><Image><Title>", "characters"),
        (b"a", "<ResourceList><Image Title='", "1 MiB"),
        (b"a", "<!--", "1 MiB"),
        (b"a", "<", "1 MiB"),
        (b"<Party><PartyReference>P</PartyReference></Party>", "<PartyList>", "too many"),
        (b"<Release/>", "<ReleaseList>", "too many"),
        (b"<ReleaseDeal><UseType>UseForDataMining</UseType></ReleaseDeal>", "<DealList>", "too many"),
        (b"<Cue/>", "<CueSheetList>", "1 GiB"),
    ],
    ids=[
        "deep", "many elements", "long text", "long attribute", "long comment", "long tag", "parties", "releases",
        "deals", "what is not kept",
    ],
)  # fmt: skip
def test_what_never_ends_is_stopped(again: bytes, inside: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With limits of a hundredth, so that it takes no minutes."""
    for name in ("_MAX_PIECE_CHARS", "_MAX_REMEMBERED_CHARS", "_MAX_FILE_BYTES"):
        monkeypatch.setattr(ddex, name, min(getattr(ddex, name) // 100, 2 << 20))
    with pytest.raises(Invalid, match=said):
        next(ddex.read(Endless(again, inside=inside)))


def test_many_deals_about_many_resources_are_no_product_of_both() -> None:
    """A thousand deals of words of the sender's own, all about one release of a thousand recordings."""
    resources = [recording(f"A{n}", isrc=None) for n in range(1000)]
    deals = "".join(deal(f'<UseType UserDefinedValue="U{n}">UserDefined</UseType>') for n in range(1000))
    found = rows(message(*resources, releases=release(*(f"A{n}" for n in range(1000))), deals=deals))
    assert len(found) == 1000
    assert {(one.note or "").count("own word") for one in found} == {8}


def test_a_resource_is_let_go_before_the_next_is_read() -> None:
    reading = ddex.read(io.BytesIO(album(1000).encode()))
    first = next(reading)
    tracemalloc.start()
    try:
        assert first.number + sum(1 for _ in reading) == 1001
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2 << 20, "all of them are 6 MB"


# -- which format --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "beginning",
    [b"<?xml", b"\xef\xbb\xbf<?xml", b" \r\n\t<NewRelease", "<?xml".encode("utf-16"), "\ufeff<".encode("utf-16-be")],
)
def test_xml_is_told_from_its_beginning(beginning: bytes) -> None:
    assert format_of(beginning) is CatalogueFormat.DDEX
