"""RabbitMQ as the broker: what was accepted is hinted at, done, and done though a hint was lost."""

import os
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from api.service import Service
from api.settings import Settings
from api.worker import EmbeddedWorker, make_celery, register_tasks
from registry import mail
from registry.models import Job
from tests.api.service import until
from tests.servers.lacking import not_tested
from tests.servers.rabbitmq import is_installed, rabbitmq_server


@pytest.fixture
def backend() -> str:
    """One database is enough to try a broker."""
    return "sqlite"


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    if not is_installed():
        excused = bool(os.environ.get("CLEARMARK_WITHOUT_RABBITMQ"))
        not_tested("RabbitMQ", "rabbitmq-server is missing", excused=excused)
    with rabbitmq_server() as url:
        yield url


@pytest.fixture
def worker(service: Service, broker: str) -> Iterator[Service]:
    """The service with a worker that takes all queues from RabbitMQ, and beat."""
    settings = Settings(data_dir=service.settings.data_dir, broker_url=broker)
    assert not settings.is_embedded
    celery = make_celery(settings)
    register_tasks(celery, service)
    running = EmbeddedWorker(celery, settings)
    running.start()
    yield service
    running.stop()
    celery.close()


def written(service: Service, *, is_hinted: bool) -> str:
    """A letter that waits; returns its job."""
    with service.database.transaction() as session:
        letter = mail.post(session, "ada@example.org", "Hello", "Hello, Ada.", at=service.now())
        job = session.scalars(sa.select(Job).where(Job.subject_id == letter.id)).one()
    if is_hinted:
        service.hint(job.id, job.kind)
    return job.id


def test_jobs_are_done_with_a_hint_and_without_one(worker: Service) -> None:
    for is_hinted in (True, False):
        job_id = written(worker, is_hinted=is_hinted)

        def is_done(job_id: str = job_id) -> bool:
            with worker.database.reading() as session:
                return session.get_one(Job, job_id).state == "done"

        until(is_done, timeout_s=60)
