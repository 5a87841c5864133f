"""One contract for both engines: signing, and every state that a file can be read in."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provenance.authority import (
    AnchorKind,
    Credentials,
    SigningIdentity,
    Standing,
    TrustAnchor,
    ensure_development_signer,
)
from provenance.engine import LibraryEngine, ProvenanceEngine
from provenance.errors import IdentityInvalid, KeyUnavailable, ReadFailed, SigningFailed, UnsupportedContainer
from provenance.keys import PemKey
from provenance.media_types import SIGNABLE, media_type_of
from provenance.model import IntegrityState, ReleaseClaim, SignerState, TimeStampFacts

type MediaMaker = Callable[[str], Path]
type EngineMaker = Callable[[Credentials], ProvenanceEngine]

SIGNED_SUFFIXES = [
    "mp4",
    "mov",
    "avi",
    "wav",
    "mp3",
    "flac",
    "m4a",
    "jpg",
    "png",
    "gif",
    "webp",
    "tiff",
    "avif",
]


def flip_in_mdat(signed: Path, plain: Path, target: Path) -> Path:
    """One byte of the media changed, well inside mdat (flips in reserved padding go unnoticed by design)."""
    content, original = bytearray(signed.read_bytes()), plain.read_bytes()
    middle = original.index(b"mdat") + 200
    at = content.index(original[middle : middle + 64])
    content[at + 10] ^= 0xFF
    target.write_bytes(content)
    return target


def remote_jpeg(plain: Path, target: Path) -> Path:
    """A picture whose XMP says that its manifest is on a server."""
    xmp = (
        b"http://ns.adobe.com/xap/1.0/\x00"
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:dcterms="http://purl.org/dc/terms/" '
        b'dcterms:provenance="http://manifests.example/m.c2pa"/></rdf:RDF></x:xmpmeta>'
    )
    content = plain.read_bytes()
    target.write_bytes(content[:2] + b"\xff\xe1" + (len(xmp) + 2).to_bytes(2, "big") + xmp + content[2:])
    return target


@pytest.fixture
def signed(engine: ProvenanceEngine, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path) -> Path:
    target = tmp_path / "signed.mp4"
    engine.sign(media("mp4"), target, claim)
    return target


def test_a_signed_release_is_intact_and_trusted(
    engine: ProvenanceEngine,
    media: MediaMaker,
    claim: ReleaseClaim,
    tmp_path: Path,
    identity: SigningIdentity,
) -> None:
    target = tmp_path / "signed.mp4"
    result = engine.sign(media("mp4"), target, claim)
    facts = engine.read(target, "video/mp4")

    assert result.sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
    assert result.size_bytes == target.stat().st_size
    assert json.loads(result.manifest_json)["active_manifest"] == result.manifest_label
    assert facts.manifest_label == result.manifest_label
    assert facts.integrity.state is IntegrityState.INTACT
    assert facts.integrity.failures == ()
    assert facts.signer.state is SignerState.TRUSTED
    assert facts.signer.name == identity.name
    assert facts.signer.trust_list == identity.anchors[0].uri
    assert facts.time_stamp == TimeStampFacts()
    assert [path.name for path in tmp_path.iterdir()] == ["signed.mp4"]


def test_a_release_says_what_was_claimed(engine: ProvenanceEngine, signed: Path, claim: ReleaseClaim) -> None:
    facts = engine.read(signed, "video/mp4")

    assert facts.title == "A clip"
    assert facts.claim_generator is not None
    assert facts.claim_generator.startswith("Clearmark")
    assert facts.ai_generated is True
    (action,) = facts.actions
    assert action.action == "c2pa.created"
    assert action.software_agent == "Dreamer 3.1"
    assert action.digital_source_type is not None
    assert action.digital_source_type.endswith("/trainedAlgorithmicMedia")
    assert facts.training_mining == {
        "cawg.ai_generative_training": {"use": "notAllowed"},
        "cawg.ai_training": {"use": "constrained", "constraint_info": "https://example.org/terms"},
    }
    assert facts.soft_bindings == claim.soft_bindings
    assert facts.check is not None
    assert facts.check["check_id"] == "chk_1"
    assert facts.check["release_id"] == "rel_1"
    assert facts.check["ledger"] == {"origin": "clearmark.example/ledger", "index": 7}
    assert facts.consents == claim.consents
    assert facts.ingredients == ()
    assert facts.raw is not None
    labels = {
        assertion["label"]: assertion.get("created", False)
        for assertion in facts.raw["manifests"][facts.manifest_label]["assertions"]
    }
    assert labels["org.clearmark.check"] is True
    assert labels["c2pa.soft-binding"] is True


@pytest.mark.parametrize("suffix", SIGNED_SUFFIXES)
def test_every_signable_kind_is_signed_and_read_back(
    own: Credentials, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path, suffix: str
) -> None:
    engine, target = LibraryEngine(own), tmp_path / f"signed.{suffix}"
    engine.sign(media(suffix), target, claim)
    facts = engine.read(target, "")
    assert (facts.integrity.state, facts.signer.state) == (IntegrityState.INTACT, SignerState.TRUSTED)


def test_the_signable_kinds_are_those_that_were_tried(media: MediaMaker) -> None:
    assert {media_type_of(media(suffix)) for suffix in SIGNED_SUFFIXES} == SIGNABLE


@pytest.mark.parametrize("suffix", ["aac", "bmp", "ts"])
def test_a_kind_that_cannot_be_signed_is_named(
    engine: ProvenanceEngine, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path, suffix: str
) -> None:
    with pytest.raises(UnsupportedContainer) as caught:
        engine.sign(media(suffix), tmp_path / "signed", claim)
    assert caught.value.media_type == media_type_of(media(suffix))
    assert "video/mp4" in caught.value.supported
    assert list(tmp_path.iterdir()) == []


def test_a_changed_byte_of_media_is_seen_and_the_signer_still_named(
    engine: ProvenanceEngine, signed: Path, media: MediaMaker, tmp_path: Path
) -> None:
    facts = engine.read(flip_in_mdat(signed, media("mp4"), tmp_path / "flipped.mp4"), "video/mp4")
    assert facts.integrity.state is IntegrityState.INVALID
    assert [failure.code for failure in facts.integrity.failures] == ["assertion.bmffHash.mismatch"]
    assert "changed after it was signed" in facts.integrity.failures[0].explanation
    assert facts.signer.state is SignerState.TRUSTED
    assert facts.check is None


def test_an_unknown_signer_is_untrusted_and_the_file_intact(
    make_engine: EngineMaker, signed: Path, stranger: Credentials
) -> None:
    facts = make_engine(stranger).read(signed, "video/mp4")
    assert facts.integrity.state is IntegrityState.INTACT
    assert facts.integrity.failures == ()
    assert facts.signer.state is SignerState.UNTRUSTED
    assert facts.signer.trust_list is None


def test_a_check_is_believed_only_of_a_trusted_signer(
    make_engine: EngineMaker, signed: Path, stranger: Credentials
) -> None:
    facts = make_engine(stranger).read(signed, "video/mp4")
    assert facts.check is None
    assert facts.title == "A clip"


def test_an_expired_certificate_is_the_signers_matter_and_hides_no_tampering(
    media: MediaMaker, claim: ReleaseClaim, tmp_path: Path
) -> None:
    media("mp4")  # made before the clock runs
    lifetime, moment = timedelta(days=365), datetime.now(UTC)
    brief = ensure_development_signer(tmp_path / "keys", at=moment - lifetime + timedelta(seconds=6))
    engine = LibraryEngine(Credentials(signer=brief))
    engine.sign(media("mp4"), tmp_path / "signed.mp4", claim)
    flip_in_mdat(tmp_path / "signed.mp4", media("mp4"), tmp_path / "flipped.mp4")
    assert engine.read(tmp_path / "signed.mp4", "").signer.state is SignerState.TRUSTED

    time.sleep(max(0.0, (brief.identity.not_after - datetime.now(UTC)).total_seconds()) + 1)
    expired, flipped = (engine.read(tmp_path / name, "") for name in ("signed.mp4", "flipped.mp4"))
    assert (expired.integrity.state, expired.signer.state) == (IntegrityState.INTACT, SignerState.EXPIRED)
    assert (flipped.integrity.state, flipped.signer.state) == (IntegrityState.INVALID, SignerState.EXPIRED)
    with pytest.raises(IdentityInvalid, match="expired"):
        engine.sign(media("mp4"), tmp_path / "late.mp4", claim)


def test_a_time_stamp_anchor_makes_no_claim_signer_trusted(
    signed: Path, identity: SigningIdentity, stranger: Credentials
) -> None:
    stamp = TrustAnchor(pem=identity.anchors[0].pem, uri="urn:example:tsa", kind=AnchorKind.TIME_STAMP)
    facts = LibraryEngine(replace(stranger, trust_anchors=(stamp,))).read(signed, "video/mp4")
    assert facts.raw is not None
    assert facts.raw["validation_state"] == "Trusted"  # what the library alone would say
    assert facts.signer.state is SignerState.UNTRUSTED
    both = LibraryEngine(replace(stranger, trust_anchors=(stamp, *identity.anchors)))
    states = {both.read(signed, "video/mp4").signer.state for _ in range(12)}
    assert states == {SignerState.TRUSTED}  # the library alone names either list, at random


def test_another_trust_list_makes_its_signers_trusted(
    signed: Path, identity: SigningIdentity, stranger: Credentials
) -> None:
    facts = LibraryEngine(replace(stranger, trust_anchors=identity.anchors)).read(signed, "video/mp4")
    assert facts.signer.state is SignerState.TRUSTED
    assert facts.signer.trust_list == identity.anchors[0].uri


def test_nobody_else_on_a_trust_list_speaks_in_our_name(
    own: Credentials, stranger: Credentials, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path
) -> None:
    LibraryEngine(stranger).sign(media("mp4"), tmp_path / "theirs.mp4", claim)
    listed = tuple(replace(one, standing=Standing.OFFICIAL) for one in stranger.signer.identity.anchors)
    facts = LibraryEngine(replace(own, trust_anchors=listed)).read(tmp_path / "theirs.mp4", "video/mp4")
    assert (facts.signer.state, facts.signer.standing) == (SignerState.TRUSTED, Standing.OFFICIAL)
    assert (facts.check, facts.consents) == (None, ())
    # Nor does who is certified by the CA that certified us.
    shared = replace(own.signer.identity, anchors=listed)
    facts = LibraryEngine(Credentials(signer=replace(own.signer, identity=shared))).read(
        tmp_path / "theirs.mp4", "video/mp4"
    )
    assert facts.signer.state is SignerState.TRUSTED
    assert facts.check is None


@pytest.mark.parametrize("suffix", ["mp4", "jpg", "wav", "mp3"])
def test_a_file_without_credentials_is_absent(engine: ProvenanceEngine, media: MediaMaker, suffix: str) -> None:
    facts = engine.read(media(suffix), "")
    assert facts.integrity.state is IntegrityState.ABSENT
    assert facts.signer.state is SignerState.NONE
    assert facts.ai_generated is None


@pytest.mark.parametrize(
    ("content", "media_type"),
    [(b"", "video/mp4"), (b"x", "video/mp4"), (bytes(range(1, 256)) * 20, "audio/mpeg"), (b"PK\x03\x04", "")],
    ids=["empty", "one-byte", "noise", "zip"],
)
def test_unreadable_is_not_absent(engine: ProvenanceEngine, tmp_path: Path, content: bytes, media_type: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    facts = engine.read(path, media_type)
    assert facts.integrity.state is IntegrityState.UNREADABLE
    assert facts.integrity.failures[0].explanation


@pytest.mark.parametrize("suffix", ["mp4", "wav", "avi", "png"])
def test_a_file_cut_in_half_is_unreadable(
    engine: ProvenanceEngine, media: MediaMaker, tmp_path: Path, suffix: str
) -> None:
    content = media(suffix).read_bytes()
    (path := tmp_path / "half").write_bytes(content[: len(content) // 2])
    assert engine.read(path, "").integrity.state is IntegrityState.UNREADABLE


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_signed_file_that_was_cut_is_never_intact(
    own: Credentials, signed: Path, tmp_path: Path, share: float
) -> None:
    content = signed.read_bytes()
    (path := tmp_path / "cut.mp4").write_bytes(content[: int(len(content) * share)])
    state = LibraryEngine(own).read(path, "video/mp4").integrity.state
    assert state in (IntegrityState.INVALID, IntegrityState.UNREADABLE)


def test_a_kind_that_carries_no_credentials_is_unreadable(engine: ProvenanceEngine, media: MediaMaker) -> None:
    facts = engine.read(media("webm"), "video/webm")
    assert facts.integrity.state is IntegrityState.UNREADABLE
    assert facts.integrity.failures[0].code == "clearmark.container.unsupported"


def test_remote_credentials_are_named_and_not_fetched(
    engine: ProvenanceEngine, media: MediaMaker, tmp_path: Path
) -> None:
    facts = engine.read(remote_jpeg(media("jpg"), tmp_path / "remote.jpg"), "image/jpeg")
    assert facts.integrity.state is IntegrityState.REMOTE
    assert [failure.code for failure in facts.integrity.failures] == ["clearmark.manifest.remote"]


def test_a_missing_file_is_not_an_answer(engine: ProvenanceEngine, tmp_path: Path) -> None:
    with pytest.raises(ReadFailed):
        engine.read(tmp_path / "none.mp4", "video/mp4")


def test_signed_input_keeps_its_history(
    engine: ProvenanceEngine, signed: Path, claim: ReleaseClaim, tmp_path: Path
) -> None:
    engine.sign(signed, tmp_path / "again.mp4", replace(claim, title="Second"))
    facts = engine.read(tmp_path / "again.mp4", "video/mp4")
    assert [action.action for action in facts.actions] == ["c2pa.opened", "c2pa.edited.metadata"]
    (parent,) = facts.ingredients
    assert parent.relationship == "parentOf"
    assert parent.ingredients == ()
    assert parent.integrity.state is IntegrityState.INTACT
    assert parent.signer.state is SignerState.TRUSTED
    assert parent.ai_generated is True
    assert facts.ai_generated is True
    assert facts.signer.state is SignerState.TRUSTED


def test_what_is_signed_again_and_again_was_edited_by_nobody(
    own: Credentials, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path
) -> None:
    engine = LibraryEngine(own)
    engine.sign(media("mp4"), source := tmp_path / "first.mp4", claim)
    for generation in range(3):
        engine.sign(source, target := tmp_path / f"{generation}.mp4", claim)
        assert [one.action for one in engine.read(target, "").actions] == ["c2pa.opened", "c2pa.edited.metadata"]
        source = target


@pytest.mark.parametrize("operation", ["read", "sign"])
def test_whom_we_believe_is_found_out_once_in_an_operation(
    own: Credentials, signed: Path, claim: ReleaseClaim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    asked: list[object] = []

    def counted(anchors: Sequence[TrustAnchor]) -> tuple[TrustAnchor, ...]:
        asked.append(anchors)
        return tuple(anchors)

    monkeypatch.setattr("provenance.authority.unambiguous", counted)
    engine = LibraryEngine(own)
    if operation == "read":
        engine.read(signed, "")
    else:
        engine.sign(signed, tmp_path / "again.mp4", claim)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("signers", "expected"),
    [
        (("own", "own", "own"), (SignerState.TRUSTED, SignerState.TRUSTED)),
        (("own", "own", "stranger"), (SignerState.TRUSTED, SignerState.TRUSTED)),
        (("stranger", "own", "own"), (SignerState.TRUSTED, SignerState.UNTRUSTED)),
        # What a stranger recorded of its ingredient is the stranger's word.
        (("own", "stranger", "own"), (SignerState.UNTRUSTED, SignerState.UNTRUSTED)),
        (("own", "flatterer", "own"), (SignerState.UNTRUSTED, SignerState.UNTRUSTED)),
        (("own", "own", "flatterer"), (SignerState.TRUSTED, SignerState.TRUSTED)),
        (("stranger", "stranger", "stranger"), (SignerState.UNTRUSTED, SignerState.UNTRUSTED)),
    ],
)
def test_every_generation_of_ingredients_is_walked_and_a_strangers_word_is_not_taken(
    own: Credentials,
    stranger: Credentials,
    media: MediaMaker,
    claim: ReleaseClaim,
    tmp_path: Path,
    signers: tuple[str, ...],
    expected: tuple[SignerState, ...],
) -> None:
    engines = {
        "own": LibraryEngine(own),
        "stranger": LibraryEngine(stranger),
        "flatterer": LibraryEngine(replace(stranger, trust_anchors=own.signer.identity.anchors)),  # records our trust
    }
    source = media("mp4")
    for generation, signer in enumerate(signers):
        target = tmp_path / f"generation-{generation}.mp4"
        engines[signer].sign(source, target, claim)
        source = target
    facts = engines["own"].read(source, "video/mp4")
    (first,) = facts.ingredients
    (second,) = first.ingredients
    assert second.ingredients == ()
    assert {first.integrity.state, second.integrity.state} == {IntegrityState.INTACT}
    assert (first.signer.state, second.signer.state) == expected


def test_a_tampered_ingredient_shows_although_the_file_is_intact(
    engine: ProvenanceEngine, signed: Path, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path
) -> None:
    flipped = flip_in_mdat(signed, media("mp4"), tmp_path / "flipped.mp4")
    engine.sign(flipped, tmp_path / "again.mp4", claim)
    facts = engine.read(tmp_path / "again.mp4", "video/mp4")
    assert facts.integrity.state is IntegrityState.INTACT
    (parent,) = facts.ingredients
    assert parent.integrity.state is IntegrityState.INVALID
    assert [failure.code for failure in parent.integrity.failures] == ["assertion.bmffHash.mismatch"]


def test_an_ingredient_changed_later_makes_the_file_invalid_too(
    engine: ProvenanceEngine, signed: Path, claim: ReleaseClaim, tmp_path: Path
) -> None:
    again = tmp_path / "again.mp4"
    bare = replace(claim, training_mining=replace(claim.training_mining, entries={}))
    engine.sign(signed, again, bare)  # only the parent's manifest says notAllowed
    content = again.read_bytes()
    assert content.count(b"notAllowed") == 1
    again.write_bytes(content.replace(b"notAllowed", b"nutAllowed"))
    facts = engine.read(again, "video/mp4")
    assert facts.integrity.state is IntegrityState.INVALID
    assert "ingredient.manifest.mismatch" in [failure.code for failure in facts.integrity.failures]
    assert facts.ingredients[0].integrity.state is IntegrityState.INVALID
    assert "ingredient.manifest.mismatch" in [f.code for f in facts.ingredients[0].integrity.failures]


def test_a_clip_of_which_nothing_is_said_is_only_said_to_have_been_opened(
    engine: ProvenanceEngine, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path
) -> None:
    silent = replace(claim, source_type=None, generator_name=None, generator_version=None)
    engine.sign(media("mp4"), tmp_path / "signed.mp4", silent)
    facts = engine.read(tmp_path / "signed.mp4", "video/mp4")
    assert [action.action for action in facts.actions] == ["c2pa.opened"]
    assert facts.ai_generated is None
    (source,) = facts.ingredients
    assert source.integrity.state is IntegrityState.ABSENT
    assert source.signer.state is SignerState.NONE


def test_source_and_target_may_not_be_one_file(
    engine: ProvenanceEngine, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path
) -> None:
    (source := tmp_path / "clip.mp4").write_bytes(media("mp4").read_bytes())
    (link := tmp_path / "link.mp4").symlink_to(source)
    for target in (source, link):
        with pytest.raises(SigningFailed, match="one file"):
            engine.sign(source, target, claim)
    assert source.read_bytes() == media("mp4").read_bytes()


def test_a_signer_whom_we_would_not_trust_leaves_no_file(
    make_engine: EngineMaker,
    media: MediaMaker,
    claim: ReleaseClaim,
    tmp_path: Path,
    own: Credentials,
    stranger: Credentials,
) -> None:
    identity = replace(own.signer.identity, anchors=stranger.signer.identity.anchors)
    mismatched = Credentials(signer=replace(own.signer, identity=identity))
    with pytest.raises(SigningFailed, match="untrusted"):
        make_engine(mismatched).sign(media("mp4"), tmp_path / "signed.mp4", claim)
    known_elsewhere = LibraryEngine(replace(mismatched, trust_anchors=own.signer.identity.anchors))
    with pytest.raises(SigningFailed, match="untrusted"):
        known_elsewhere.sign(media("mp4"), tmp_path / "signed.mp4", claim)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_signature_leaves_an_older_target_as_it_was(
    make_engine: EngineMaker,
    media: MediaMaker,
    claim: ReleaseClaim,
    tmp_path: Path,
    own: Credentials,
) -> None:
    (target := tmp_path / "signed.mp4").write_bytes(b"older")
    keyless = Credentials(signer=replace(own.signer, key=PemKey(tmp_path / "gone.pem")))
    with pytest.raises(KeyUnavailable, match="PEM file"):
        make_engine(keyless).sign(media("mp4"), target, claim)
    assert target.read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir()] == ["signed.mp4"]


def test_credentials_that_cannot_be_read_are_not_signed_over(
    engine: ProvenanceEngine, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path
) -> None:
    remote = remote_jpeg(media("jpg"), tmp_path / "remote.jpg")
    with pytest.raises(SigningFailed, match="another server"):
        engine.sign(remote, tmp_path / "signed.jpg", claim)
    assert [path.name for path in tmp_path.iterdir()] == ["remote.jpg"]


def test_markup_in_a_manifest_comes_back_verbatim_and_bounded(
    engine: ProvenanceEngine, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path
) -> None:
    markup = "<script>alert('x')</script>\u202e&amp;"
    hostile = replace(claim, title=markup + "A" * 20_000, generator_name=markup)
    engine.sign(media("mp4"), tmp_path / "signed.mp4", hostile)
    facts = engine.read(tmp_path / "signed.mp4", "video/mp4")
    assert facts.title is not None
    assert facts.title.startswith(markup)
    assert len(facts.title) == 500
    assert facts.actions[0].software_agent == f"{markup} 3.1"


def test_a_huge_report_is_left_out_and_the_facts_stay(
    engine: ProvenanceEngine, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path
) -> None:
    engine.sign(media("mp4"), tmp_path / "signed.mp4", replace(claim, title="A" * 600_000))
    facts = engine.read(tmp_path / "signed.mp4", "video/mp4")
    assert facts.raw is None
    assert facts.integrity.state is IntegrityState.INTACT


def test_the_bytes_decide_the_kind_not_the_name(
    engine: ProvenanceEngine, signed: Path, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path
) -> None:
    assert engine.read(signed, "image/png").integrity.state is IntegrityState.INTACT
    engine.sign(media("jpg"), tmp_path / "odd", replace(claim, media_type="video/mp4"))
    assert engine.read(tmp_path / "odd", "video/mp4").signer.state is SignerState.TRUSTED
