"""Trust lists: kept in a folder, changed at once for everybody, and named when they vouch."""

import errno
import json
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provenance.authority import AnchorKind, Credentials, Standing
from provenance.engine import LibraryEngine
from provenance.model import ReleaseClaim, SignerState
from provenance.trust import MAX_LIST_BYTES, BadTrustList, TrustList, TrustLists, compare, read_certificates
from tests.certificates import CertificateAuthority

AT = datetime(2026, 3, 1, tzinfo=UTC)
ONE, OTHER = CertificateAuthority(at=AT, name="One"), CertificateAuthority(at=AT, name="Other")
# A certificate of X.509 version 2, which the library reads as neither a certificate nor a wrong value.
OLD = ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(ONE.pem).replace(b"\xa0\x03\2\1\2", b"\xa0\x03\2\1\1", 1))


def listed(name: str = "c2pa", pem: str = ONE.pem, standing: Standing = Standing.OFFICIAL) -> TrustList:
    return TrustList(name=name, kind=AnchorKind.MANIFEST, standing=standing, source="there", updated_at=AT, pem=pem)


def test_a_list_is_there_for_every_process_at_once(tmp_path: Path) -> None:
    here, elsewhere = TrustLists(tmp_path / "trust"), TrustLists(tmp_path / "trust")
    assert elsewhere.all() == ()
    here.put(listed())
    assert elsewhere.all() == here.all() == (listed(),)
    here.put(listed(pem=OTHER.pem))
    assert elsewhere.get("c2pa") == listed(pem=OTHER.pem)
    elsewhere.remove("c2pa")
    assert here.all() == ()


def test_a_new_version_says_what_it_changes() -> None:
    changed = compare(listed(pem=ONE.pem), listed(pem=OTHER.pem))
    assert (changed.added, changed.removed) == (("CN=Other",), ("CN=One",))
    assert compare(None, listed()).added == ("CN=One",)


def test_a_bundle_is_read_for_its_certificates_alone() -> None:
    text = f"# a comment\n{ONE.pem}\nnonsense\n{OTHER.pem}{ONE.pem}"
    assert read_certificates(text.encode()) == ONE.pem + OTHER.pem


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pem",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        OLD.encode(),
        b"x" * (MAX_LIST_BYTES + 1),
    ],
    ids=["empty", "no pem", "no certificate", "old", "too long"],
)
def test_what_is_no_trust_list_is_refused(content: bytes) -> None:
    with pytest.raises(BadTrustList):
        read_certificates(content)


@pytest.mark.parametrize("name", ["", "../c2pa", "A", "a" * 64, "a/b", ".new"])
def test_a_name_never_becomes_another_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadTrustList, match="name"):
        TrustLists(tmp_path).put(listed(name=name))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "c2pa.json").touch()
    folder = TrustLists(tmp_path / "trust")
    folder.folder.mkdir()
    assert (folder.has(name), folder.get(name)) == (False, None)
    with pytest.raises(BadTrustList, match="no trust list"):
        folder.remove(name)


DAMAGED = ["", "{}", '{"name": 1}', "[]", {"pem": 5}, {"source": 5}, {"pem": "no certificate"}, {"pem": OLD}]


@pytest.fixture(params=DAMAGED, ids=["empty", "bare", "name", "list", "pem 5", "source 5", "no pem", "old"])
def damaged(request: pytest.FixtureRequest, tmp_path: Path) -> TrustLists:
    """A folder with a sound list and a damaged one, `c2pa`."""
    (lists := TrustLists(tmp_path)).put(listed("sound"))
    said = request.param
    if not isinstance(said, str):
        said = json.dumps(json.loads((tmp_path / "sound.json").read_text()) | {"name": "c2pa", **dict(said)})
    (tmp_path / "c2pa.json").write_text(said)
    return lists


def test_a_damaged_list_is_said_and_not_passed_over(damaged: TrustLists) -> None:
    for read in (damaged.all, damaged.anchors, lambda: damaged.get("c2pa")):
        with pytest.raises(BadTrustList, match=r"c2pa\.json is damaged"):
            read()


def test_a_damaged_list_hides_no_other(damaged: TrustLists) -> None:
    assert damaged.get("sound") == listed("sound")
    assert damaged.get("none") is None
    damaged.remove("sound")
    assert not damaged.has("sound")


def test_a_damaged_list_is_replaced_or_removed(damaged: TrustLists) -> None:
    assert damaged.has("c2pa")
    damaged.put(listed())
    assert damaged.all() == (listed(), listed("sound"))
    damaged.folder.joinpath("c2pa.json").write_text("")
    damaged.remove("c2pa")
    assert damaged.all() == (listed("sound"),)


def test_a_list_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr("provenance.trust.os.fsync", full)
    with pytest.raises(OSError, match="no room"):
        TrustLists(tmp_path).put(listed())
    assert list(tmp_path.iterdir()) == []


def test_a_list_that_is_not_there_cannot_be_removed(tmp_path: Path) -> None:
    with pytest.raises(BadTrustList, match="there is no trust list"):
        TrustLists(tmp_path).remove("c2pa")


def test_which_list_knows_a_signer_is_said(
    own: Credentials, stranger: Credentials, media: object, claim: ReleaseClaim, tmp_path: Path
) -> None:
    assert callable(media)
    LibraryEngine(own).sign(media("jpg"), tmp_path / "signed.jpg", claim)
    (anchor,) = own.signer.identity.anchors
    for standing in (Standing.OFFICIAL, Standing.INTERIM, Standing.OPERATOR):
        known = listed(pem=anchor.pem, standing=standing).anchor
        facts = LibraryEngine(replace(stranger, trust_anchors=(known,))).read(tmp_path / "signed.jpg", "image/jpeg")
        assert facts.signer.state is SignerState.TRUSTED
        assert (facts.signer.trust_list, facts.signer.standing) == ("urn:clearmark:trust-list:c2pa", standing)
