"""`clearmark serve`: the web server, and in the embedded mode a worker, in one process."""

import contextlib
import fcntl
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from anyio import to_thread
from fastapi import FastAPI

from api import gauges, housekeeping, logs, telemetry
from api.allocator import hold_little
from api.app import create_app
from api.connections import BoundedConnection
from api.console import say
from api.pages.page import compile_templates
from api.runner import give_back_leases
from api.service import Service, build_service
from api.settings import Settings, SettingsError
from api.worker import EmbeddedWorker, make_celery, register_tasks
from registry import jobs

_log = logging.getLogger(__name__)
# Threads that answer requests. All that may wait for slots (`Service`) together leave some of them free.
_THREADS = 72
# What the index is loaded from may be away for a moment: the database, or the disk.
_LOADS_AGAIN_S = 5.0


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then finish the requests in hand."""
    logs.configure(as_json=settings.logs_json, level=settings.log_level)
    hold_little()
    with _only_one(settings):
        service = build_service(settings)
        app = create_app(service)
        telemetry.start(settings, "service", engine=service.database.engine, app=app)
        gauges.serve_beside(service)
        app.router.lifespan_context = lambda _app: running(service, settings)
        config = config_of(app, settings)
        gc.freeze()  # what is here stays as long as the service: no look for cycles need go through it
        for stop in (signal.SIGTERM, signal.SIGINT):
            # uvicorn stops on these and then raises them again for whoever was there before: nobody.
            signal.signal(stop, lambda _signal, _frame: None)
        server = _Announcing(config)
        app.state.is_stopping = lambda: server.should_exit  # for what would go on telling, and be waited for
        server.run()
        telemetry.stop()
        if not server.started:
            raise SettingsError("the service did not start; the reason is above")
        # A job in hand, a long film say, is not waited for: its row is there, and the next start does it again.
        sys.stdout.flush()
        os._exit(0)


def config_of(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How the web server runs."""
    return uvicorn.Config(
        app,
        http=BoundedConnection,
        host=settings.host,
        port=settings.port,
        log_config=None,  # as everything else here logs
        access_log=False,  # `api.requests` has a line of its own for each
        timeout_graceful_shutdown=30,
        h11_max_incomplete_event_size=1 << 16,
        # Left to itself, uvicorn believes whoever is on this machine, and whom FORWARDED_ALLOW_IPS names.
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies,
    )


class _Announcing(uvicorn.Server):
    """Says where it listens once it does; port 0 is known only then."""

    async def startup(self, sockets=None) -> None:  # type: ignore[no-untyped-def]
        await super().startup(sockets)
        if self.started:
            for server in self.servers:
                for listening in server.sockets:
                    host, port = listening.getsockname()[:2]
                    where = "open it in a browser; the operator’s pages are at /operator, the API’s at /docs"
                    say(f"Clearmark listens on http://{host}:{port} ({where})")


@contextlib.asynccontextmanager
async def running(service: Service, settings: Settings) -> AsyncIterator[None]:
    """The parts that live as long as the application does."""
    to_thread.current_default_thread_limiter().total_tokens = _THREADS
    celery = make_celery(settings)
    register_tasks(celery, service)
    worker = None
    if settings.is_embedded:
        with service.database.transaction() as session:
            jobs.release_leases(session, at=service.now())  # this process is the only one: whoever held them is dead
        worker = EmbeddedWorker(celery, settings)
        worker.start()
    else:
        housekeeping.start_sweeping(service)
    ended = threading.Event()
    threading.Thread(target=_make_ready, args=(service, ended), name="make-ready", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        if worker is not None:
            worker.stop()
        give_back_leases(service)
        housekeeping.save_index(service)
        service.close()


def _make_ready(service: Service, ended: threading.Event) -> None:
    """What takes seconds and is done while the first callers are answered already."""
    has_index = _load_index(service)
    compile_templates()
    while not has_index and not ended.wait(_LOADS_AGAIN_S):
        has_index = _load_index(service)


def _load_index(service: Service) -> bool:
    try:
        service.load_index()
    except Exception:
        _log.exception("the index could not be loaded; checks are unknown until it is, which is tried again")
        return False
    return True


@contextlib.contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """In the embedded mode one process owns the data folder."""
    if not settings.is_embedded:
        yield
        return
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with Path(settings.data_dir, "service.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            folder = settings.data_dir.absolute()
            raise SettingsError(f"CLEARMARK_DATA_DIR: another service is running on {folder}") from None
        yield
