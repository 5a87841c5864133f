"""Domains: showing that a site is a holder's, step by step."""

from http import HTTPStatus

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.forms import Form
from api.pages.page import Page, PageActor, PostedForm, ThePage
from api.problems import Problem
from api.routes import own
from api.schemas.accounts import DomainIn
from registry.access import Actor
from registry.domains import Unreachable

router = APIRouter()


@router.get("/domains")
def list_domains(page: ThePage, actor: PageActor) -> Response:
    return _domains(page, actor, page.form())


@router.post("/domains")
def claim(page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    with form.heeding():
        claimed = own.claim_domain(form.parse(DomainIn), actor, page.service)
        return page.go(f"/domains/{claimed.id}")
    return _domains(page, actor, form)


@router.get("/domains/{domain_id}")
def show_domain(domain_id: str, page: ThePage, actor: PageActor) -> Response:
    return _domain(page, actor, domain_id, page.form())


@router.post("/domains/{domain_id}/check")
def check(domain_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    """Look now; what was found stands on the page of the domain."""
    with form.heeding():
        try:
            looked_at = own.check_domain(domain_id, actor, page.service)
        except Unreachable:
            detail = page.gettext(
                "We could not ask for it: the DNS gave no answer, and the site has no such file. Try again later."
            )
            raise Problem(HTTPStatus.BAD_GATEWAY, "unreachable", detail) from None
        told = page.gettext("Found. %(domain)s answers for you.", domain=looked_at.domain)
        return page.go(f"/domains/{domain_id}", told=None if looked_at.problem else told)
    return _domain(page, actor, domain_id, form)


@router.post("/domains/{domain_id}/let-go")
def let_go(domain_id: str, page: ThePage, actor: PageActor, _form: PostedForm) -> Response:
    own.let_domain_go(domain_id, actor, page.service)
    return page.go("/domains", told=page.gettext("The domain no longer answers for you."))


def _domains(page: Page, actor: Actor, form: Form) -> Response:
    domains = own.list_domains(actor, page.service)
    return page.show("domains/list.html.j2", status=form.status, form=form, domains=domains)


def _domain(page: Page, actor: Actor, domain_id: str, form: Form) -> Response:
    domain = own.get_domain(domain_id, actor, page.service)
    return page.show("domains/domain.html.j2", status=form.status, form=form, domain=domain)
