"""What operators, holders and agents do on the command line, beside a running service."""

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.console import Exit
from clearmark.client import Client, Problem
from tests import media
from tests.api.conftest import HOLDER_SCOPES
from tests.api.service import RunningService, run_cli_here, until
from tests.certificates import CertificateAuthority


@pytest.fixture(scope="module")
def admin(service: RunningService) -> str:
    return str(made(service, "Operator", "admin")["key"])


class Cli:
    """The command with one key and, if need be, for a holder."""

    def __init__(self, service: RunningService, key: str, holder: str | None = None) -> None:
        self._environment = {**service.environment, "CLEARMARK_URL": service.url, "CLEARMARK_KEY": key}
        if holder is not None:
            self._environment["CLEARMARK_HOLDER"] = holder

    def run(self, line: str, *more: object) -> subprocess.CompletedProcess[str]:
        return run_cli_here(*line.split(), *more, environment=self._environment)

    def json(self, line: str, *more: object, code: Exit = Exit.OK) -> Any:
        ran = self.run(line, *more, "--json")
        assert ran.returncode == code, ran.stderr
        return json.loads(ran.stdout)

    def text(self, line: str, *more: object, code: Exit = Exit.OK) -> str:
        ran = self.run(line, *more)
        assert ran.returncode == code, ran.stderr
        assert "…" not in ran.stdout, "what is there to be copied is whole"
        return ran.stdout

    def refused(self, line: str, *more: object) -> str:
        ran = self.run(line, *more)
        assert (ran.returncode, ran.stdout) == (Exit.ERROR, "")
        return ran.stderr


@pytest.fixture
def operator(service: RunningService, admin: str) -> Cli:
    return Cli(service, admin)


def made(service: RunningService, holder: str, *scopes: str) -> dict[str, Any]:
    """A new key, as `keys create` tells of it."""
    said = ("--holder", holder, "--scopes", ",".join(scopes or HOLDER_SCOPES))
    ran = run_cli_here("keys", "create", *said, "--json", environment=service.environment)
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


# -- keys and holders ------------------------------------------------------------------------------


def test_a_key_tells_its_holder_and_is_listed_without_its_secret(service: RunningService, operator: Cli) -> None:
    told = made(service, "Listed", "works:write", "checks:write")
    shown = operator.text("keys create --holder Listed --scopes review --days 3")
    assert told["holder_id"] in shown
    second = re.findall(r"\bcm_\S+", shown)[0]
    with Client(service.url, told["key"]) as used:
        list(used.works())
    for name in ("Listed", told["holder_id"]):
        first, other = operator.json("keys list --holder", name)
        assert (first["id"], first["holder_id"], first["holder"]) == (told["id"], told["holder_id"], "Listed")
        assert first["scopes"] == ["works:write", "checks:write"]
        assert (first["used_at"] is not None, first["expires_at"]) == (True, None)
        assert (other["used_at"], other["expires_at"] is not None) == (None, True)
    text = operator.text("keys list")
    assert told["id"] in text
    for key in (told["key"], second):
        secret = key.split("_", 2)[2]
        assert secret not in text
        assert secret not in json.dumps([first, other])
    operator.json("keys revoke", told["id"])
    assert [key["id"] for key in operator.json("keys list --holder Listed")] == [other["id"]]
    assert [key["id"] for key in operator.json("keys list --all --holder Listed")] == [told["id"], other["id"]]


def test_the_operator_lists_and_vets_holders(service: RunningService, operator: Cli) -> None:
    key = service.key("Unheard of before", *HOLDER_SCOPES, assurance="unverified")
    listed = {holder["name"]: holder for holder in operator.json("holders list")}
    holder = listed["Unheard of before"]
    assert holder["assurance"] == "unverified"
    vetted = operator.json("holders vet", holder["id"], "--note", "Met them.")
    assert (vetted["id"], vetted["assurance"]) == (holder["id"], "vetted")
    with Client(service.url, key) as client:
        [change] = client.get("/v1/holder")["history"]
    assert (change["note"], change["cause"]) == ("Met them.", "operator")
    mistaken = ("--assurance", "unverified", "--note", "Was mistaken.")
    assert "unverified" in operator.text("holders vet", holder["id"], *mistaken)
    assert holder["id"] in operator.text("holders list")
    assert "hld_0" in operator.refused("holders vet hld_0 --note Who")
    for line in ("holders list", f"holders vet {holder['id']} --note Me"):
        said = Cli(service, key).refused(line)
        assert said == "clearmark: Not allowed: this needs a key with the scope admin.\n"


# -- who acts for whom -------------------------------------------------------------------------------


def test_an_agent_acts_for_whom_appointed_it_until_dismissed(service: RunningService, tmp_path: Path) -> None:
    estate, agency = made(service, "Estate"), made(service, "Agency of estates")
    owner = Cli(service, estate["key"])
    agreed = owner.json("agents appoint", agency["holder_id"], "--scopes", "works:write, checks:write")
    assert (agreed["principal_id"], agreed["valid_until"]) == (estate["holder_id"], None)
    assert agreed["id"] in owner.text("agents list")
    agent = Cli(service, agency["key"], estate["holder_id"])
    clip = media.moving_clip(tmp_path / "clip.mp4", seconds=3, seed=401)
    agent.json("register", clip, "--title", "Of the estate", "--reserve", "train")
    with Client(service.url, estate["key"]) as own, Client(service.url, agency["key"]) as other:
        [work] = own.works()
        assert [said["agent_id"] for said in work["reservations"]] == [agency["holder_id"]]
        assert list(other.works()) == []
    with Client(service.url, agency["key"], holder=estate["holder_id"]) as acting:
        assert [found["id"] for found in acting.works()] == [work["id"]]
        with pytest.raises(Problem, match="the scope webhooks:write, which you do not have as an agent"):
            acting.set_webhook("https://hooks.example/")
    asked = ("ledger receipt", work["id"], "-o", tmp_path / "r.json", "--holder", estate["holder_id"])
    by_option = Cli(service, agency["key"]).json(*asked)
    assert by_option["record"] == work["id"]
    assert owner.json("agents dismiss", agreed["id"]) == {"id": agreed["id"], "ended": True}
    assert owner.json("agents list") == []
    assert estate["holder_id"] in agent.refused("register", clip, "--title", "Again")
    lasting = ("--scopes", "works:write", "--until", "2999-12-31T10:00:00Z")
    until_then = owner.json("agents appoint", agency["holder_id"], *lasting)
    assert until_then["valid_until"] == "2999-12-31T10:00:00Z"


def test_a_domain_is_claimed_and_looked_for(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = Cli(service, made(service, "Domain owner")["key"])
    added = holder.json("domains add studio-of-ours.example")
    text = holder.text("domains add studio-of-ours.example")
    for copied in (added["id"], *added["to_publish"].values()):
        assert re.search(rf"  {re.escape(copied)}$", text, re.MULTILINE), text
    [listed] = holder.json("domains list")
    assert (listed["id"], listed["verified_at"]) == (added["id"], None)
    assert "not yet" in holder.text("domains list")
    assert "dmn_0" in holder.refused("domains check dmn_0")
    seen = added | {"verified_at": "2026-01-31T00:00:00Z", "method": "dns"}
    monkeypatch.setattr(Client, "check_domain", lambda *_: seen)
    assert "since 2026-01-31" in holder.text("domains check", added["id"])
    monkeypatch.setattr(Client, "check_domain", lambda *_: added | {"problem": "The text was not found."})
    assert "was not found" in holder.text("domains check", added["id"], code=Exit.ERROR)


# -- what waits for a person -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rivals(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Client]]:
    """Two holders who registered the same clip, the second after a pipeline had checked it."""
    clip = media.clip_with_sound(tmp_path_factory.mktemp("rivals") / "clip.mp4", seconds=9, seed=402)
    maker = Client(service.url, made(service, "Early maker")["key"])
    first = Client(service.url, made(service, "First rival")["key"])
    second = Client(service.url, made(service, "Second rival")["key"])
    with maker, first, second:
        maker.release(maker.check(clip)["id"])
        for rival, title in ((first, "Ours"), (second, "No, ours")):
            rival.add_asset(rival.register_work(title=title, policy="block")["id"], clip)
        yield first, second


def test_a_conflict_is_shown_and_decided(service: RunningService, operator: Cli, rivals: tuple[Client, Client]) -> None:
    first, second = rivals
    [conflict] = first.conflicts()
    first.state_position(conflict["id"], "mine", "See the rushes.", links=["https://first.example/rushes"])
    assert conflict["id"] in {found["id"] for found in operator.json("conflicts list")}
    assert conflict["id"] in operator.text("conflicts list")
    decide = ("conflicts decide", conflict["id"], "--outcome", "earlier", "--reason", "The rushes show it.")
    assert "has not spoken" in operator.refused(*decide)
    second.state_position(conflict["id"], "mine", "We shot it.")
    text = operator.text("conflicts show", conflict["id"])
    for side in ("earlier", "later"):
        for copied in ("holder_id", "work_id", "asset_id"):
            assert conflict[side][copied] in text
    assert "See the rushes." in text
    assert "https://first.example/rushes" in text
    reviewer = Cli(service, made(service, "Operator", "review")["key"])
    assert "Not allowed" in reviewer.refused("conflicts list"), "they are the operator's, see the operations guide"
    assert "this needs a key with the scope admin" in reviewer.refused(*decide)
    decided = operator.json(*decide)
    assert (decided["state"], decided["outcome"]) == ("decided", "earlier")
    assert conflict["id"] not in {found["id"] for found in operator.json("conflicts list")}
    assert conflict["id"] in {found["id"] for found in operator.json("conflicts list --all")}
    assert operator.run("conflicts decide", conflict["id"]).returncode == Exit.USAGE


def test_a_finding_is_shown_and_decided(service: RunningService, rivals: tuple[Client, Client]) -> None:
    first, _ = rivals
    [finding] = until(lambda: list(first.findings()))
    reviewer = Cli(service, made(service, "Operator", "review")["key"])
    assert finding["id"] in reviewer.text("findings list")
    shown = reviewer.text("findings show", finding["id"])
    assert finding["release_id"] in shown
    assert finding["work_id"] in shown
    decide = ("findings decide", finding["id"], "--decision")
    assert "disable" in reviewer.refused(*decide, "dismiss", "--reason", "No.", "--disable-release")
    held = reviewer.json(*decide, "uphold", "--reason", "It is a copy.", "--disable-release")
    assert (held["decision"], held["release_disabled"]) == ("uphold", True)
    assert finding["id"] not in {found["id"] for found in reviewer.json("findings list")}
    assert finding["id"] in {found["id"] for found in reviewer.json("findings list --all")}
    assert "decided already" in reviewer.refused(*decide, "dismiss", "--reason", "No.")


def test_what_is_in_quarantine_is_the_operators(service: RunningService, operator: Cli) -> None:
    assert operator.json("quarantines list") == []
    asked = ("quarantines decide", "ast_0", "--decision", "release", "--reason", "An ident.")
    assert "ast_0" in operator.refused(*asked)
    assert "scope admin" in Cli(service, made(service, "Listed", "review")["key"]).refused("quarantines list")


# -- consents ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("until_when", "expires"),
    [("2999-12-31", "2999-12-31T23:59:59Z"), ("2999-12-31T18:00:05+01:00", "2999-12-31T17:00:05Z")],
)
def test_a_consent_is_granted_to_the_second_and_its_token_is_whole(
    service: RunningService, until_when: str, expires: str
) -> None:
    pipeline = made(service, "Dreamer of tokens", "checks:write")
    speaker = made(service, "Speaker for a person")["key"]
    with Client(service.url, speaker) as client:
        person = client.register_work(title="A person", kind="likeness")["id"]
        text = Cli(service, speaker).text(
            "consents grant", person, "--to", pipeline["holder_id"], "--until", until_when
        )  # fmt: skip
        [granted] = client.consents(person)
    assert granted["expires"] == expires
    assert re.search(rf"^  token +{re.escape(granted['token'])}$", text, re.MULTILINE)
    listed = Cli(service, pipeline["key"]).text("consents list")
    assert granted["id"] in listed
    wrong = Cli(service, speaker).run("consents grant", person, "--to", pipeline["holder_id"], "--until", "tomorrow")
    assert wrong.returncode == Exit.USAGE


def test_a_damaged_trust_list_is_mended_as_it_says(service: RunningService, admin: str, tmp_path: Path) -> None:
    cli = Cli(service, admin)
    (anchors := tmp_path / "ca.pem").write_text(CertificateAuthority(at=datetime.now(UTC)).pem)
    cli.text("trust add mended", anchors)
    assert "already" in cli.refused("trust add mended", anchors)
    assert "came from a file" in cli.refused("trust update mended")
    [damaged] = service.data_dir.rglob("mended.json")
    damaged.write_text("{")
    assert "add it again" in cli.refused("trust lists")
    cli.text("trust add mended", anchors)
    assert [one["name"] for one in cli.json("trust lists")] == ["mended"]
    damaged.write_text("{")
    cli.text("trust remove mended")
    assert cli.json("trust lists") == []
