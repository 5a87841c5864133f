"""Where personal data lies: every column of every table, and of each that may hold some, why, how long, and its end.

Decides what is personal, what a person is given of it, and how it ends. A new column belongs to one of the two lists
before tests pass. What is gathered and erased by these lists is in `registry.people_data`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """What a column may hold of a person.

    Attributes:
        purpose: why it is kept.
        kept: how long.
        is_exported: whether the person is given it; secrets, which only open something, are not.
        erased: how it ends.
    """

    purpose: str
    kept: str
    erased: str
    is_exported: bool = True


_SIGN_IN = "So that a person signs in, and is written to."
_ACCOUNT_LASTS = "As long as the account."
_WITH_ACCOUNT = "With the account: `clearmark people erase`, or by the person themselves."
_account = Personal(purpose=_SIGN_IN, kept=_ACCOUNT_LASTS, erased=_WITH_ACCOUNT)
_secret = Personal(purpose=_SIGN_IN, kept=_ACCOUNT_LASTS, erased=_WITH_ACCOUNT, is_exported=False)
_acted = Personal(
    purpose="Who did it, by an id: decisions can be contested, so who made them must be known.",
    kept="As long as the record.",
    erased="The id stays; the account behind it names nobody once it is erased.",
)
_mail = Personal(
    purpose="To write a letter, and to know what became of it.",
    kept="The text until it is sent; to whom, as long as the notice that it is about, or the account.",
    erased="With the account, or with the notice.",
)
_code = Personal(
    purpose="So that who reads an address can show it.",
    kept="Until the code expires: a day, or two weeks for an invitation.",
    erased="By housekeeping, and with the account.",
)
_notice = Personal(
    purpose="A takedown claim must name who makes it (17 U.S.C. 512(c)(3), DSA art. 16(2)).",
    kept="CLEARMARK_KEEP_NOTICES_DAYS after it is over.",
    erased="By housekeeping then, or by `clearmark ledger forget` once it is over.",
)
_ticket = Personal(purpose=_notice.purpose, kept=_notice.kept, erased=_notice.erased, is_exported=False)
_declared = Personal(
    purpose="What a holder said of a work, on which others rely.",
    kept="As long as it is in force, and on record afterwards.",
    erased="`clearmark ledger forget`, once it is withdrawn; with the account where the holder is that person alone.",
)
_holder = Personal(
    purpose="Who answers for works and claims; it may be a person's name.",
    kept="As long as the holder has somebody.",
    erased="With the account of the last person who belongs to it.",
)
_asked = Personal(
    purpose="What an asker said of a clip, to be weighed with it; it may name persons.",
    kept="As long as the check.",
    erased="`clearmark ledger forget`, once the check has expired.",
)
_reason = Personal(
    purpose="Why it was decided so: free text, which may speak of a person.",
    kept="As long as the record.",
    erased="`clearmark ledger forget` of the record.",
)
_verified = Personal(
    purpose="To give the same answer again; a file's own credentials may name persons.",
    kept="30 days.",
    erased="By housekeeping.",
)
_message = Personal(
    purpose="What a holder is told by webhook.",
    kept="30 days after it was sent or given up.",
    erased="By housekeeping.",
)
_consent = Personal(
    purpose="What a person allows of themselves, to whom, until when.",
    kept="As long as clips may rest on it.",
    erased="`clearmark ledger forget` of the work that the person is registered as.",
)
_manifest = Personal(
    purpose="The credentials in a signed file, so that stripped copies get theirs back.",
    kept="As long as the release is known.",
    erased="It is public in the file; it stays.",
)

PERSONAL: Final[Mapping[str, Personal]] = {
    f"{table}.{column}": what
    for table, columns, what in (
        ("accounts", "id email name created_at email_confirmed_at disabled_at", _account),
        ("accounts", "password_hash", _secret),
        ("identities", "issuer subject account_id added_at", _account),
        ("memberships", "account_id role added_at", _account),
        ("sign_ins", "account_id created_at expires_at ended_at", _account),
        ("sign_ins", "secret_sha256", _secret),
        ("api_keys", "name made_by created_at used_at", _account),
        ("api_keys", "secret_sha256", _secret),
        ("letters", "email account_id said", _code),
        ("letters", "code_sha256", _secret),
        ("mails", "recipient subject text html problem", _mail),
        ("holders", "name name_key search_text", _holder),
        ("assurance_changes", "note", _reason),
        ("assurance_changes", "decided_by", _acted),
        ("domains", "name proof problem", _holder),
        ("webhook_endpoints", "url problem", _holder),
        ("webhook_endpoints", "secret previous_secret", _secret),
        ("outbox", "payload last_error", _message),
        ("admin_actions", "by", _acted),
        ("admin_actions", "subject reason details", _reason),
        ("works", "title creators contributors shares alternative_titles search_text identifiers", _declared),
        ("work_identifiers", "value", _declared),
        ("assets", "label", _declared),
        ("reservations", "contact terms_url location location_host", _declared),
        ("imports", "problem", _declared),
        ("import_rows", "title reference problem note", _declared),
        ("consents", "conditions project token", _consent),
        ("conflicts", "reason", _reason),
        ("conflicts", "decided_by", _acted),
        ("conflict_statements", "text links", _declared),
        ("exclusions", "reason", _reason),
        ("negatives", "title", _reason),
        ("quarantines", "decision_reason", _reason),
        ("quarantines", "decided_by", _acted),
        ("checks", "context reasons", _asked),
        ("checks", "decision_reason", _reason),
        ("checks", "decided_by", _acted),
        ("matches", "title", _declared),
        ("findings", "reasons decision_reason", _reason),
        ("findings", "decided_by", _acted),
        ("releases", "title manifest", _manifest),
        ("releases", "revocation_reason", _reason),
        ("release_manifests", "store", _manifest),
        ("verifications", "answer", _verified),
        ("verification_manifests", "store crjson", _verified),
        ("notices", "content counter uploader public_texts signals digest", _notice),
        ("notices", "published_by", _acted),
        ("notice_events", "reason details", _notice),
        ("notice_events", "by", _acted),
        ("notice_statements", "text address", _notice),
        ("notice_tickets", "sha256", _ticket),
        ("notice_proposals", "reason details", _notice),
        ("notice_proposals", "proposed_by", _acted),
        ("notice_letters", "subject text html", _notice),
        ("strikes", "intent", _reason),
        ("misuse_decisions", "reason factors", _reason),
        ("misuse_decisions", "decided_by", _acted),
        ("trusted_flaggers", "basis ended_reason", _reason),
        ("trusted_flaggers", "granted_by", _acted),
        ("ledger_entries", "salt", Personal(
            purpose="It opens what an entry commits to, so that a record can be proved.",
            kept="As long as the record it is about.", erased="It is destroyed when the record is forgotten.",
        )),
    )
    for column in columns.split()
}  # fmt: skip

# Columns that hold nothing of a person: ids, times, numbers, hashes and closed sets.
NOT_PERSONAL: Final[Mapping[str, str]] = {
    "admin_actions": "id action at",
    "agencies": "id agent_id principal_id scopes basis granted_at valid_until revoked_at",
    "api_keys": "id holder_id prefix scopes expires_at revoked_at",
    "assets": "id work_id language status progress reason problem sha256 blob_key duration_s warnings created_at"
    " indexed_at",
    "assurance_changes": "id holder_id assurance granted_assurance cause at",
    "checks": "id holder_id status progress sha256 blob_key media_type duration_s verdict engine index_sequence"
    " timings_ms created_at finished_at expires_at decision decided_at explanation explanation_key",
    "conflict_statements": "id conflict_id holder_id position at",
    "conflicts": "id asset_id rival_asset_id appeal_of state seconds segments opened_at evidence_until closed_at"
    " outcome cause appeal_until",
    "consents": "id work_id granted_by grantee_id uses scope clip_sha256 not_before expires granted_at revoked_at",
    "descriptors": "item_number algorithm times_ms vectors",
    "domains": "id holder_id method created_at verified_at checked_at failures silences lapsed_at let_go_at",
    "drafts": "check_id work_id position uses",
    "exclusions": "id asset_id source negative_id conflict_id modality start_s end_s declared_at withdrawn_at",
    "feed_log": "sequence kind subject_id mark",
    "findings": "id look_back_id work_id asset_id check_id release_id verdict segments found_at decision decided_at"
    " disabled_release",
    "heads": "id index_sequence ledger_size feed_sequence",
    "holders": "id kind assurance granted_assurance created_at review_matched_s block_matched_s",
    "idempotency_keys": "holder_id operation key request_sha256 resource_id created_at",
    "import_rows": "import_id number outcome work_id field",
    "imports": "id holder_id format dry_run status blob_key rows_done registered known refused created_at finished_at",
    "index_log": "sequence operation corpus item_number algorithm at",
    "items": "number corpus subject_id duration_s",
    "jobs": "id kind subject_id state attempts run_at hint_at lease_until lease_owner error created_at finished_at",
    "ledger_checkpoints": "size note signed_at",
    "ledger_cosignatures": "witness_key size line at",
    "ledger_entries": "number subject_id data leaf_hash",
    "ledger_keys": "number id verifier_key handover introduced_at",
    "ledger_nodes": "level index hash",
    "ledger_timestamps": "size note verifier_key reply signature authority at",
    "letters": "id purpose holder_id role created_at expires_at used_at",
    "look_backs": "id asset_id item_number looked_at found created_at finished_at",
    "mails": "id created_at handed_over_at sent_at bounced_at",
    "matches": "check_id position work_id asset_id modality algorithm query_start_s query_end_s reference_start_s"
    " reference_end_s score policy own doubts no_weight",
    "memberships": "holder_id",
    "misuse_decisions": "id holder_id side decision until at",
    "negatives": "id added_by status reason problem sha256 blob_key duration_s created_at indexed_at removed_at",
    "notice_escalations": "notice_id deadline due_at has_passed at",
    "notice_events": "notice_id position event state actor reason_code at",
    "notice_letters": "mail_id notice_id party name version language sha256 written_at",
    "notice_proposals": "notice_id position event reason_code proposed_at",
    "notice_releases": "notice_id release_id is_named disabled_at restored_at",
    "notice_statements": "notice_id position party name version accepted_at",
    "notice_tickets": "notice_id party made_at",
    "notices": "id holder_id track state release_id check_id language tier is_address_known is_set_aside duplicate_of"
    " published_at forgotten_at created_at",
    "outbox": "id holder_id event status attempts created_at delivered_at",
    "presented_consents": "check_id position consent_id gap counts",
    "quarantines": "id asset_id matched_checks askers opened_at decision decided_at",
    "release_manifests": "release_id",
    "releases": "id holder_id check_id state media_type source_sha256 sha256 size_bytes blob_key manifest_id"
    " source_type source_type_in_file is_sidecar iscc iscc_kind iscc_body created_at disabled_at revoked_at revocation",
    "reservations": "id holder_id agent_id scope work_id asset_id use value territory declared_at valid_from"
    " valid_until withdrawn_at superseded_at",
    "rollouts": "algorithm position added begun_at completed_at retired_at",
    "sign_ins": "id",
    "strikes": "id holder_id side notice_id gravity given_at expires_at lifted_at",
    "trusted_flaggers": "id holder_id granted_at ended_at",
    "verification_manifests": "sha256 size_bytes",
    "verifications": "id sha256 manifest_sha256 created_at",
    "webhook_endpoints": "holder_id set_by previous_secret_until created_at disabled_at",
    "work_identifiers": "work_id scheme",
    "works": "id holder_id kind year policy created_at updated_at withdrawn_at review_matched_s block_matched_s"
    " shows_frames confidential",
}


def describe() -> str:
    """The columns that may hold personal data as a Markdown table: alike ones in one row."""
    lines = ["| where | why | how long | how it ends |", "|---|---|---|---|"]
    alike: dict[Personal, list[str]] = {}
    for name, what in PERSONAL.items():
        alike.setdefault(what, []).append(name)
    for what, names in alike.items():
        where = ", ".join(f"`{name}`" for name in names)
        lines.append(f"| {where} | {what.purpose} | {what.kept} | {what.erased} |")
    return "\n".join(lines) + "\n"
