"""What letters say, to whom, and that what somebody wrote stays words."""

import hashlib
import json
import re
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from takedown import letters
from takedown.correspondence import element_key
from takedown.domain.deadlines import DeadlineName
from takedown.domain.states import State
from takedown.domain.track import Track, TrackName
from takedown.domain.tracks import TRACKS
from takedown.errors import NaiveDatetime
from takedown.letter_facts import CounterNotice, Decision, Due, Escalation, LetterFacts, Restoration, Side
from takedown.letter_samples import sample
from takedown.letters import LANGUAGES, TRACKS_OF, LetterName, render, version_of, worded

EVERY = [(name, track, language) for name in LetterName for track in TRACKS_OF[name] for language in LANGUAGES]
HOSTILE = (
    "</p><script>x()</script>{{ 7*7 }}{% raw %}\r\nBcc: all@example.org\n\nDear <b>victim</b>\u202e\u2028\x00&amp;"
)
WITH_AN_ANSWER = [
    LetterName.CONFIRM_ADDRESS, LetterName.NOTICE_RECEIVED, LetterName.CURE_REQUESTED, LetterName.COUNTER_FORWARDED,
    LetterName.COUNTER_INCOMPLETE, LetterName.DISABLED_UPLOADER, LetterName.DECLINED_CLAIMANT, LetterName.HELD_UPLOADER,
    LetterName.REJECTED_ABUSE, LetterName.MISUSE_WARNING, LetterName.SUSPENDED, LetterName.RETRACTED_CLAIMANT,
    LetterName.IDENTICAL_COPY_UPLOADER,
]  # fmt: skip
COUNTER = CounterNotice(
    received_on=date(2026, 3, 9),
    name="Cy Counter",
    address="9 Secret Lane",
    telephone="+1 555 0999",
    signature="Cy Counter",
    material=("clip 41",),
    former_locations=("https://video.example/clips/41",),
    statements=("By mistake.",),
)
TAGS = {"html", "head", "meta", "title", "body", "main", "footer", "p", "br", "h2", "a", "ul", "li", "blockquote"}
TAGS |= {"table", "tr", "th", "td"}


class Page(HTMLParser):
    """The tags of a page, what they refer to, and the text that a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "title" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def words_of(text: str) -> list[str]:
    """The words of a letter without what sets its parts apart."""
    return [word for word in text.split() if word not in (">", "-") and word.strip("-")]


def with_every_text(value: Any, text: str) -> Any:
    """The same facts, with the text for each that somebody could write; what is chosen from a list stays."""
    if isinstance(value, Side | Restoration):
        return value
    if isinstance(value, str):
        return text
    if isinstance(value, tuple):
        return tuple(with_every_text(item, text) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        kept = {"track"}
        parts = {f.name: with_every_text(getattr(value, f.name), text) for f in fields(value) if f.name not in kept}
        return replace(value, **parts)
    return value


def both(name: LetterName, facts: LetterFacts, language: str = "en") -> tuple[str, str]:
    """The text, and what a reader sees of the HTML, both with plain blanks."""
    letter = render(name, facts, language=language)
    return " ".join(letter.text.split()), Page(letter.html).text


@pytest.mark.parametrize(("name", "track", "language"), EVERY)
def test_a_letter_is_written_from_its_sample(name: LetterName, track: str, language: str) -> None:
    letter = render(name, sample(name, track=track), language=language)
    assert (letter.name, letter.language, letter.version) == (name, language, version_of(name, language))
    assert "ntc_0example" in letter.subject
    assert "None" not in letter.text
    assert len(letter.subject) <= 200
    assert not Page(letter.html).open


@pytest.mark.parametrize(("name", "track", "language"), EVERY)
def test_text_and_html_say_the_same(name: LetterName, track: str, language: str) -> None:
    letter = render(name, sample(name, track=track), language=language)
    page = Page(letter.html)
    # The colons and the table's cells differ; the words and their order don't.
    said = [word.rstrip(":") for word in words_of(letter.text)]
    assert said == [word.rstrip(":") for word in words_of(page.text) if word != ":"]


@pytest.mark.parametrize(("name", "track", "language"), EVERY)
def test_what_somebody_wrote_stays_words(name: LetterName, track: str, language: str) -> None:
    letter = render(name, with_every_text(sample(name, track=track), HOSTILE), language=language)
    page = Page(letter.html)
    assert set(page.tags) <= TAGS
    assert set(page.attributes) <= {"lang", "charset", "name", "content", "style"}  # no link leads where HOSTILE says
    assert letter.subject.isprintable()
    assert len(letter.subject) <= 200
    for line in letter.text.splitlines():
        assert line.isprintable()
        # Wrapping may set a word first; a line of somebody's own is what must not come to be.
        assert line != "Bcc: all@example.org"
    assert "49" not in page.text.replace("#49", "")
    assert "{{ 7*7 }}" in page.text


@given(st.text(max_size=300))
def test_any_text_leaves_the_page_whole(text: str) -> None:
    facts = with_every_text(sample(LetterName.DISABLED_UPLOADER), text)
    letter = render(LetterName.DISABLED_UPLOADER, facts)
    page = Page(letter.html)
    assert set(page.tags) <= TAGS
    assert not page.open
    assert letter.subject.isprintable()
    assert all(line.isprintable() for line in letter.text.splitlines())


@pytest.mark.parametrize(("name", "track", "language"), EVERY)
def test_html_loads_nothing_and_names_its_language(name: LetterName, track: str, language: str) -> None:
    facts = sample(name, track=track)
    page = Page(render(name, facts, language=language).html)
    assert page.attributes["lang"] == [language]
    assert "src" not in page.attributes
    assert not any("url(" in style for style in page.attributes["style"])
    assert "href" not in page.attributes  # programs that show mail make links of addresses, as they see fit


# Who made a copy is no party to the notice: no page is theirs.
WITHOUT_A_PAGE = {LetterName.IDENTICAL_COPY_UPLOADER}


@pytest.mark.parametrize(("name", "track", "language"), EVERY)
def test_a_letter_leads_to_the_page_of_the_notice(name: LetterName, track: str, language: str) -> None:
    facts = sample(name, track=track)
    by_account = replace(facts, links=replace(facts.links, access_token=None))
    place = "review/notices" if facts.recipient is Side.OPERATOR else "my-notices"
    for said in both(name, by_account, language):
        assert (f"{facts.operator.url}/{place}/{facts.notice_id}" in said) == (name not in WITHOUT_A_PAGE)
    if name in WITHOUT_A_PAGE:
        return
    by_ticket = replace(facts, links=replace(facts.links, access_token="nt_opens-one"))
    for said in both(name, by_ticket, language):
        way = f"{facts.operator.url}/sign-in"
        assert way in said.partition("nt_opens-one")[0], "where the ticket is entered stands before it"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", WITH_AN_ANSWER)
def test_a_person_answers_by_mail(name: LetterName, language: str) -> None:
    facts = sample(name)
    reply = {"en": "reply to this letter and name the notice", "id": "balaslah surat ini dan sebutkan pemberitahuan"}
    written = {"en": "write to desk@video.example and name", "id": "tulislah ke desk@video.example dan sebutkan"}
    for email, expected in ((None, reply[language]), ("desk@video.example", written[language])):
        operator = replace(facts.operator, email=email)
        for said in both(name, replace(facts, operator=operator), language):
            assert expected in said.lower()
            assert (reply[language] in said.lower()) == (email is None)


@pytest.mark.parametrize(
    ("name", "requests"),
    [
        (LetterName.CONFIRM_ADDRESS, ["/confirmation"]),
        (LetterName.NOTICE_RECEIVED, ["/transitions (event: retract)"]),
        (LetterName.CURE_REQUESTED, ["/transitions (event: cure)"]),
        (LetterName.COUNTER_FORWARDED, ["/transitions (event: court_action)", "/transitions (event: retract)"]),
        (LetterName.COUNTER_INCOMPLETE, ["/counter-notice"]),
        (LetterName.DISABLED_UPLOADER, ["/counter-notice"]),
        (LetterName.DECLINED_CLAIMANT, ["/complaint"]),
        (LetterName.REJECTED_ABUSE, ["/complaint"]),
        (LetterName.SUSPENDED, []),
        (LetterName.IDENTICAL_COPY_UPLOADER, []),
        (LetterName.DISABLED_CLAIMANT, []),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_is_told_what_it_posts(name: LetterName, requests: list[str], language: str) -> None:
    facts = sample(name)
    for said in both(name, facts, language):
        assert said.count("POST") == len(requests)
        for request in requests:
            assert f"POST {facts.links.notice}{request}" in said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "name",
    [
        LetterName.CONFIRM_ADDRESS, LetterName.NOTICE_RECEIVED, LetterName.CURE_REQUESTED,
        LetterName.COUNTER_FORWARDED, LetterName.COUNTER_INCOMPLETE, LetterName.DISABLED_UPLOADER,
        LetterName.DECLINED_CLAIMANT, LetterName.REJECTED_ABUSE,
    ],
)  # fmt: skip
def test_the_page_comes_first_then_a_letter_then_a_program(name: LetterName, language: str) -> None:
    facts = sample(name)
    operator = replace(facts.operator, email="desk@video.example")
    for said in both(name, replace(facts, operator=operator), language):
        ways = [said.index(way) for way in (f"/my-notices/{facts.notice_id}", "desk@video.example", "POST ")]
        assert ways == sorted(ways)


@pytest.mark.parametrize(("name", "track", "language"), EVERY)
def test_a_ticket_stands_once_and_only_for_who_has_one(name: LetterName, track: str, language: str) -> None:
    facts = sample(name, track=track)
    by_key = replace(facts, links=replace(facts.links, access_token="nt_opens-one"))
    by_account = replace(facts, links=replace(facts.links, access_token=None))
    kept = {"en": "ticket", "id": "tiket"}[language]
    for said in both(name, by_key, language):
        assert said.count("nt_opens-one") == 1
    for said in both(name, by_account, language):
        assert kept not in said.lower()


@pytest.mark.parametrize("track", ["dmca_512", "dsa_16", "take_it_down", "likeness"])
def test_who_got_what_they_asked_for_is_not_offered_a_complaint(track: str) -> None:
    for said in both(LetterName.DISABLED_CLAIMANT, sample(LetterName.DISABLED_CLAIMANT, track=track)):
        assert "You can complain" not in said
        assert "/complaint" not in said
        assert "to a court" in said


@pytest.mark.parametrize("name", [LetterName.DECLINED_CLAIMANT, LetterName.REJECTED_ABUSE])
@pytest.mark.parametrize(
    ("reason", "words"), [("A title", None), ("A title", "Said so."), ("", "Said so."), ("", None)]
)
def test_reasons_are_a_title_and_words_or_not_there(name: LetterName, reason: str, words: str | None) -> None:
    letter = render(name, replace(sample(name), decision=Decision(reason=reason, words=words)))
    given = [one for one in (reason, words) if one]
    assert ("Reasons\n-------" in letter.text) == bool(given)
    assert all(one in letter.text and one in letter.html for one in given)


@pytest.mark.parametrize(
    ("reason", "words"), [("A title", None), ("A title", "Said so."), (None, "Said so."), (None, None)]
)
def test_a_complaint_is_answered_with_the_reasons_there_are(reason: str | None, words: str | None) -> None:
    facts = sample(LetterName.COMPLAINT_DECIDED, track="dsa_16")
    assert facts.complaint is not None
    facts = replace(facts, complaint=replace(facts.complaint, reason=reason, words=words))
    letter = render(LetterName.COMPLAINT_DECIDED, facts)
    given = [one for one in (reason, words) if one]
    assert ("Reasons\n-------" in letter.text) == bool(given)
    assert all(one in letter.text and one in letter.html for one in given)


@pytest.mark.parametrize("name", [LetterName.RESTORED_UPLOADER, LetterName.RESTORED_CLAIMANT])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_restoration_does_not_repeat_why_the_material_was_disabled(language: str, name: LetterName) -> None:
    decision = Decision(reason="The complaint is right", law="Directive 9/99", explanation="It copies.")
    facts = replace(sample(name, track="dsa_16"), decision=decision)
    for said in both(name, facts, language):
        assert decision.reason in said
        assert "Directive 9/99" not in said
        assert "It copies." not in said
    heading = {"en": "Reasons", "id": "Alasan"}[language]
    for said in both(name, replace(facts, decision=None), language):
        assert heading not in said


@pytest.mark.parametrize("found", [False, True])
@pytest.mark.parametrize("decided", [False, True])
def test_what_automated_means_did_is_said(found: bool, decided: bool) -> None:
    decision = Decision(reason="R", automated_detection=found, automated_decision=decided)
    for name in (LetterName.DISABLED_UPLOADER, LetterName.DISABLED_CLAIMANT, LetterName.DECLINED_CLAIMANT):
        for said in both(name, replace(sample(name, track="dsa_16"), decision=decision)):
            assert ("Automated means were used to find the material." in said) == found
            assert ("Automated means were used in taking the decision." in said) == decided
            assert ("Software checked the form of the notice" in said) != decided
            assert ("a person decided." in said) != decided


def test_a_copy_was_found_by_a_comparison_and_who_made_it_replies() -> None:
    name = LetterName.IDENTICAL_COPY_UPLOADER
    links = replace(sample(name).links, complaint="https://video.example/v1/notices/ntc_0example/complaint")
    for said in both(name, replace(sample(name), links=links)):
        assert "An automated comparison found it" in said
        assert "the material that a person decided on" in said
        assert "Software checked the form" not in said
        assert "/complaint" not in said
        assert "a person looks at it" in said


@pytest.mark.parametrize("track", ["dmca_512", "dsa_16", "take_it_down", "likeness"])
def test_an_unconfirmed_address_stops_all_but_a_request_with_48_hours(track: str) -> None:
    for said in both(LetterName.CONFIRM_ADDRESS, sample(LetterName.CONFIRM_ADDRESS, track=track)):
        assert ("We look at your request in any case" in said) == (track == "take_it_down")
        assert ("nothing happens with the notice" in said) == (track != "take_it_down")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [LetterName.STRIKE_GIVEN, LetterName.MISUSE_WARNING, LetterName.REJECTED_ABUSE])
def test_a_number_of_strikes_suspends_nobody(name: LetterName, language: str) -> None:
    expected = {"en": "From 3 on we consider a suspension", "id": "Mulai dari 3 teguran, kami mempertimbangkan"}
    for said in both(name, sample(name), language):
        assert expected[language] in said
        assert "is suspended at" not in said


@pytest.mark.parametrize(("language", "said"), [("en", "What the notice describes:"), ("id", "Uraian:")])
def test_a_notice_of_illegal_content_describes_no_work(language: str, said: str) -> None:
    for track in TRACKS_OF[LetterName.DECLINED_CLAIMANT]:
        text, _ = both(LetterName.DECLINED_CLAIMANT, sample(LetterName.DECLINED_CLAIMANT, track=track), language)
        assert (said in text) == (track == "dsa_16")


def test_a_counter_notice_from_abroad_consents_to_where_the_service_is_found() -> None:
    for said in both(LetterName.DISABLED_UPLOADER, sample(LetterName.DISABLED_UPLOADER)):
        assert "if your address is outside the United States, of any judicial district in which we may be found" in said


def test_the_claimant_is_told_that_the_material_will_be_put_back_in_ten_business_days() -> None:
    for said in both(LetterName.COUNTER_FORWARDED, sample(LetterName.COUNTER_FORWARDED)):
        assert "will be put back in 10 business days" in said
        assert "unless we receive notice before" in said


@pytest.mark.parametrize(("name", "track", "language"), EVERY)
def test_text_is_wrapped_but_for_what_has_no_blank(name: LetterName, track: str, language: str) -> None:
    facts = replace(sample(name, track=track), material=("https://video.example/" + "a" * 100,))
    for line in render(name, facts, language=language).text.splitlines():
        assert len(line) <= 78 or "a" * 100 in line


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "name", [LetterName.CURE_REQUESTED, LetterName.NOTICE_DEFECTIVE, LetterName.COUNTER_INCOMPLETE]
)
def test_who_must_supply_something_is_told_all_of_it(name: LetterName, language: str) -> None:
    facts = sample(name)
    assert facts.missing
    for said in both(name, facts, language):
        for item in facts.missing:
            assert f"{item.what_to_supply} ({item.reference})" in said


@pytest.mark.parametrize(("language", "day"), [("en", "24 December 2026"), ("id", "24 Desember 2026")])
def test_dates_are_in_the_language_of_the_letter(language: str, day: str) -> None:
    due = Due(title="Restored by", day=date(2026, 12, 24), basis="17 U.S.C. 512(g)(2)(C)", statutory=True)
    facts = replace(sample(LetterName.COUNTER_RECEIVED), deadlines=(due,))
    for said in both(LetterName.COUNTER_RECEIVED, facts, language):
        assert day in said
        assert due.basis in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_month_has_its_name(language: str) -> None:
    facts = sample(LetterName.RETRACTED_CLAIMANT)
    months = set()
    for month in range(1, 13):
        text, _ = both(LetterName.RETRACTED_CLAIMANT, replace(facts, filed_on=date(2026, month, 7)), language)
        months |= set(re.findall(r"7 (\w+) 2026", text))
    assert len(months) == 12


@pytest.mark.parametrize(("name", "track", "language"), EVERY)
def test_no_date_is_said_that_was_not_given(name: LetterName, track: str, language: str) -> None:
    facts = replace(sample(name, track=track), deadlines=(), suspended_until=None, strikes=None)
    facts = replace(facts, filed_on=date(2031, 1, 1))
    holders = (facts.confirmation, facts.counter, facts.complaint, facts.escalation)
    given = {"2031", "2026"} if any(holders) else {"2031"}
    text, _ = both(name, facts, language)
    assert set(re.findall(r"\d{1,2} [A-Z][a-z]+ (\d{4})", text)) <= given


def test_a_code_is_said_with_its_end_and_zone() -> None:
    facts = sample(LetterName.CONFIRM_ADDRESS)
    assert facts.confirmation is not None
    for said in both(LetterName.CONFIRM_ADDRESS, facts):
        assert facts.confirmation.code in said
        assert "2 March 2026, 15:30 UTC" in said
    naive = replace(facts.confirmation, expires_at=datetime(2026, 3, 2, 15, 30, tzinfo=UTC).replace(tzinfo=None))
    with pytest.raises(NaiveDatetime):
        render(LetterName.CONFIRM_ADDRESS, replace(facts, confirmation=naive))


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(days=2), "Time left: 2 days"),
        (timedelta(hours=25), "Time left: 1 day 1 hour"),
        (timedelta(minutes=40), "Time left: 40 minutes"),
        (timedelta(0), "Overdue by: 0 minutes"),
        (-timedelta(hours=3), "Overdue by: 3 hours"),
        (-timedelta(minutes=1), "Overdue by: 1 minute"),
    ],
)
def test_an_operator_is_told_how_long_is_left_or_past(left: timedelta, said: str) -> None:
    escalation = Escalation(title="Remove", day=date(2026, 3, 4), left=left)
    letter = render(LetterName.ESCALATION, replace(sample(LetterName.ESCALATION), escalation=escalation))
    assert f"  {said}\n" in letter.text
    assert letter.subject.startswith("Overdue" if left <= timedelta(0) else "Due soon")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_claimant_gets_the_whole_counter_notice(language: str) -> None:
    facts = replace(sample(LetterName.COUNTER_FORWARDED), counter=COUNTER)
    for said in both(LetterName.COUNTER_FORWARDED, facts, language):
        for part in (COUNTER.name, COUNTER.address, COUNTER.telephone, *COUNTER.former_locations, *COUNTER.statements):
            assert part in said


@pytest.mark.parametrize(("name", "track", "language"), EVERY)
def test_an_uploaders_address_goes_with_the_counter_notice_alone(name: LetterName, track: str, language: str) -> None:
    for said in both(name, replace(sample(name, track=track), counter=COUNTER), language):
        if name is not LetterName.COUNTER_FORWARDED:
            assert COUNTER.address not in said
            assert COUNTER.telephone not in said


TO_UPLOADERS = [(name, track, language) for name, track, language in EVERY if name.endswith("_uploader")]


@pytest.mark.parametrize(("name", "track", "language"), TO_UPLOADERS)
def test_an_uploader_does_not_learn_whose_likeness_it_is(name: LetterName, track: str, language: str) -> None:
    facts = replace(sample(name, track=track), claimant_name="Vera Victim", work="Vera at home")
    told = name is LetterName.DISABLED_UPLOADER
    for necessary in (False, True):
        for said in both(name, replace(facts, identity_necessary=necessary), language):
            # Who is to be served with process is known to the uploader; art. 17(3)(b) of the DSA asks for a need.
            assert ("Vera" in said) == (told and (track == "dmca_512" or (track == "dsa_16" and necessary)))


def test_a_complaint_is_quoted_to_who_complained_alone() -> None:
    facts = sample(LetterName.COMPLAINT_DECIDED, track="dsa_16")
    assert facts.complaint is not None
    assert facts.complaint.text is not None
    other = replace(facts, recipient=Side.CLAIMANT, recipient_name="Ada Example")
    assert facts.complaint.text in both(LetterName.COMPLAINT_DECIDED, facts)[0]
    assert facts.complaint.text not in both(LetterName.COMPLAINT_DECIDED, other)[0]


@pytest.mark.parametrize(
    ("by", "granted", "said"),
    [
        (Side.UPLOADER, True, "The material is put back."),
        (Side.UPLOADER, False, "the material stays disabled"),
        (Side.CLAIMANT, True, "somebody else decides on it anew"),
        (Side.CLAIMANT, False, "nothing is disabled"),
    ],
)
def test_what_a_decision_on_a_complaint_does_is_said(by: Side, granted: bool, said: str) -> None:
    facts = sample(LetterName.COMPLAINT_DECIDED, track="likeness")
    assert facts.complaint is not None
    complaint = replace(facts.complaint, by=by, granted=granted)
    text, _ = both(LetterName.COMPLAINT_DECIDED, replace(facts, complaint=complaint))
    assert said in text
    assert ("rejected" in text) != granted


@pytest.mark.parametrize(("language", "said"), [("en", "is open again"), ("id", "dibuka kembali")])
def test_a_notice_reopened_on_nobodys_complaint_is_said_to_be_open_again(language: str, said: str) -> None:
    reopened = replace(
        sample(LetterName.COMPLAINT_DECIDED, track="dsa_16"), complaint=None, recipient=Side.CLAIMANT
    )  # fmt: skip
    answered = sample(LetterName.COMPLAINT_DECIDED, track="dsa_16")
    for words in both(LetterName.COMPLAINT_DECIDED, reopened, language):
        assert said in words
    letter, other = (render(LetterName.COMPLAINT_DECIDED, facts, language=language) for facts in (reopened, answered))
    assert said in letter.subject
    assert said not in other.subject + other.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_statement_of_reasons_says_what_article_17_asks(language: str) -> None:
    decision = Decision(
        reason="Copies a film",
        words="Seen by a reviewer.",
        automated_detection=True,
        law="Directive 2001/29/EC, art. 2",
        explanation="A reproduction without consent.",
        territory="France",
        until=date(2027, 5, 6),
    )
    facts = replace(sample(LetterName.DISABLED_UPLOADER, track="dsa_16"), decision=decision)
    months = {"en": "May", "id": "Mei"}
    for said in both(LetterName.DISABLED_UPLOADER, facts, language):
        for part in ("Copies a film", "Seen by a reviewer.", "Directive 2001/29/EC, art. 2", "France"):
            assert part in said
        assert "A reproduction without consent." in said
        assert f"6 {months[language]} 2027" in said
        for article in ("17", "20", "21"):
            assert f"art. {article} of" in said or f"Pasal {article} Peraturan" in said
    found_by_people = replace(facts, decision=replace(decision, automated_detection=False))
    assert both(LetterName.DISABLED_UPLOADER, found_by_people, language) != both(
        LetterName.DISABLED_UPLOADER, facts, language
    )


@pytest.mark.parametrize(("name", "track", "language"), EVERY)
def test_a_letter_cites_the_law_of_its_own_track(name: LetterName, track: str, language: str) -> None:
    facts = replace(sample(name, track=track), missing=(), deadlines=(), statute="S")
    facts = replace(facts, decision=None if facts.decision is None else replace(facts.decision, law=None))
    text, _ = both(name, facts, language)
    assert ("17 U.S.C." not in text) or track == "dmca_512"
    assert ("2022/2065" not in text) or track == "dsa_16"
    # A suspended claimant is told on every track that such requests are not affected.
    always = (LetterName.SUSPENDED, LetterName.MISUSE_WARNING)
    assert ("TAKE IT DOWN" not in text) or track == "take_it_down" or name in always


@pytest.mark.parametrize("name", [LetterName.RESTORED_UPLOADER, LetterName.RESTORED_CLAIMANT])
@pytest.mark.parametrize("language", LANGUAGES)
def test_why_material_is_back_is_said_each_in_its_way(language: str, name: LetterName) -> None:
    facts = replace(sample(name), decision=None)
    ways = [Restoration.COUNTER_NOTICE, Restoration.COURT_ACTION_ENDED]
    ways += [Restoration.COMPLAINT_GRANTED, Restoration.DISPUTE_BODY]
    if name is LetterName.RESTORED_UPLOADER:  # the claimant withdrew it, or has a letter of their own about the abuse
        ways += [Restoration.RETRACTED, Restoration.REJECTED_ABUSE]
    texts = {both(name, replace(facts, restoration=way), language)[0] for way in (None, *ways)}
    assert len(texts) == len(ways) + 1


def test_what_is_said_of_a_claimants_misuse_is_not_told_to_the_uploader() -> None:
    facts = sample(LetterName.RESTORED_UPLOADER, track="dsa_16")
    facts = replace(facts, restoration=Restoration.REJECTED_ABUSE)
    assert facts.decision is not None
    assert facts.decision.reason not in both(LetterName.RESTORED_UPLOADER, facts)[0]


def test_a_letter_that_lacks_a_fact_is_not_written() -> None:
    with pytest.raises(ValueError, match="confirm_address lacks a fact"):
        render(LetterName.CONFIRM_ADDRESS, replace(sample(LetterName.CONFIRM_ADDRESS), confirmation=None))
    with pytest.raises(ValueError, match="disabled_uploader lacks a fact"):
        render(LetterName.DISABLED_UPLOADER, replace(sample(LetterName.DISABLED_UPLOADER), decision=None))


def test_a_letter_is_not_written_on_a_track_it_cannot_occur_on() -> None:
    with pytest.raises(ValueError, match="counter_forwarded on track 'dsa_16'"):
        render(LetterName.COUNTER_FORWARDED, replace(sample(LetterName.COUNTER_FORWARDED), track="dsa_16"))


@pytest.mark.parametrize(
    ("asked", "written"), [("id", "id"), ("id-ID", "id"), ("ID", "id"), ("fr", "en"), ("../en", "en"), ("", "en")]
)
def test_a_language_without_letters_falls_back_to_english(asked: str, written: str) -> None:
    letter = render(LetterName.HELD_UPLOADER, sample(LetterName.HELD_UPLOADER), language=asked)
    assert letter.language == written
    assert f'<html lang="{written}">' in letter.html


def test_every_language_has_every_letter_and_nothing_else() -> None:
    assert {"en", "id"} <= set(LANGUAGES)
    expected = {f"{name}.j2" for name in LetterName} | {"phrases.j2", "calendar.json", "words.json"}
    for language in LANGUAGES:
        assert {path.name for path in (letters.TEMPLATES / language).iterdir()} == expected


def test_a_changed_source_has_a_new_version() -> None:
    recorded = json.loads((letters.TEMPLATES / "versions.json").read_bytes())
    current = {key: (version, hashlib.sha256(source).hexdigest()) for key, version, source in letters.sources()}
    assert recorded.keys() == current.keys()
    for key, (version, digest) in current.items():
        assert recorded[key][str(version)] == digest, key
        assert version == max(map(int, recorded[key])), key


# For these the domain has names, but no English.
UNTITLED = {f"deadline.{name}" for name in DeadlineName} | {f"state.{state}" for state in State}


def english_of_the_domain() -> dict[str, str]:
    """The text that the domain has for each key."""
    texts: dict[str, str] = {}
    for name, track in TRACKS.items():
        texts[f"track.{name}"] = track.title
        for kind, elements in (("element", track.elements), ("counter_element", track.counter_elements)):
            texts |= {f"{kind}.{name}.{one.name}": one.what_to_supply for one in elements}
        texts |= {f"reason.{one.code}": one.title for reasons in track.reasons.values() for one in reasons}
    return texts


DOMAIN = english_of_the_domain()


def words_in(language: str) -> dict[str, str]:
    """The words of a language as they stand; a key that stands twice is no key."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    source = (letters.TEMPLATES / language / "words.json").read_bytes()
    words: dict[str, str] = json.loads(source, object_pairs_hook=once)["words"]
    return words


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_a_language_words_all_that_the_domain_can_say_and_nothing_else(language: str) -> None:
    assert words_in(language).keys() == DOMAIN.keys() | UNTITLED


def test_english_words_only_what_the_domain_does_not() -> None:
    assert words_in("en").keys() == UNTITLED


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_are_one_line(language: str) -> None:
    for key, said in words_in(language).items():
        assert said.isprintable(), key
        assert said == " ".join(said.split()) != "", key


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_a_translation_is_not_english_and_keeps_what_is_no_language(language: str) -> None:
    english = DOMAIN | words_in("en")
    for key, said in words_in(language).items():
        assert said != english[key]
        assert re.findall(r"\(URL\)|[0-9]+|\.$", said) == re.findall(r"\(URL\)|[0-9]+|\.$", english[key]), key


def test_no_two_states_and_no_two_dates_are_called_the_same() -> None:
    for language in LANGUAGES:
        for kind in ("state.", "deadline."):
            titles = [said for key, said in words_in(language).items() if key.startswith(kind)]
            assert len(set(titles)) == len(titles)


def test_words_come_in_the_language_that_is_asked_for() -> None:
    assert worded("id-ID", "track.dsa_16", "Notice") == "Pemberitahuan konten ilegal (Uni Eropa)"
    assert worded("en", "track.dsa_16", "Notice") == "Notice"
    for fallback in ("en", "fr", ""):
        assert worded(fallback, "deadline.complaint_by") == "Last day to complain"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_nobody_worded_is_not_made_up(language: str) -> None:
    assert worded(language, "reason.unheard_of", "Unheard of") == "Unheard of"
    with pytest.raises(KeyError, match=r"reason\.unheard_of"):
        worded(language, "reason.unheard_of")


def test_what_a_counter_notice_lacks_is_not_worded_as_what_the_notice_lacks() -> None:
    track = TRACKS[TrackName.DMCA_512]
    notice, counter = (
        {element_key(one, track) for one in elements} for elements in (track.elements, track.counter_elements)
    )
    assert not notice & counter
    assert {"element.dmca_512.signature", "element.dmca_512.material"} <= notice
    assert {"counter_element.dmca_512.signature", "counter_element.dmca_512.material"} <= counter


@pytest.mark.parametrize("track", TRACKS.values(), ids=list(TRACKS))
def test_an_element_is_found_by_its_key(track: Track) -> None:
    for element in (*track.elements, *track.counter_elements):
        assert DOMAIN[element_key(element, track)] == element.what_to_supply
