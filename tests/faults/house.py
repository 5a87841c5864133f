"""A service whose parts are killed and come back: in one process on SQLite, or spread out as in production.

Decides what can be killed, how, and how it is started again over what it left behind. What must hold afterwards is
decided in `tests.faults.invariants`.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.api.forked import Command
from tests.api.service import RunningService, end, start_service
from tests.servers.postgres import Server, create_database, postgres
from tests.servers.smtp import MailServer, mail_server
from tests.servers.valkey import Broker, broker

_RESTARTS_AFTER_S = 1.0


class Mode(StrEnum):
    EMBEDDED = "embedded"
    PRODUCTION = "production"


class Part(StrEnum):
    """What dies alone. In the embedded mode worker and broker are threads of the service, and the database a file."""

    API = "api"
    WORKER = "worker"
    DATABASE = "database"
    BROKER = "broker"


@dataclass(slots=True)
class House:
    """A data folder and the processes on it.

    Attributes:
        mail: where letters are taken to; None: they are files in the data folder.
    """

    folder: Path
    mode: Mode
    settings: dict[str, object] = field(default_factory=dict)
    mail: MailServer | None = None
    _service: RunningService = field(init=False)
    _worker: Command | None = None
    _database: Server | None = None
    _broker: Broker | None = None
    _is_over: threading.Event = field(default_factory=threading.Event)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part.API,) if self.mode is Mode.EMBEDDED else tuple(Part)

    @property
    def service(self) -> RunningService:
        """The one that was started last."""
        return self._service

    def start(self) -> None:
        """Start what answers and what works."""
        self.start_again(Part.API)
        if self.mode is Mode.PRODUCTION:
            self.start_again(Part.WORKER)

    def kill(self, part: Part) -> None:
        """kill -9 of one part."""
        kills: Mapping[Part, Callable[[], None]] = {
            Part.API: self._kill_service,
            Part.WORKER: self._kill_worker,
            Part.DATABASE: lambda: _present(self._database).kill(),
            Part.BROKER: lambda: _present(self._broker).kill(),
        }
        kills[part]()

    def start_again(self, part: Part) -> None:
        """Start a part over what it left behind."""
        match part:
            case Part.API:
                self._service = start_service(self.folder / "var", self.folder / "stderr", **self.settings)
            case Part.WORKER:
                with self._one_at_a_time:
                    self._worker = self._started_worker()
            case Part.DATABASE:
                _present(self._database).start()
            case Part.BROKER:
                _present(self._broker).start()

    def close(self) -> None:
        """End it in order."""
        self._is_over.set()
        with self._one_at_a_time:
            if self._worker is not None:
                end(self._worker)
        end(self._service.process)

    def _kill_service(self) -> None:
        self._service.kill()
        end(self._service.process)  # nobody need watch it any more

    def _kill_worker(self) -> None:
        with self._one_at_a_time:
            worker = _present(self._worker)
            worker.kill()
            end(worker)
            self._worker = None

    def _keep_up(self) -> None:
        """Start a worker again that ended by itself, as systemd would: its database may die as it starts."""
        while not self._is_over.wait(_RESTARTS_AFTER_S):
            with self._one_at_a_time:
                if not self._is_over.is_set() and self._worker is not None and self._worker.poll() is not None:
                    self._worker = self._started_worker()

    def _started_worker(self) -> Command:
        return Command(["worker", "--beat"], self._service.environment, self._service.log)


@contextmanager
def house(folder: Path, mode: Mode, **settings: object) -> Iterator[House]:
    """A running house, for as long as the block lasts; nothing of it is left running afterwards."""
    with ExitStack() as kept:
        usual = {"sscd_model": "none", "notices_per_day": 100_000, "log_level": "warning"}
        made = House(folder, mode, {**usual, **settings})
        if mode is Mode.PRODUCTION:
            made._database = kept.enter_context(postgres(survives_kill=True))
            made._broker = kept.enter_context(broker())
            made.mail = kept.enter_context(mail_server())
            made.settings |= {
                "database_url": create_database(made._database.url, "drill"),
                "broker_url": made._broker.url,
                "mail_url": made.mail.url,
            }
        made.start()
        kept.callback(made.close)
        if mode is Mode.PRODUCTION:
            threading.Thread(target=made._keep_up, daemon=True).start()
        yield made


def _present[T](part: T | None) -> T:
    assert part is not None, "the embedded mode has no such part"
    return part
