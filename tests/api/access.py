"""Every route of the specification, who may ask it, and one of everything to ask about.

A new route is in no table: the tests that read them fail until somebody says whose it is.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from api.app import specification
from fingerprinting.document import to_document
from fingerprinting.extract import extract
from registry.access import READS, Role, Scope, find_or_add_holder, issue_key
from registry.database import Database
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Assurance
from registry.models import Account, Job, Mail, Membership
from tests import factories, media
from tests.api.conftest import HOLDER_SCOPES
from tests.api.service import RunningService, finished, ok, send, until

OPERATIONS = sorted(
    f"{method.upper()} {path}" for path, methods in specification()["paths"].items() for method in methods
)

# What needs no key: anyone may verify a file, check the ledger, and ask whether the service lives.
PUBLIC = {
    "POST /v1/verifications", "GET /v1/verifications/{verification_id}", "GET /v1/ledger/checkpoint",
    "GET /v1/verifications/{verification_id}/crjson", "GET /v1/verifications/{verification_id}/manifest",
    "GET /.well-known/c2pa-soft-binding-resolution", "GET /sbr/services/capabilities", "GET /sbr/services/status",
    "GET /sbr/services/supportedAlgorithms", "GET /sbr/matches/byBinding", "POST /sbr/matches/byBinding",
    "POST /sbr/matches/byContent", "GET /sbr/manifests/{manifest_id}",
    "GET /v1/ledger/checkpoint/timestamp", "GET /v1/ledger/key", "GET /v1/ledger/keys", "GET /v1/ledger/entries",
    "GET /v1/ledger/proof", "GET /v1/ledger/consistency",
    "GET /v1/hosted/{host}", "GET /v1/hosted/{host}/{file}", "GET /.well-known/tdmrep.json", "GET /license.xml",
    "GET /healthz", "GET /readyz", "GET /metrics", "GET /.well-known/jwks.json", "GET /v1/assurance",
    "POST /v1/accounts", "POST /v1/accounts/confirm", "POST /v1/accounts/password-reset", "POST /v1/accounts/password",
    "POST /v1/sessions", "GET /v1/oidc/login", "GET /v1/oidc/callback",
    "POST /v1/notices/{notice_id}/confirmation", "GET /v1/notices/tracks", "GET /v1/public/notices",
    "GET /v1/public/notices/{notice_id}", "GET /v1/public/transparency", "GET /v1/public/transparency.csv",
    "GET /v1/public/works", "GET /v1/public/works/{work_id}",
}  # fmt: skip
# What takes a key and does without: anybody may notify (DSA art. 16(1)).
OPTIONAL = {"POST /v1/notices"}
# What is a person's own: no key opens it, only their sign-in.
PERSONAL = {
    "GET /v1/account", "DELETE /v1/account", "POST /v1/account/password",
    "DELETE /v1/sessions/current", "POST /v1/memberships",
}  # fmt: skip
PRIVATE = [operation for operation in OPERATIONS if operation not in PUBLIC | OPTIONAL]
KEYED = [operation for operation in PRIVATE if operation not in PERSONAL]

# The scope without which an operation is forbidden, or several of which one is needed. None: any key of the holder's
# will do, and any agent's, whatever they were lent: only for what is everybody's, or is found by its id alone.
NEEDS: dict[str, Scope | tuple[Scope, ...] | None] = {
    "POST /v1/imports": Scope.WORKS_WRITE,
    "GET /v1/imports": Scope.WORKS_WRITE,
    "GET /v1/imports/{import_id}": Scope.WORKS_WRITE,
    "GET /v1/imports/{import_id}/rows": Scope.WORKS_WRITE,
    "GET /v1/exports/works.{format}": Scope.WORKS_WRITE,
    "GET /v1/exports/works.{format}/report": Scope.WORKS_WRITE,
    "POST /v1/reservations/import": Scope.WORKS_WRITE,
    "POST /v1/uploads": None,
    "PATCH /v1/uploads/{upload_id}": None,
    "DELETE /v1/uploads/{upload_id}": None,
    "GET /v1/exports/{export}": Scope.WORKS_WRITE,
    "GET /v1/exports/{export}/report": Scope.WORKS_WRITE,
    "GET /v1/feeds/reservations": None,
    "POST /v1/works": Scope.WORKS_WRITE,
    "GET /v1/works": Scope.WORKS_WRITE,
    "GET /v1/works/{work_id}": Scope.WORKS_WRITE,
    "PATCH /v1/works/{work_id}": Scope.WORKS_WRITE,
    "DELETE /v1/works/{work_id}": Scope.WORKS_WRITE,
    "POST /v1/works/{work_id}/assets": Scope.WORKS_WRITE,
    "GET /v1/assets/{asset_id}": Scope.WORKS_WRITE,
    "PUT /v1/assets/{asset_id}/exclusions": Scope.WORKS_WRITE,
    "POST /v1/assets/{asset_id}/quarantine": Scope.ADMIN,
    "GET /v1/quarantines": Scope.ADMIN,
    "GET /v1/conflicts": (Scope.WORKS_WRITE, Scope.CHECKS_WRITE, Scope.NOTICES_WRITE),
    "GET /v1/conflicts/{conflict_id}": (Scope.WORKS_WRITE, Scope.CHECKS_WRITE, Scope.NOTICES_WRITE),
    "POST /v1/conflicts/{conflict_id}/statements": Scope.WORKS_WRITE,
    "POST /v1/conflicts/{conflict_id}/appeal": Scope.WORKS_WRITE,
    "POST /v1/conflicts/{conflict_id}/decision": Scope.ADMIN,
    "GET /v1/findings": (Scope.WORKS_WRITE, Scope.CHECKS_WRITE, Scope.REVIEW, Scope.NOTICES_WRITE),
    "GET /v1/findings/{finding_id}": (Scope.WORKS_WRITE, Scope.CHECKS_WRITE, Scope.REVIEW, Scope.NOTICES_WRITE),
    "POST /v1/findings/{finding_id}/decision": Scope.REVIEW,
    "POST /v1/works/{work_id}/reservations": Scope.WORKS_WRITE,
    "GET /v1/works/{work_id}/reservations": Scope.WORKS_WRITE,
    "DELETE /v1/works/{work_id}/reservations/{reservation_id}": Scope.WORKS_WRITE,
    "POST /v1/reservations": Scope.WORKS_WRITE,
    "GET /v1/reservations": Scope.WORKS_WRITE,
    "DELETE /v1/reservations/{reservation_id}": Scope.WORKS_WRITE,
    "POST /v1/works/{work_id}/consents": Scope.WORKS_WRITE,
    "GET /v1/works/{work_id}/consents": Scope.WORKS_WRITE,
    "GET /v1/works/{work_id}/drafts": Scope.WORKS_WRITE,
    "GET /v1/consents": Scope.CHECKS_WRITE,
    "GET /v1/consents/{consent_id}": READS[Prefix.CONSENT],
    "DELETE /v1/consents/{consent_id}": Scope.WORKS_WRITE,
    "POST /v1/checks": Scope.CHECKS_WRITE,
    "GET /v1/checks": Scope.CHECKS_WRITE,
    "GET /v1/checks/{check_id}": READS[Prefix.CHECK],
    "GET /v1/checks/{check_id}/explanation": READS[Prefix.CHECK],
    "POST /v1/checks/{check_id}/decision": Scope.REVIEW,
    "POST /v1/releases": Scope.RELEASES_WRITE,
    "GET /v1/releases": Scope.RELEASES_WRITE,
    "GET /v1/releases/{release_id}": READS[Prefix.RELEASE],
    "GET /v1/releases/{release_id}/file": READS[Prefix.RELEASE],
    "GET /v1/releases/{release_id}/manifest": READS[Prefix.RELEASE],
    "GET /v1/releases/{release_id}/jsonld": READS[Prefix.RELEASE],
    "POST /v1/releases/{release_id}/revocation": (Scope.RELEASES_WRITE, Scope.REVIEW),
    "POST /v1/preferences/query": None,
    "GET /v1/preferences": None,
    "GET /v1/ledger/receipts/{subject_id}": Scope.WORKS_WRITE,  # as the record itself: `owned` asks for a reservation
    "GET /v1/notices": READS[Prefix.NOTICE],
    "GET /v1/notices/queue": Scope.REVIEW,
    "POST /v1/notices/{notice_id}/complaint": READS[Prefix.NOTICE],
    "PUT /v1/notices/{notice_id}/uploader": Scope.REVIEW,
    "GET /v1/notices/{notice_id}/letters": READS[Prefix.NOTICE],
    "GET /v1/notices/{notice_id}/pdf": Scope.REVIEW,
    "GET /v1/notices/{notice_id}/evidence": Scope.REVIEW,
    "GET /v1/notices/{notice_id}/statements-of-reasons": Scope.REVIEW,
    "GET /v1/notices/{notice_id}/lumen": Scope.REVIEW,
    "PUT /v1/notices/{notice_id}/publication": Scope.REVIEW,
    "GET /v1/misuse": Scope.REVIEW,
    "GET /v1/holders/{holder_id}/misuse": Scope.REVIEW,
    "POST /v1/holders/{holder_id}/misuse": Scope.REVIEW,
    "PUT /v1/holders/{holder_id}/trusted-flagger": Scope.ADMIN,
    "POST /v1/holders/{holder_id}/trusted-flagger/end": Scope.ADMIN,
    "GET /v1/letters": Scope.REVIEW,
    "GET /v1/letters/{name}/preview": Scope.REVIEW,
    "POST /v1/letters/bounces": Scope.REVIEW,
    "POST /v1/letters/{mail_id}/again": Scope.REVIEW,
    "GET /v1/notices/{notice_id}": READS[Prefix.NOTICE],
    "POST /v1/notices/{notice_id}/transitions": READS[Prefix.NOTICE],
    "POST /v1/notices/{notice_id}/counter-notice": READS[Prefix.NOTICE],
    "GET /v1/webhooks/endpoint": Scope.WEBHOOKS_WRITE,
    "PUT /v1/webhooks/endpoint": Scope.WEBHOOKS_WRITE,
    "DELETE /v1/webhooks/endpoint": Scope.WEBHOOKS_WRITE,
    "POST /v1/webhooks/endpoint/rotate": Scope.WEBHOOKS_WRITE,
    "POST /v1/webhooks/endpoint/test": Scope.WEBHOOKS_WRITE,
    "GET /v1/webhooks/messages": Scope.WEBHOOKS_WRITE,
    "GET /v1/webhooks/messages/{message_id}": Scope.WEBHOOKS_WRITE,
    "POST /v1/webhooks/messages/{message_id}/replay": Scope.WEBHOOKS_WRITE,
    "POST /v1/negatives": Scope.ADMIN,
    "GET /v1/negatives": Scope.ADMIN,
    "GET /v1/negatives/{negative_id}": Scope.ADMIN,
    "DELETE /v1/negatives/{negative_id}": Scope.ADMIN,
    "GET /v1/holders": Scope.ADMIN,
    "POST /v1/holders": Scope.HOLDER_WRITE,
    "PUT /v1/holders/{holder_id}/assurance": Scope.ADMIN,
    "POST /v1/accounts/{account_id}/disable": Scope.ADMIN,
    "GET /v1/holder": None,
    "GET /v1/keys": Scope.HOLDER_WRITE,
    "POST /v1/keys": Scope.HOLDER_WRITE,
    "POST /v1/keys/{key_id}/rotation": Scope.HOLDER_WRITE,
    "DELETE /v1/keys/{key_id}": Scope.HOLDER_WRITE,
    "GET /v1/agents": Scope.HOLDER_WRITE,
    "POST /v1/agents": Scope.HOLDER_WRITE,
    "DELETE /v1/agents/{agency_id}": Scope.HOLDER_WRITE,
    "GET /v1/domains": Scope.HOLDER_WRITE,
    "POST /v1/domains": Scope.HOLDER_WRITE,
    "GET /v1/domains/{domain_id}": Scope.HOLDER_WRITE,
    "POST /v1/domains/{domain_id}/check": Scope.HOLDER_WRITE,
    "DELETE /v1/domains/{domain_id}": Scope.HOLDER_WRITE,
    "GET /v1/members": Scope.HOLDER_WRITE,
    "POST /v1/invitations": Scope.HOLDER_WRITE,
    "GET /v1/invitations": Scope.HOLDER_WRITE,
    "DELETE /v1/invitations/{invitation_id}": Scope.HOLDER_WRITE,
    "PUT /v1/members/{account_id}": Scope.HOLDER_WRITE,
    "DELETE /v1/members/{account_id}": Scope.HOLDER_WRITE,
    "PUT /v1/holders/{holder_id}/thresholds": Scope.ADMIN,
    "DELETE /v1/holders/{holder_id}/thresholds": Scope.ADMIN,
}


def needed(operation: str) -> tuple[Scope, ...]:
    """The scopes of which an operation needs one; none, where any key will do."""
    needed = NEEDS[operation]
    return needed if isinstance(needed, tuple) else (needed,) if needed is not None else ()


# What takes a file alone: the file, and the fields beside it.
FORMS = {
    "POST /v1/imports": (b"title,kind\nMore,clip\n", {}),
    "POST /v1/reservations/import": (b"tdm-reservation: 1\n", {"kind": "headers", "location": "studio.example"}),
}
# What an upload needs, whatever is done with it.
_TUS = {
    "Tus-Resumable": "1.0.0", "Upload-Length": "1", "Upload-Offset": "0",
    "Content-Type": "application/offset+octet-stream",
}  # fmt: skip


# Where its owner sees each thing, by the specification's name for its id: alone, or in a list.
SEEN = {
    "account_id": "GET /v1/members", "agency_id": "GET /v1/agents", "asset_id": "GET /v1/assets/{asset_id}",
    "check_id": "GET /v1/checks/{check_id}", "conflict_id": "GET /v1/conflicts/{conflict_id}",
    "consent_id": "GET /v1/consents/{consent_id}", "domain_id": "GET /v1/domains/{domain_id}",
    "finding_id": "GET /v1/findings/{finding_id}", "import_id": "GET /v1/imports/{import_id}",
    "invitation_id": "GET /v1/invitations", "key_id": "GET /v1/keys",
    "message_id": "GET /v1/webhooks/messages/{message_id}", "notice_id": "GET /v1/notices/{notice_id}",
    "release_id": "GET /v1/releases/{release_id}", "reservation_id": "GET /v1/works/{work_id}/reservations",
    "subject_id": "GET /v1/ledger/receipts/{subject_id}", "upload_id": "HEAD /v1/uploads/{upload_id}",
    "work_id": "GET /v1/works/{work_id}",
}  # fmt: skip
# The same of what is the operator's alone to see.
SEEN_BY_THE_OPERATOR = {"holder_id": "GET /v1/holders", "negative_id": "GET /v1/negatives/{negative_id}"}


@dataclass(frozen=True, slots=True)
class Owned:
    """One of everything, all a single holder's: ids by the specification's names, and bodies that fit.

    Attributes:
        keys: keys of the owner's, by the scopes that each lacks; the one that lacks none is the owner's own.
    """

    ids: dict[str, str]
    bodies: dict[str, dict[str, Any]]
    keys: dict[tuple[Scope, ...], str]

    def nowhere(self) -> "Owned":
        """The same of things that there are not."""
        return Owned({name: value[:4] + "0" * 32 for name, value in self.ids.items()}, self.bodies, self.keys)

    def require_there(self, owner: httpx.Client, operator: httpx.Client, operation: str) -> None:
        """Fail where what an operation is about is not there even for its owner: a stranger's 404 would say little."""
        for name in re.findall(r"\{(\w+_id)\}", operation):
            method, path = (SEEN | SEEN_BY_THE_OPERATOR)[name].split(" ")
            client = operator if name in SEEN_BY_THE_OPERATOR else owner
            answer = client.request(method, path.format(**self.ids), headers={"Tus-Resumable": "1.0.0"})
            assert answer.status_code == httpx.codes.OK, f"{name}: {answer.status_code} {answer.text[:300]}"
            assert method == "HEAD" or self.ids[name] in answer.text, name

    def request(self, client: httpx.Client, operation: str) -> httpx.Response:
        method, path = operation.split(" ")
        path = path.format(**self.ids)
        if operation in FORMS:
            file, fields = FORMS[operation]
            return client.request(method, path, files={"file": file}, data=fields)
        if path.startswith("/v1/uploads"):
            return client.request(method, path, headers=_TUS)
        return client.request(method, path, json=self.bodies.get(operation))


def key_of(service: RunningService, holder: str, scopes: list[Scope]) -> str:
    """A key made in the database of the running service: quicker than a process for each of many."""
    database, at = Database(f"sqlite:///{service.data_dir / 'clearmark.db'}"), datetime.now(UTC)
    try:
        with database.transaction() as session:
            row = find_or_add_holder(session, name=holder, assurance=Assurance.VETTED, at=at)
            return issue_key(session, row, scopes, at=at).key
    finally:
        database.dispose()


_made: dict[str, Owned] = {}  # by the address of its service: two files of tests may meet at one


def one_of_everything(service: RunningService, unrelated: Path, folder: Path) -> Owned:
    """What the holder "Owner" has, made once; `unrelated` is a clip that nobody registered."""
    if service.url not in _made:
        _made[service.url] = _make(service, unrelated, folder)
    return _made[service.url]


def _make(service: RunningService, unrelated: Path, folder: Path) -> Owned:
    clip = media.moving_clip(folder / "o.mp4", seconds=8, seed=31)
    document = to_document(extract(clip).fingerprint)
    key_of_all = service.key("Owner", *HOLDER_SCOPES)
    with service.client(key_of_all) as owner, service.client(service.key("Rival", *HOLDER_SCOPES)) as rival:
        # What the owner made and then registers, a rival registers in between: it is found in what was made before
        # and fought over.
        ok(owner.post("/v1/checks", json=document))
        _registered(rival, clip)
        work, asset = _registered(owner, clip)
        [conflict] = ok(owner.get("/v1/conflicts"))["items"]
        [finding] = until(lambda: ok(owner.get("/v1/findings"))["items"])
        rival_id = ok(rival.get("/v1/holder"))["id"]
        person = ok(owner.post("/v1/works", json={"title": "Ada", "kind": "likeness"}), 201)["id"]
        consent = {"grantee_id": rival_id, "uses": "voice", "scope": "clip", "clip_sha256": "0" * 64}
        granted = ok(owner.post(f"/v1/works/{person}/consents", json=consent), 201)["id"]
        ok(owner.put("/v1/webhooks/endpoint", json={"url": "http://localhost:9/"}))  # not a public address: never asked
        message = ok(owner.post("/v1/webhooks/endpoint/test"), 202)["id"]
        reservation = {"use": "train", "value": "reserved"}
        said = ok(owner.post(f"/v1/works/{work}/reservations", json=reservation), 201)["id"]
        matched = ok(send(owner, "/v1/checks", clip))["id"]
        check = ok(send(owner, "/v1/checks", unrelated))["id"]
        release = ok(owner.post("/v1/releases", json={"check_id": check}), 201)["id"]
        notice = ok(owner.post("/v1/notices", json={"work_description": "Mine"}), 201)["id"]
        catalogue = ok(owner.post("/v1/imports", files={"file": b"title,kind\n"}), 202)["id"]
        key = ok(owner.post("/v1/keys", json={"scopes": ["works:write"]}), 201)["id"]
        agency = ok(owner.post("/v1/holders", json={"name": "An Estate"}), 201)
        domain = ok(owner.post("/v1/domains", json={"domain": "studio.example"}), 201)["id"]
        owner.post("/v1/invitations", json={"email": "bob@studio.example", "role": "owner"}).raise_for_status()
        upload = owner.post("/v1/uploads", headers=_TUS).headers["Location"].rpartition("/")[2]
        [invitation] = owner.get("/v1/invitations").json()
    with service.client(service.key("Operator", "admin")) as operator:
        stock = to_document(factories.fingerprint(3101))
        negative = ok(operator.post("/v1/negatives", json=stock, params={"title": "Stock"}), 202)["id"]
    account, letter, job = _in_its_database(service)
    bodies: dict[str, dict[str, Any]] = {
        "POST /v1/works": {"title": "More", "kind": "clip"},
        "PATCH /v1/works/{work_id}": {"title": "Other"},
        "POST /v1/works/{work_id}/assets": document,
        "PUT /v1/assets/{asset_id}/exclusions": {"intervals": [{"start_s": 0, "end_s": 1, "reason": "a logo"}]},
        "POST /v1/assets/{asset_id}/quarantine": {"decision": "release", "reason": "fine"},
        "POST /v1/works/{work_id}/consents": consent,
        "POST /v1/conflicts/{conflict_id}/statements": {"position": "mine", "text": "We made it."},
        "POST /v1/conflicts/{conflict_id}/appeal": {"position": "mine", "text": "We made it."},
        "POST /v1/conflicts/{conflict_id}/decision": {"outcome": "shared", "reason": "Both made it."},
        "POST /v1/findings/{finding_id}/decision": {"decision": "dismiss", "reason": "A parody."},
        "PUT /v1/holders/{holder_id}/thresholds": {"review_matched_s": 2, "block_matched_s": 3},
        "PUT /v1/webhooks/endpoint": {"url": "https://studio.example/hooks"},
        "POST /v1/negatives": document,
        "POST /v1/works/{work_id}/reservations": reservation,
        "POST /v1/reservations": {**reservation, "scope": "catalogue"},
        "POST /v1/checks": document,
        "POST /v1/checks/{check_id}/decision": {"decision": "approve", "reason": "fine"},
        # Who may is asked for a reason: the release stays one that can be watched.
        "POST /v1/releases/{release_id}/revocation": {"revocation": "mistake", "reason": " "},
        "POST /v1/releases": {"check_id": check},
        "POST /v1/preferences/query": {"items": [{"work_id": work}]},
        "POST /v1/keys": {"scopes": ["works:write"]},
        "POST /v1/holders": {"name": "Another Estate"},
        "POST /v1/agents": {"agent_id": agency["principal_id"], "scopes": ["works:write"]},
        "POST /v1/domains": {"domain": "more.example"},
        "POST /v1/invitations": {"email": "ada@studio.example", "role": "editor"},
        "PUT /v1/members/{account_id}": {"role": "editor"},
        "PUT /v1/holders/{holder_id}/assurance": {"assurance": "vetted", "note": "Seen."},
        "POST /v1/account/password": {"old": "x", "new": "y"},
        "POST /v1/memberships": {"code": "x"},
        "POST /v1/notices": {"work_description": "Mine"},
        "POST /v1/notices/{notice_id}/transitions": {"event": "find_valid"},
        "POST /v1/notices/{notice_id}/counter-notice": {"name": "Ada Example"},
        "POST /v1/notices/{notice_id}/complaint": {"reason": "It is not so."},
        "PUT /v1/notices/{notice_id}/uploader": {"name": "Bo", "email": "bo@maker.example"},
        "PUT /v1/notices/{notice_id}/publication": {"terms": []},
        "POST /v1/holders/{holder_id}/misuse": {"side": "claimant", "decision": "warn", "reason": "Look first."},
        "PUT /v1/holders/{holder_id}/trusted-flagger": {"basis": "Awarded."},
        "POST /v1/holders/{holder_id}/trusted-flagger/end": {"reason": "Withdrawn."},
    }
    # A holder may see of itself what is the operator's to see of all; so this one is another.
    ids = {
        "work_id": work, "asset_id": asset, "reservation_id": said, "check_id": matched, "release_id": release,
        "notice_id": notice, "negative_id": negative, "holder_id": rival_id, "subject_id": said, "import_id": catalogue,
        "format": "csv", "export": "cawg", "key_id": key, "agency_id": agency["id"], "upload_id": upload,
        "domain_id": domain, "conflict_id": conflict["id"], "finding_id": finding["id"], "consent_id": granted,
        "message_id": message, "invitation_id": invitation["id"], "account_id": account, "mail_id": letter,
        "job_id": job, "name": "escalation",
    }  # fmt: skip
    scopes = [Scope(name) for name in (*HOLDER_SCOPES, "review")]
    keys = {
        without: key_of(service, "Owner", [scope for scope in scopes if scope not in without])
        for without in {needed(operation) for operation in KEYED} - {()} | {(Scope.WORKS_WRITE,)}
    }
    return Owned(ids, bodies, keys | {(): key_of_all})


def _registered(holder: httpx.Client, clip: Path) -> tuple[str, str]:
    """A work and its asset, once it can be found."""
    work = ok(holder.post("/v1/works", json={"title": "Mine", "kind": "clip"}), 201)["id"]
    asset = ok(send(holder, f"/v1/works/{work}/assets", clip), 202)["id"]
    assert finished(holder, f"/v1/assets/{asset}")["status"] == "indexed"
    return work, asset


def _in_its_database(service: RunningService) -> tuple[str, str, str]:
    """A person of the owner's, a letter, and a job: no route makes them or tells their ids."""
    database, at = Database(f"sqlite:///{service.data_dir / 'clearmark.db'}"), datetime.now(UTC)
    try:
        with database.transaction() as session:
            holder = find_or_add_holder(session, name="Owner", assurance=Assurance.VETTED, at=at)
            account = Account(
                id=new_id(Prefix.ACCOUNT, at=at), email="eve@owner.example", name="Eve", created_at=at,
                email_confirmed_at=at,
            )  # fmt: skip
            session.add(account)
            session.flush()
            session.add(Membership(holder_id=holder.id, account_id=account.id, role=Role.EDITOR.value, added_at=at))
            letter = session.scalars(sa.select(Mail).where(Mail.recipient == "bob@studio.example")).one()
            job = session.scalars(sa.select(Job).where(Job.subject_id == letter.id)).one()
            return account.id, letter.id, job.id
    finally:
        database.dispose()
