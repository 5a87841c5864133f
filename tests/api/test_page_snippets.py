"""The code that the pages show runs as it stands: taken from the page, given a key, and pasted."""

import html
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import httpx
import playwright
import pytest
from standardwebhooks import Webhook

from tests import media
from tests.api.conftest import HOLDER_SCOPES, Clips
from tests.api.forked import REPOSITORY
from tests.api.service import RunningService, ok, send
from tests.servers.lacking import not_tested

_CODE = re.compile(r'<details class="code"[^>]*id="code-([\w-]+)".*?<code>(.*?)</code>', re.DOTALL)
NODE = Path(playwright.__file__).parent / "driver" / "node"


@pytest.fixture(scope="module")
def key(service: RunningService) -> str:
    return service.key("Engineer", *HOLDER_SCOPES)


def page_of(service: RunningService, key: str, path: str) -> str:
    """A page as somebody sees it who signed in with a key."""
    with httpx.Client(base_url=service.url, follow_redirects=True, timeout=60) as browser:
        token = re.search(r'name="token" value="(\w+)"', browser.get("/sign-in").text)
        assert token is not None
        signed_in = browser.post("/sign-in", data={"token": token[1], "key": key, "next": path})
    assert signed_in.status_code == 200, signed_in.text
    assert signed_in.url.path == path
    return signed_in.text


@pytest.fixture(scope="module")
def code(service: RunningService, key: str) -> dict[str, str]:
    """What the pages show, by name; `exports` are the lines before all others."""
    page = page_of(service, key, "/checks") + page_of(service, key, "/webhooks")
    exports = re.search(r"<code>(export CLEARMARK_URL=.*?)</code>", page, re.DOTALL)
    assert exports is not None
    found = {name: html.unescape(text) for name, text in _CODE.findall(page)}
    return found | {"exports": html.unescape(exports[1])}


def environment(code: dict[str, str], key: str) -> dict[str, str]:
    """What a program finds after the exports of the page were pasted, with a key put in."""
    assert code["exports"].endswith("CLEARMARK_KEY=cm_…")
    said = dict(line.removeprefix("export ").split("=", 1) for line in code["exports"].splitlines())
    commands = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **said, "CLEARMARK_KEY": key, "PATH": commands, "PYTHONPATH": str(REPOSITORY)}


def run(name: str, text: str, folder: Path, said: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Do with code what its reader does."""
    if name in ("python", "httpx"):
        command = [sys.executable, "-c", text]
    elif name == "node":
        (folder / "gate.mjs").write_text(text)
        command = [str(NODE), "gate.mjs"]
    elif name == "actions":
        about, _, script = text.partition("  run: |\n")
        assert (
            f"    CLEARMARK_URL: {said['CLEARMARK_URL']}\n    CLEARMARK_KEY: ${{{{ secrets.CLEARMARK_KEY }}}}\n"
            in about
        )
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", textwrap.dedent(script)]  # as GitHub does
    else:
        command = ["bash", "-c", text]
    return subprocess.run(command, cwd=folder, env=said, capture_output=True, text=True, check=False, timeout=100)


def require_tools(name: str) -> None:
    """Of what a snippet runs, Node.js comes with Playwright; jq and curl are the reader's own."""
    if name in ("curl", "command", "actions") and not (shutil.which("jq") and shutil.which("curl")):
        not_tested(f"the snippet {name}", "there is no jq or no curl", excused=True)
    if name == "node" and not NODE.exists():
        not_tested("the snippet node", "there is no Node.js")


@pytest.mark.usefixtures("film")
@pytest.mark.parametrize("name", ["curl", "python", "httpx", "node", "command", "actions"])
def test_a_snippet_lets_out_what_is_clear_and_nothing_else(
    name: str, service: RunningService, code: dict[str, str], key: str, clips: Clips, tmp_path: Path
) -> None:
    require_tools(name)
    said = environment(code, key)
    for clip, may_go_out in ((clips.cut, False), (clips.unrelated, True)):
        shutil.copy(clip, tmp_path / "clip.mp4")
        ran = run(name, code[name], tmp_path, said)
        assert (ran.returncode == 0) is may_go_out, ran.stdout + ran.stderr
        assert (tmp_path / "signed.mp4").exists() is may_go_out
    with service.client() as anyone:
        found = ok(send(anyone, "/v1/verifications", tmp_path / "signed.mp4"))
    assert (found["integrity"]["state"], found["release"]["state"]) == ("intact", "signed")

    (tmp_path / "signed.mp4").unlink()
    refused = run(name, code[name], tmp_path, {**said, "CLEARMARK_KEY": "cm_0_no-key"})
    assert refused.returncode != 0
    assert not (tmp_path / "signed.mp4").exists()


@pytest.mark.parametrize("name", ["curl", "node"])
def test_a_snippet_waits_for_a_long_clip(name: str, code: dict[str, str], key: str, tmp_path: Path) -> None:
    """Beyond `CLEARMARK_SYNC_CHECK_S` no answer waits, however long it was asked to."""
    require_tools(name)
    media.moving_clip(tmp_path / "clip.mp4", seconds=62, seed=711)
    ran = run(name, code[name], tmp_path, environment(code, key))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (tmp_path / "signed.mp4").exists()


def test_all_snippets_of_the_pages_are_run_here(code: dict[str, str]) -> None:
    assert set(code) == {
        "exports", "curl", "python", "httpx", "node", "command", "actions", "webhook-python", "webhook-node",
    }  # fmt: skip


def test_receivers_believe_what_is_signed_and_nothing_else(code: dict[str, str], tmp_path: Path) -> None:
    secret = "whsec_" + "A" * 43 + "="
    body = json.dumps({"type": "check.done", "data": {"id": "chk_1", "verdict": "clear – ✓"}}, ensure_ascii=False)
    headers = _signed(secret, body)
    for name, call in _CALLS.items():
        if name == "webhook-node" and not NODE.exists():
            continue
        for changed, is_ours in ((body, True), (body.replace("clear", "block"), False)):
            (tmp_path / "said.json").write_text(json.dumps({"headers": headers, "body": changed}))
            (tmp_path / "run.mjs").write_text(code[name] + call)
            command = [str(NODE), "run.mjs"] if name == "webhook-node" else [sys.executable, "-c", code[name] + call]
            said = {**os.environ, "CLEARMARK_WEBHOOK_SECRET": secret}
            ran = subprocess.run(
                command, cwd=tmp_path, env=said, capture_output=True, text=True, timeout=60, check=False
            )
            assert (ran.returncode == 0) is is_ours, ran.stderr
            assert ("chk_1" in ran.stdout) is is_ours


_CALLS = {
    "webhook-python": """
import json
from pathlib import Path

said = json.loads(Path("said.json").read_text())
receive(said["headers"], said["body"].encode())
""",
    "webhook-node": """
import { readFileSync } from "node:fs";
const said = JSON.parse(readFileSync("said.json"));
console.log(receive(said.headers, said.body).data.id);
""",
}


def _signed(secret: str, body: str) -> dict[str, str]:
    at = datetime.now(UTC)
    signature = Webhook(secret).sign("wbh_1", at, body)
    return {"webhook-id": "wbh_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
