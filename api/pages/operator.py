"""How the service is: health, queues, index, storage, signer, trust, letters, settings; and who is who."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import health as process
from api.pages import letters_sent, people_known
from api.pages.page import PageActor, PageActorOrNobody, PostedForm, SignInNeeded, ThePage
from api.paging import Cursor
from api.routes import operations
from registry import health, public_ledger
from registry.access import Scope
from registry.jobs import UNFINISHED, JobKind
from registry.models import JobState

router = APIRouter(prefix="/operator")
router.include_router(people_known.router)
router.include_router(letters_sent.router)
_AT_ONCE = 50
_ANCHORS = (JobKind.STAMP, JobKind.COSIGN)


@router.get("")
def show_health(page: ThePage, actor: PageActorOrNobody) -> Response:
    """How it is; before there is an operator, how to become one."""
    service = page.service
    if actor is None:
        with service.database.reading() as session:
            is_first = page.visit.signed_in is None and not health.has_operator(session, at=page.at)
        if is_first:
            return page.show("operator/first.html.j2")
        raise SignInNeeded
    actor.require(Scope.ADMIN)
    ready = operations.readiness_of(page.request).told().said
    with service.database.reading() as session:
        return page.show(
            "operator/health.html.j2",
            ready=ready,
            queues=health.queues(session, actor, at=page.at),
            index=process.index_of(service, session),
            storage=process.storage_of(service, session),
            signer=process.signer_of(service),
            lists=process.trust_lists(service),
            vouchers=public_ledger.vouchers(session),
            signed=health.last_signed(session),
            troubles=health.troubles(session, actor, _ANCHORS),
            messages=health.messages(session, actor),
            versions=process.versions(),
            settings=service.settings,
            witnesses=service.witnesses,
        )


@router.get("/jobs")
def show_jobs(
    page: ThePage, actor: PageActor, cursor: Cursor = None, state: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """The queues, and single jobs: those that failed, or those that wait or are in hand."""
    states = UNFINISHED if state == "waiting" else (JobState.FAILED,)
    with page.service.database.reading() as session:
        queues = health.queues(session, actor, at=page.at)
        jobs = health.jobs_in(session, actor, states, before=cursor, limit=_AT_ONCE + 1)
    more = jobs[_AT_ONCE - 1].id if len(jobs) > _AT_ONCE else None
    return page.show(
        "operator/jobs.html.j2", queues=queues, jobs=jobs[:_AT_ONCE], more=more, is_waiting=state == "waiting",
        again=health.DONE_AGAIN,
    )  # fmt: skip


@router.post("/jobs/{job_id}/again")
def do_again(page: ThePage, actor: PageActor, job_id: str, _form: PostedForm) -> Response:
    with page.service.database.transaction() as session:
        job = health.do_again(session, actor, job_id, at=page.at)
    page.service.hint(job.id, job.kind)
    return page.go("/operator/jobs", told=page.gettext("It is tried again now."))


@router.post("/jobs/{job_id}/aside")
def set_aside(page: ThePage, actor: PageActor, job_id: str, _form: PostedForm) -> Response:
    with page.service.database.transaction() as session:
        health.set_aside(session, actor, job_id, at=page.at)
    return page.go("/operator/jobs", told=page.gettext("It is set aside."))


@router.get("/settings")
def show_settings(page: ThePage, actor: PageActor) -> Response:
    actor.require(Scope.ADMIN)
    settings = process.settings_of(page.service.settings)
    return page.show("operator/settings.html.j2", settings=settings)
