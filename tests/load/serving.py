"""The service under load: a process of its own (`tests.api.forked`), embedded or with servers beside it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx

from tests.api.forked import Command
from tests.api.service import RunningService, end, ok, start_service
from tests.load.clips import clips, form
from tests.load.traffic import House
from tests.load.usage import Usage, usage_of
from tests.servers.postgres import create_database, postgres_server
from tests.servers.valkey import valkey_server

_SCOPES = ("works:write", "checks:write", "releases:write")
_UNRELEASED_SEED, _RELEASED_SEED, _WORKS_SEED = 10_000, 20_000, 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A service and how to look at it from outside; nothing but its house is known of one that others started."""

    house: House
    pids: Sequence[int] = ()
    service: RunningService | None = None

    def usage(self) -> Usage:
        return usage_of(self.pids)


@contextmanager
def served(mode: str, folder: Path, *, files: int, size: str, **settings: object) -> Iterator[Served]:
    """A service on an empty folder, made ready: `embedded`, or `production` with PostgreSQL, Valkey and a worker."""
    with ExitStack() as kept:
        if mode == "production":
            database = create_database(kept.enter_context(postgres_server()), "load")
            settings |= {"database_url": database, "broker_url": kept.enter_context(valkey_server())}
        service = start_service(folder / "var", folder / "stderr", **{"log_level": "warning", **settings})
        kept.callback(end, service.process)
        pids = [service.process.pid]
        if mode == "production":
            worker = Command(["worker", "--beat"], service.environment, service.log)
            kept.callback(end, worker)
            pids.append(worker.pid)
        key = service.key("Load", *_SCOPES)
        yield Served(house=ready(service.url, key, folder, files=files, size=size), pids=pids, service=service)


def ready(url: str, key: str, folder: Path, *, files: int, size: str) -> House:
    """Make what is sent, and have some of it released."""
    house = House(
        url=url,
        key=key,
        unreleased=clips(folder, files, first_seed=_UNRELEASED_SEED, size=size),
        works=clips(folder, files, first_seed=_WORKS_SEED, size=size),
        signed=[],
    )
    with house.client() as client:
        for content in clips(folder, files, first_seed=_RELEASED_SEED, size=size):
            house.signed.append(_released(client, content))
    return house


def _released(client: httpx.Client, content: bytes) -> bytes:
    body, kind = form(content)
    check = ok(client.post("/v1/checks", content=body, headers={"Content-Type": kind}))
    release = ok(client.post("/v1/releases", json={"check_id": check["id"]}), HTTPStatus.CREATED)
    answer = client.get(f"/v1/releases/{release['id']}/file")
    assert answer.status_code == HTTPStatus.OK, answer.text[:500]
    return answer.content
