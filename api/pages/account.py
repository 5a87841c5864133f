"""The account of who is signed in, and the holder they act for: people, agents, and how well they are known."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from api.pages.days import day_of, end_of
from api.pages.forms import Form
from api.pages.page import Page, PageActor, PostedForm, SignInNeeded, ThePage
from api.pages.sign_in import acts_for
from api.pages.visit import SignedIn
from api.routes import accounts, holders, own
from api.schemas.accounts import (
    AgentIn,
    CodeIn,
    InvitationIn,
    PasswordChangeIn,
    RepresentedIn,
    RoleIn,
    SignInIn,
)
from registry import access, agencies
from registry.access import USE_SCOPES, Actor, Role
from registry.accounts import WrongCredentials
from registry.errors import Forbidden, Invalid
from registry.models import Account

router = APIRouter()


def account_or_nobody(page: ThePage) -> Account | None:
    """The person who is signed in, whether or not it is said for which holder; None: a key, or nobody."""
    if page.visit.signed_in is None:
        return None
    with page.service.database.reading() as session:
        return access.account_of(session, page.visit.signed_in.credential, at=page.at)


PageAccountOrNobody = Annotated[Account | None, Depends(account_or_nobody)]


def account_of(account: PageAccountOrNobody) -> Account:
    """The person who is signed in. Raises: SignInNeeded."""
    if account is None:
        raise SignInNeeded
    return account


PageAccount = Annotated[Account, Depends(account_of)]


@router.get("/account")
def show_account(page: ThePage, account: PageAccountOrNobody) -> Response:
    if account is None and (page.actor is None or page.actor.ticket_sha256 is not None):
        raise SignInNeeded
    mine = holders.get_own_holder(page.actor, page.service) if page.actor is not None else None
    choices = acts_for(page)
    now = next((one for one in choices if mine is not None and one.holder.id == mine.id), None)
    return page.show("account/account.html.j2", person=account, mine=mine, now=now, choices=choices)


@router.get("/account/trust")
def show_trust(page: ThePage, actor: PageActor) -> Response:
    """How well the holder is known, what that means, and how to be known better."""
    mine = holders.get_own_holder(actor, page.service)
    return page.show("account/trust.html.j2", mine=mine, levels=holders.list_levels(page.service))


# -- the person ----------------------------------------------------------------------------------


@router.get("/account/join")
def show_join(page: ThePage, _account: PageAccount) -> Response:
    return page.show("account/join.html.j2", form=page.form())


@router.post("/account/join")
def join(page: ThePage, account: PageAccount, form: PostedForm) -> Response:
    """Join the holder that invited them, and act for it from now on."""
    with form.heeding():
        try:
            joined = accounts.join(form.parse(CodeIn), account, page.service)
        except Forbidden:
            problem = page.gettext("This invitation went to another address. Sign in with that one.")
            raise Invalid(field="code", problem=problem) from None
        told = page.gettext("You belong to %(holder)s now, and act for them from here on.", holder=joined.holder)
        answer = page.go("/account", told=told)
        assert page.visit.signed_in is not None
        now = replace(page.visit.signed_in, as_holder=joined.holder_id)
        page.cookies.sign_in(answer, now, at=page.at)
        return answer
    return page.show("account/join.html.j2", status=form.status, form=form)


@router.get("/account/password")
def show_password(page: ThePage, account: PageAccount) -> Response:
    return page.show("account/password.html.j2", form=page.form(), person=account)


@router.post("/account/password")
def change_password(page: ThePage, account: PageAccount, form: PostedForm) -> Response:
    """Change it; all sign-ins end, and this browser gets a new one."""
    with form.heeding():
        try:
            accounts.change_password(form.parse(PasswordChangeIn), page.request, account, page.service)
        except WrongCredentials:
            raise Invalid(field="old", problem=page.gettext("This is not your password.")) from None
        except Invalid as weak:
            raise Invalid(field="new", problem=weak.problem) from None
        said = SignInIn(email=account.email, password=form.get("new"))
        known = accounts.sign_in(said, page.request, page.service)
        answer = page.go("/account", told=page.gettext("Your password is changed. All other browsers are signed out."))
        before = page.visit.signed_in
        now = SignedIn(credential=known.token, as_holder=before.as_holder if before else None)
        page.cookies.sign_in(answer, now, at=page.at)
        return answer
    return page.show("account/password.html.j2", status=form.status, form=form, person=account)


@router.get("/account/forget")
def show_forget(page: ThePage, account: PageAccount) -> Response:
    """What being forgotten means, before it is done."""
    return page.show("account/forget.html.j2", form=page.form(), person=accounts.get_account(account, page.service))


@router.post("/account/forget")
def forget(page: ThePage, account: PageAccount, form: PostedForm) -> Response:
    with form.heeding():
        if form.get("sure") != "true":
            raise Invalid(field="sure", problem=page.gettext("Tick this box first: it cannot be undone."))
        accounts.forget_account(account, page.service)
        answer = page.go("/", told=page.gettext("You are forgotten. Nothing here names you any more."))
        page.cookies.sign_out(answer)
        return answer
    person = accounts.get_account(account, page.service)
    return page.show("account/forget.html.j2", status=form.status, form=form, person=person)


# -- people of the holder ------------------------------------------------------------------------


@router.get("/account/members")
def show_members(page: ThePage, actor: PageActor) -> Response:
    return _members(page, actor, page.form())


@router.post("/account/invitations")
def invite(page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    with form.heeding():
        accounts.invite(form.parse(InvitationIn), actor, page.service)
        told = page.gettext("A letter to %(email)s is on its way.", email=form.get("email"))
        return page.go("/account/members", told=told)
    return _members(page, actor, form)


@router.post("/account/invitations/{invitation_id}/withdraw")
def withdraw_invitation(invitation_id: str, page: ThePage, actor: PageActor, _form: PostedForm) -> Response:
    accounts.withdraw_invitation(invitation_id, actor, page.service)
    return page.go("/account/members", told=page.gettext("The invitation is taken back; its code opens nothing."))


@router.post("/account/members/{account_id}")
def give_role(account_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    with form.heeding():
        accounts.give_role(account_id, form.parse(RoleIn), actor, page.service)
        return page.go("/account/members", told=page.gettext("The role is changed."))
    return _members(page, actor, form)


@router.post("/account/members/{account_id}/let-go")
def let_go(account_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    with form.heeding():
        accounts.let_go(account_id, actor, page.service)
        if account_id == actor.account_id:
            return page.go("/account", told=page.gettext("You no longer belong to them."))
        return page.go("/account/members", told=page.gettext("They no longer belong to you."))
    return _members(page, actor, form)


def _members(page: Page, actor: Actor, form: Form) -> Response:
    members = accounts.list_members(actor, page.service)
    invited = accounts.list_invitations(actor, page.service)
    return page.show(
        "account/members.html.j2", status=form.status, form=form, members=members, invited=invited, roles=list(Role)
    )


# -- agents --------------------------------------------------------------------------------------


@router.get("/account/agents")
def show_agents(page: ThePage, actor: PageActor) -> Response:
    return _agents(page, actor, page.form())


@router.post("/account/agents")
def appoint(page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    """Let a holder act for one's own, named by their id or name."""
    with form.heeding():
        day = day_of(form.get("valid_until"), field="valid_until")
        wanted = form.parse(AgentIn, valid_until=end_of(day).isoformat() if day else None)
        with page.service.database.reading() as session:
            agent = agencies.called(session, wanted.agent_id)
        own.appoint_agent(wanted.model_copy(update={"agent_id": agent.id}), actor, page.service)
        told = page.gettext("%(agent)s may act for you from now on.", agent=agent.name)
        return page.go("/account/agents", told=told)
    return _agents(page, actor, form)


@router.post("/account/agents/{agency_id}/end")
def end_agency(agency_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    with form.heeding():
        own.end_agency(agency_id, actor, page.service)
        return page.go("/account/agents", told=page.gettext("It has ended."))
    return _agents(page, actor, form)


@router.post("/account/represented")
def represent(page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    with form.heeding():
        said = form.parse(RepresentedIn)
        own.represent(said, actor, page.service)
        return page.go("/account/agents", told=page.gettext("You may act for %(name)s now.", name=said.name))
    return _agents(page, actor, form)


def _agents(page: Page, actor: Actor, form: Form) -> Response:
    known = own.list_agents(actor, page.service)
    with page.service.database.reading() as session:
        named = agencies.named(session, {one for row in known for one in (row.agent_id, row.principal_id)})
    return page.show(
        "account/agents.html.j2", status=form.status, form=form, named=named, scopes=USE_SCOPES,
        agents=[row for row in known if row.principal_id == actor.holder_id],
        principals=[row for row in known if row.agent_id == actor.holder_id],
    )  # fmt: skip
