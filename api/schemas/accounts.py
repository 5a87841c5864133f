"""People, what holders they belong to, agents, keys and domains."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from api.schemas.base import In, Short, Time
from registry.access import Basis, HolderKind, Role, Scope
from registry.domain.policy import Assurance
from registry.domains import Method

Email = Annotated[str, StringConstraints(min_length=6, max_length=320)]
# Bounded here, judged where it is hashed.
Password = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class AccountIn(In):
    """Who signs up. Without `holder` the holder is the person."""

    email: Email
    name: Name
    holder: Name | None = Field(default=None, description="Under which name works are registered.")
    kind: HolderKind = HolderKind.PERSON


class CodeIn(In):
    code: Code


class ConfirmationIn(In):
    """The code of a letter, and the password that you choose."""

    code: Code
    password: Password
    name: Name | None = Field(default=None, description="Yours, where the code is of an invitation.")


class EmailIn(In):
    email: Email


class NewPasswordIn(In):
    code: Code
    password: Password


class PasswordChangeIn(In):
    old: Password
    new: Password


class SignInIn(In):
    email: Email
    password: Password


class MembershipOut(BaseModel):
    holder_id: str
    holder: str
    role: Role
    assurance: Assurance


class AccountOut(BaseModel):
    id: str
    email: str
    name: str
    email_confirmed_at: datetime | None
    created_at: datetime
    holders: list[MembershipOut]


class SignInOut(BaseModel):
    """Send `token` as `Authorization: Bearer …`; it is shown this once."""

    token: str
    expires_at: datetime
    account: AccountOut


class MemberOut(BaseModel):
    account_id: str
    name: str
    email: str
    role: Role
    added_at: datetime


class InvitationIn(In):
    email: Email
    role: Role


class InvitationOut(BaseModel):
    id: str
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime


class RoleIn(In):
    role: Role


class NewKeyIn(In):
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope))
    name: Name | None = Field(default=None, description="What it is for.")
    expires_at: Time | None = Field(default=None, description="At the latest when the key ends that makes it.")


class RotationIn(In):
    overlap_s: Annotated[int, Field(ge=0, le=90 * 86400)] = Field(
        default=86400, description="How long the old key still works, in seconds."
    )


class ApiKeyOut(BaseModel):
    id: str
    name: str | None
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None = Field(description="When it was last used, to some minutes.")
    made_by: str | None = Field(description="The account or key that made it, and with which it ends.")


class AgentIn(In):
    agent_id: Short = Field(description="The holder who may act for you.")
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope))
    valid_until: Time | None = None


class AgencyOut(BaseModel):
    id: str
    agent_id: str
    principal_id: str
    scopes: list[Scope]
    basis: Basis = Field(description="On whose word it stands.")
    granted_at: datetime
    valid_until: datetime | None


class RepresentedIn(In):
    """A holder whom you represent and who has nobody here."""

    name: Name
    kind: HolderKind = HolderKind.PERSON


class DomainIn(In):
    domain: Annotated[str, StringConstraints(min_length=4, max_length=253)]


class ToPublish(BaseModel):
    """Put the text in one of these places."""

    text: str
    dns_name: str = Field(description="As a TXT record of this name.")
    file_url: str = Field(description="As a line of this file.")


class DomainOut(BaseModel):
    id: str
    domain: str
    to_publish: ToPublish
    verified_at: datetime | None
    method: Method | None
    checked_at: datetime | None
    problem: str | None
    lapsed_at: datetime | None = Field(description="Since when it no longer counts: the text was gone too long.")
    created_at: datetime


class AssuranceIn(In):
    assurance: Assurance
    note: Short = Field(description="How you know who they are.")


class AssuranceChangeOut(BaseModel):
    assurance: Assurance
    cause: str
    at: datetime
    note: str | None


class LevelOut(BaseModel):
    """What a level takes, and what a match with a work of such a holder may lead to at most."""

    assurance: Assurance
    shown_by: str
    may_lead_to: str


class OwnHolderOut(BaseModel):
    id: str
    name: str
    kind: HolderKind
    assurance: Assurance
    may_lead_to: str
    history: list[AssuranceChangeOut]
    created_at: datetime
