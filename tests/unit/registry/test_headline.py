"""What is said first of a file, over every combination of what can be known of it."""

import itertools
from typing import Any

import pytest

from provenance.authority import DEVELOPMENT_TRUST_URI
from provenance.model import IntegrityState, SignerState
from registry.headline import Beside, Facts, Kind, Looked, Place, headline
from registry.models import ReleaseState
from registry.verifications import NOT_ASKED

ANY = None
INTACT, INVALID, ABSENT, UNREADABLE, REMOTE = (
    IntegrityState.INTACT, IntegrityState.INVALID, IntegrityState.ABSENT, IntegrityState.UNREADABLE,
    IntegrityState.REMOTE,
)  # fmt: skip
SIGNED, DISABLED, REVOKED, NO_RELEASE = ReleaseState.SIGNED, ReleaseState.DISABLED, ReleaseState.REVOKED, "none"

# Integrity, whether the media itself is another one, signer, release, recovered, copies, looked: each combination is in
# one row and no more. ANY is any; a set is any of these.
NOT_SIGNED, GOOD, WITHOUT = {DISABLED, REVOKED}, {SIGNED, NO_RELEASE}, {ABSENT, UNREADABLE, REMOTE}
TABLE: list[tuple[Kind, tuple[Any, ...]]] = [
    (Kind.CHANGED, (INVALID, True, ANY, ANY, ANY, ANY, ANY)),
    (Kind.BROKEN, (INVALID, False, ANY, ANY, ANY, ANY, ANY)),
    (Kind.REVOKED, (INTACT, ANY, ANY, REVOKED, ANY, ANY, ANY)),
    (Kind.TAKEN_DOWN, (INTACT, ANY, ANY, DISABLED, ANY, ANY, ANY)),
    (Kind.CERTIFICATE_REVOKED, (INTACT, ANY, SignerState.REVOKED, GOOD, ANY, ANY, ANY)),
    (Kind.CERTIFICATE_EXPIRED, (INTACT, ANY, SignerState.EXPIRED, GOOD, ANY, ANY, ANY)),
    (Kind.SIGNER_UNKNOWN, (INTACT, ANY, {SignerState.UNTRUSTED, SignerState.NONE}, GOOD, ANY, ANY, ANY)),
    (Kind.AS_SIGNED, (INTACT, ANY, SignerState.TRUSTED, GOOD, ANY, ANY, ANY)),
    (Kind.RECOVERED_REVOKED, (WITHOUT, ANY, ANY, ANY, REVOKED, ANY, ANY)),
    (Kind.RECOVERED_TAKEN_DOWN, (WITHOUT, ANY, ANY, ANY, DISABLED, ANY, ANY)),
    (Kind.RECOVERED, (WITHOUT, ANY, ANY, ANY, SIGNED, ANY, ANY)),
    (Kind.COPIES, (WITHOUT, ANY, ANY, ANY, NO_RELEASE, True, ANY)),
    (Kind.UNREADABLE, (UNREADABLE, ANY, ANY, ANY, NO_RELEASE, False, ANY)),
    (Kind.ELSEWHERE, (REMOTE, ANY, ANY, ANY, NO_RELEASE, False, ANY)),
    (Kind.NOT_LOOKED, (ABSENT, ANY, ANY, ANY, NO_RELEASE, False, Looked.NOT_ASKED)),
    (Kind.COULD_NOT_LOOK, (ABSENT, ANY, ANY, ANY, NO_RELEASE, False, Looked.COULD_NOT)),
    (Kind.NOTHING, (ABSENT, ANY, ANY, ANY, NO_RELEASE, False, Looked.YES)),
]
STATES = [*ReleaseState, NO_RELEASE]
EVERYTHING = list(itertools.product(IntegrityState, (True, False), SignerState, STATES, STATES, (True, False), Looked))


def _is_in(row: tuple[Any, ...], one: tuple[Any, ...]) -> bool:
    return all(
        wanted is ANY or (value in wanted if isinstance(wanted, set) else value == wanted)
        for wanted, value in zip(row, one, strict=True)
    )


def facts(one: tuple[Any, ...], **more: Any) -> Facts:
    integrity, changed, signer, release, recovered, copies, looked = one
    return Facts(
        integrity=integrity, content_changed=changed, signer=signer, copies=copies, looked=looked,
        release=None if release == NO_RELEASE else release, recovered=None if recovered == NO_RELEASE else recovered,
        **more,
    )  # fmt: skip


def test_every_combination_has_the_headline_that_the_table_says() -> None:
    assert len(EVERYTHING) == 5 * 2 * 5 * 4 * 4 * 2 * 3
    seen = set()
    for one in EVERYTHING:
        rows = [kind for kind, row in TABLE if _is_in(row, one)]
        assert len(rows) == 1, (one, rows)
        assert headline(facts(one)).kind is rows[0], one
        seen.add(rows[0])
    assert seen == set(Kind)


def test_whatever_is_not_first_is_said_beside_it() -> None:
    """Nothing that matters is ever left out: that it was taken down or revoked, copies works, or was not looked at."""
    for one in EVERYTHING:
        found = headline(facts(one, recognises_another=one[4] != NO_RELEASE))
        kind, said = found.kind, set(found.beside)
        first = {
            Beside.TAKEN_DOWN: kind in (Kind.TAKEN_DOWN, Kind.RECOVERED_TAKEN_DOWN),
            Beside.REVOKED: kind in (Kind.REVOKED, Kind.RECOVERED_REVOKED),
            Beside.COPIES: kind is Kind.COPIES,
            Beside.RECOGNISED: kind.startswith("recovered"),
            Beside.NOT_LOOKED: kind in (Kind.NOT_LOOKED, Kind.COULD_NOT_LOOK),
            Beside.CREDENTIALS_UNREADABLE: kind is Kind.UNREADABLE,
            Beside.CREDENTIALS_ELSEWHERE: kind is Kind.ELSEWHERE,
        }
        holds = {
            Beside.TAKEN_DOWN: DISABLED in one[3:5],
            Beside.REVOKED: REVOKED in one[3:5],
            Beside.COPIES: one[5],
            Beside.RECOGNISED: one[4] != NO_RELEASE,
            Beside.NOT_LOOKED: one[6] is not Looked.YES,
            Beside.CREDENTIALS_UNREADABLE: one[0] is UNREADABLE,
            Beside.CREDENTIALS_ELSEWHERE: one[0] is REMOTE,
        }
        for what, is_so in holds.items():
            assert (what in said or first[what]) == is_so, (one, what)
            assert not (what in said and first[what]), (one, what)
        assert found.led_by


def test_credentials_that_do_not_hold_are_not_believed_of_ai() -> None:
    for integrity, ai in itertools.product(IntegrityState, (True, False, None)):
        found = headline(Facts(integrity=integrity, signer=SignerState.TRUSTED, ai_generated=ai))
        assert (Beside.MADE_WITH_AI in found.beside) == (ai is True and integrity is INTACT)
    recovered = headline(Facts(integrity=ABSENT, recovered=SIGNED, ai_generated=True))
    assert Beside.MADE_WITH_AI in recovered.beside


def test_a_part_that_was_changed_and_a_test_certificate_are_told() -> None:
    said = headline(
        Facts(integrity=INTACT, signer=SignerState.TRUSTED, part_changed=True, test_certificate=True)
    )  # fmt: skip
    assert said.kind is Kind.AS_SIGNED
    assert said.beside == (Beside.PART_CHANGED, Beside.TEST_CERTIFICATE)
    assert said.led_by == (Place.INTEGRITY, Place.SIGNER)


def answer(**changes: Any) -> dict[str, Any]:
    """A verification of a file about which nothing is known."""
    nothing: dict[str, Any] = {
        "integrity": {"state": "absent", "failures": []}, "signer": {"state": "none", "trust_list": None},
        "release": None, "recovered": [], "registry_matches": [], "fingerprint_problem": None, "ai_generated": None,
        "ingredients": [],
    }  # fmt: skip
    return nothing | changes


def _part(state: str, *inside: dict[str, Any]) -> dict[str, Any]:
    return {"integrity": {"state": state}, "ingredients": list(inside)}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Facts(integrity=ABSENT)),
        ({"registry_matches": [{}]}, Facts(integrity=ABSENT, copies=True)),
        ({"fingerprint_problem": NOT_ASKED}, Facts(integrity=ABSENT, looked=Looked.NOT_ASKED)),
        ({"fingerprint_problem": "Not asked for it."}, Facts(integrity=ABSENT, looked=Looked.COULD_NOT)),
        ({"fingerprint_problem": "It is too long."}, Facts(integrity=ABSENT, looked=Looked.COULD_NOT)),
        ({"ingredients": [_part("intact", _part("invalid"))]}, Facts(integrity=ABSENT, part_changed=True)),
        ({"ingredients": [_part("absent")]}, Facts(integrity=ABSENT)),
        (
            {"signer": {"state": "trusted", "trust_list": DEVELOPMENT_TRUST_URI}},
            Facts(integrity=ABSENT, signer=SignerState.TRUSTED, test_certificate=True),
        ),
        (
            {"integrity": {"state": "unreadable", "failures": [{"code": "clearmark.container.unsupported"}]}},
            Facts(integrity=ABSENT),
        ),
        (
            {"integrity": {"state": "unreadable", "failures": [{"code": "clearmark.container.truncated"}]}},
            Facts(integrity=UNREADABLE),
        ),
        (
            {"integrity": {"state": "invalid", "failures": [{"code": "assertion.bmffHash.mismatch"}]}},
            Facts(integrity=INVALID, content_changed=True),
        ),
        (
            {"integrity": {"state": "invalid", "failures": [{"code": "assertion.hashedURI.mismatch"}]}},
            Facts(integrity=INVALID),
        ),
        (
            {"recovered": [{"release_id": "rel_1", "state": "disabled", "manifest": {"ai_generated": True}}]},
            Facts(integrity=ABSENT, recovered=DISABLED, recognises_another=True, ai_generated=True),
        ),
        (
            {
                "integrity": {"state": "intact", "failures": []},
                "release": {"release_id": "rel_1", "state": "signed"},
                "recovered": [{"release_id": "rel_1", "state": "signed", "manifest": {"ai_generated": True}}],
                "ai_generated": False,
            },
            Facts(integrity=INTACT, release=SIGNED, recovered=SIGNED, ai_generated=False),
        ),
    ],
)
def test_the_facts_are_those_of_the_answer(changes: dict[str, Any], expected: Facts) -> None:
    assert Facts.of(answer(**changes)) == expected
