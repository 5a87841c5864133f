"""Snippets: what an engineer pastes into a pipeline: ask, let out what is clear, and nothing else.

Each runs as it stands once `CLEARMARK_KEY` holds a key. Whatever goes wrong, nothing is written and the exit code says
so: an error never lets a clip out. Code is the same in every language that people speak.
"""

import shlex
from dataclasses import dataclass
from typing import Final

PLACEHOLDER: Final = "cm_…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """A piece of code; `name` is for addresses and tests, `needs` what has to be installed besides."""

    name: str
    title: str
    needs: str
    text: str


def exports(url: str, key: str = PLACEHOLDER) -> str:
    """What all others read from the environment."""
    return f"export CLEARMARK_URL={shlex.quote(url)}\nexport CLEARMARK_KEY={key}"


def gates(url: str) -> list[Snippet]:
    """Check, release, download, in several languages."""
    return [
        Snippet(name="curl", title="curl", needs="bash, curl, jq", text=_CURL),
        Snippet(name="python", title="Python", needs="clearmark", text=_PYTHON),
        Snippet(name="httpx", title="Python, httpx", needs="httpx", text=_HTTPX),
        Snippet(name="node", title="Node.js", needs="Node.js 20", text=_NODE),
        Snippet(name="command", title="clearmark", needs="clearmark, jq", text=_COMMAND),
        Snippet(name="actions", title="GitHub Actions", needs="", text=_actions(url)),
    ]


def receivers() -> list[Snippet]:
    """How a webhook is shown to be one of ours."""
    return [
        Snippet(name="webhook-python", title="Python", needs="standardwebhooks", text=_RECEIVE_PYTHON),
        Snippet(name="webhook-node", title="Node.js", needs="Node.js 20", text=_RECEIVE_NODE),
    ]


_CURL: Final = """\
key="Authorization: Bearer $CLEARMARK_KEY"
check=$(curl -sS -H "$key" -F file=@clip.mp4 -F wait=100 "$CLEARMARK_URL/v1/checks")
while jq -e '.status == "queued" or .status == "processing"' <<<"$check" >/dev/null; do   # a long clip
  sleep 2
  check=$(curl -sS -H "$key" "$CLEARMARK_URL/v1/checks/$(jq -r .id <<<"$check")")
done
if [ "$(jq -r .verdict <<<"$check")" = clear ]; then
  said=$(jq '{check_id: .id, generator: {name: "my-model"}}' <<<"$check")
  release=$(curl -sS -H "$key" -H "Content-Type: application/json" -d "$said" "$CLEARMARK_URL/v1/releases" | jq -r .id)
  curl -sS --fail -H "$key" -o signed.mp4 "$CLEARMARK_URL/v1/releases/$release/file"
else
  jq . <<<"$check" >&2   # it must not go out; look at "verdict" and "reasons"
  false
fi
"""

_PYTHON: Final = """\
import os

from clearmark.client import Client, Decision

with Client(os.environ["CLEARMARK_URL"], os.environ["CLEARMARK_KEY"]) as clearmark:
    gate = clearmark.gate("clip.mp4", context={"generator": "my-model"})
    if gate.decision is not Decision.RELEASE:
        raise SystemExit(f"{gate.decision}: {gate.why}")  # refuse, or hold until a person decided
    release = clearmark.release(gate.check["id"], generator={"name": "my-model"})
    clearmark.download(release["id"], "signed.mp4")
"""

_HTTPX: Final = """\
import json
import os
import time
from pathlib import Path

import httpx

key = {"Authorization": f"Bearer {os.environ['CLEARMARK_KEY']}"}
with httpx.Client(base_url=os.environ["CLEARMARK_URL"], headers=key, timeout=150) as clearmark:
    with Path("clip.mp4").open("rb") as clip:
        context = json.dumps({"generator": "my-model"})
        answer = clearmark.post("/v1/checks", files={"file": clip}, data={"context": context})
    check = answer.raise_for_status().json()
    while check["status"] != "done":
        time.sleep(2)
        check = clearmark.get(f"/v1/checks/{check['id']}").raise_for_status().json()
    if check["verdict"] != "clear":
        raise SystemExit(json.dumps(check["reasons"], indent=2))  # it must not go out
    said = {"check_id": check["id"], "generator": {"name": "my-model"}}
    release = clearmark.post("/v1/releases", json=said).raise_for_status().json()
    signed = clearmark.get(f"/v1/releases/{release['id']}/file").raise_for_status()
    Path("signed.mp4").write_bytes(signed.content)
"""

_NODE: Final = """\
// gate.mjs
import { openAsBlob } from "node:fs";
import { writeFile } from "node:fs/promises";

const { CLEARMARK_URL, CLEARMARK_KEY } = process.env;
const headers = { authorization: `Bearer ${CLEARMARK_KEY}` };

async function ask(path, options = {}) {
  const answer = await fetch(CLEARMARK_URL + path, { ...options, headers: { ...headers, ...options.headers } });
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

const form = new FormData();
form.set("file", await openAsBlob("clip.mp4"), "clip.mp4");
form.set("context", JSON.stringify({ generator: "my-model" }));
let check = await (await ask("/v1/checks", { method: "POST", body: form })).json();
while (check.status !== "done") {
  await new Promise((later) => setTimeout(later, 2000));
  check = await (await ask(`/v1/checks/${check.id}`)).json();
}
if (check.verdict !== "clear") throw new Error(JSON.stringify(check.reasons)); // it must not go out

const release = await (await ask("/v1/releases", {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ check_id: check.id, generator: { name: "my-model" } }),
})).json();
const signed = await ask(`/v1/releases/${release.id}/file`);
await writeFile("signed.mp4", Buffer.from(await signed.arrayBuffer()));
"""

_COMMAND: Final = """\
clearmark check clip.mp4 --json > check.json &&
  clearmark release "$(jq -r .id check.json)" --generator my-model --output signed.mp4
"""


def _actions(url: str) -> str:
    """A step of a workflow; bash is told there to stop at the first error."""
    lines = _CURL.replace("  false\n", "  exit 1\n").splitlines()
    return (
        "- name: Check and sign the clip\n"
        "  shell: bash\n"
        "  env:\n"
        f"    CLEARMARK_URL: {url}\n"
        "    CLEARMARK_KEY: ${{ secrets.CLEARMARK_KEY }}\n"
        "  run: |\n" + "".join(f"    {line}\n" for line in lines)
    )


_RECEIVE_PYTHON: Final = """\
import os

from standardwebhooks import Webhook

known = set()  # of messages that were acted on; keep it in your database


def receive(headers: dict[str, str], body: bytes) -> None:
    message = Webhook(os.environ["CLEARMARK_WEBHOOK_SECRET"]).verify(body, headers)  # raises if it is not ours
    if headers["webhook-id"] not in known:  # a message may come more than once
        print(message["type"], message["data"])
        known.add(headers["webhook-id"])
"""

_RECEIVE_NODE: Final = """\
import { createHmac, timingSafeEqual } from "node:crypto";

const secret = Buffer.from(process.env.CLEARMARK_WEBHOOK_SECRET.replace("whsec_", ""), "base64");

// headers: by lower-case names; body: as it came, before anything parsed it
export function receive(headers, body) {
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures } = headers;
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) < 300)) throw new Error("too old");
  const ours = createHmac("sha256", secret).update(`${id}.${timestamp}.${body}`).digest();
  const isOurs = signatures.split(" ").some((one) => {
    const theirs = Buffer.from(one.replace("v1,", ""), "base64");
    return theirs.length === ours.length && timingSafeEqual(theirs, ours);
  });
  if (!isOurs) throw new Error("not signed by Clearmark");
  return JSON.parse(body); // { type, timestamp, data }; act on each id once
}
"""
