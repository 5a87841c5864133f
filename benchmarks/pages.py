"""Pages: how soon a browser shows them, whether they move afterwards, and how large they are.

A service of its own process, with a catalogue and something in every list; Chromium on the same machine. First paint
counts from the click: the request, the page and its style are in it. Each page is opened in turn, so that what
else the machine does falls on all alike; the first time with an empty cache.
"""

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.media import Clip
from benchmarks.report import Report, table
from tests import media
from tests.api.service import RunningService, finished, ok, running_service, send
from tests.browser.browser import started, window

_WORKS, _CHECKS, _TIMES = 200, 5, 20
_SCOPES = ("works:write", "checks:write", "releases:write", "notices:write", "webhooks:write", "holder:write")
# Whatever a page does after it was first shown.
_SETTLE_MS = 150
_SEEN = """() => new Promise(done => {
  let shifted = 0;
  const add = list => list.getEntries().forEach(one => { if (!one.hadRecentInput) shifted += one.value; });
  new PerformanceObserver(add).observe({type: "layout-shift", buffered: true});
  setTimeout(() => done({
    paint_ms: performance.getEntriesByName("first-contentful-paint")[0].startTime,
    shifted,
    page_bytes: performance.getEntriesByType("navigation")[0].decodedBodySize,
    all_bytes: performance.getEntriesByType("navigation")[0].decodedBodySize
      + performance.getEntriesByType("resource").filter(one => !one.name.includes("/media/"))
        .reduce((sum, one) => sum + one.decodedBodySize, 0),
  }), SETTLE_MS);
})""".replace("SETTLE_MS", str(_SETTLE_MS))


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What was seen of one page, each time that it was opened."""

    paints_ms: list[float] = field(default_factory=list)
    shifted: float = 0.0
    page_bytes: int = 0
    all_bytes: int = 0


def pages(clips: Sequence[Clip], *, quick: bool, say: Callable[[str], None]) -> Report:  # noqa: ARG001 - as all parts
    """Measure and tell; the clips are its own, so that every browser can play them."""
    times = 3 if quick else _TIMES
    with tempfile.TemporaryDirectory() as name, running_service(Path(name), sscd_model="none") as service:
        key = service.key("Studio", *_SCOPES, "review", "admin")
        places = _filled(service, key, Path(name))
        say("a service with a catalogue")
        with started() as browser:
            seen = _looked_at(browser, service, key, places, times)
    rows = [
        [
            f"`{place}`", f"{one.paints_ms[0]:.0f}", f"{statistics.median(one.paints_ms[1:]):.0f}",
            f"{max(one.paints_ms[1:]):.0f}", f"{one.shifted:.3f}", f"{one.page_bytes / 1000:.1f}",
            f"{one.all_bytes / 1000:.1f}",
        ]
        for place, one in seen.items()
    ]  # fmt: skip
    heads = [
        "page", "first paint, empty cache, ms", "median of the others, ms", "worst, ms", "layout shift (CLS)",
        "page, kB", "with style and scripts, kB",
    ]  # fmt: skip
    body = (
        f"Chromium and the service on one machine of two processors; {_WORKS} works, {times} looks at each page, in"
        f" turn.\n\n{table(heads, rows)}\n"
    )
    figures = {place: asdict(one) for place, one in seen.items()}
    return Report(title="Pages", body=body, figures=figures)


def _filled(service: RunningService, key: str, folder: Path) -> list[str]:
    """Put something into every list; the addresses to look at, those for everybody first."""
    clip = media.clip_with_sound(folder / "clip.mp4", seconds=8, seed=1)
    other = media.clip_with_sound(folder / "other.mp4", seconds=6, seed=2)
    with service.client(key) as client, service.client(service.key("Pipeline", *_SCOPES)) as pipeline:
        reserved = [{"use": "train", "value": "reserved"}]  # and not copies, which would block: the checks are to wait
        works = [
            ok(client.post("/v1/works", json={
                "title": f"Work {number}", "kind": "film", "policy": "review", "reservations": reserved,
            }), 201)["id"]
            for number in range(_WORKS)
        ]  # fmt: skip
        asset = ok(send(client, f"/v1/works/{works[0]}/assets", clip), 202)["id"]
        assert finished(client, f"/v1/assets/{asset}")["status"] == "indexed"
        checks = [ok(send(pipeline, "/v1/checks", clip))["id"] for _ in range(_CHECKS)]
        own = [ok(send(client, "/v1/checks", other))["id"] for _ in range(_CHECKS)]
        release = ok(client.post("/v1/releases", json={"check_id": own[0]}), 201)["id"]
        notice = ok(client.post("/v1/notices", json={"release_id": release}), 201)["id"]
        verification = ok(send(client, "/v1/verifications", other))["id"]
    return [
        "/", f"/verifications/{verification}", "/registry", f"/registry/{works[0]}", "/ledger", "/notices",
        "/notices/new", "/transparency", "/sign-in", "/dashboard", "/works", "/works/new", f"/works/{works[0]}",
        "/matches", "/imports", "/domains", "/account", "/checks", f"/checks/{own[0]}", "/try", "/releases",
        f"/releases/{release}", "/keys", "/webhooks", "/usage", "/review", f"/review/checks/{checks[0]}",
        "/review/notices", f"/review/notices/{notice}", "/review/audit", "/operator", "/operator/holders",
    ]  # fmt: skip


def _looked_at(
    browser: Browser, service: RunningService, key: str, places: Sequence[str], times: int
) -> dict[str, _Seen]:  # fmt: skip
    seen = {place: _Seen() for place in places}
    with window(browser, service) as opened:
        opened.sign_in(key)
        cookies = opened.page.context.cookies()
    for place in places:  # each in a browser that kept nothing of ours but who it is
        with window(browser, service) as opened:
            opened.page.context.add_cookies([{**one} for one in cookies])  # type: ignore[typeddict-item]
            _note(opened.page, service.url + place, seen[place])
    with window(browser, service) as opened:
        opened.sign_in(key)
        for _ in range(times):
            for place in places:
                _note(opened.page, service.url + place, seen[place])
    return seen


def _note(page: Page, url: str, seen: _Seen) -> None:
    answer = page.goto(url)
    assert answer is not None
    assert answer.ok, f"{url} is no page: {page.title()}"
    found = page.evaluate(_SEEN)
    seen.paints_ms.append(found["paint_ms"])
    seen.shifted = max(seen.shifted, found["shifted"])
    seen.page_bytes, seen.all_bytes = found["page_bytes"], max(seen.all_bytes, found["all_bytes"])
