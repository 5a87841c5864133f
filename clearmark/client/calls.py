"""Every call of the HTTP API, once: what is sent, and what comes of the answer. Both clients have them all.

What may be sent again carries an `Idempotency-Key` made here, the same one over all attempts of one call. Give one of
your own (`idempotency_key`) where a program that dies and starts anew must not do a thing twice.
"""

import functools
import itertools
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, cast, overload
from urllib.parse import quote

from clearmark.client import local as local_fingerprint
from clearmark.client.errors import BadAnswer, ClearmarkError, NotReady, Problem, Unknown, Unreachable
from clearmark.client.exchange import (
    LONG_S,
    QUICK_S,
    Answer,
    Flow,
    Retries,
    Send,
    Wait,
    compute,
    exchange,
    member,
    read,
    read_object,
    read_text,
)
from clearmark.client.gate import Decision, Gate, OnUnknown, judge
from clearmark.client.pieces import exchange_large
from clearmark.client.results import (
    Asset,
    Check,
    Consent,
    Import,
    ImportRow,
    LedgerEntry,
    Negative,
    Notice,
    PreferenceAnswers,
    Proof,
    Release,
    Reservation,
    Use,
    Value,
    Verification,
    WebhookEndpoint,
    WebhookMessage,
    Work,
)

if TYPE_CHECKING:
    from clearmark.client.http import AsyncClient, Client

type Source = Path | str | Mapping[str, Any]
"""A media file's path, or a fingerprint document."""

_FINISHED = {"done", "failed", "indexed", "rejected", "withdrawn"}
_FIRST_POLL_S, _LONGEST_POLL_S = 0.25, 5.0
_ASKED_TO_WAIT_S = 20.0  # within the time that a service may say nothing
# What one query may hold: the API's limit, and well below the service's limit on a body.
_MOST_ITEMS, _MOST_ITEM_BYTES = 10_000, 3 << 20


class Call[**Parameters, Result]:
    """A method of both clients: it returns its result of the one, and is awaited of the other."""

    def __init__(self, flow: Callable[Concatenate[Any, Parameters], Flow[Result]]) -> None:
        self._flow = flow

    @overload
    def __get__(self, client: "Client", owner: type) -> Callable[Parameters, Result]: ...
    @overload
    def __get__(self, client: "AsyncClient", owner: type) -> Callable[Parameters, Coroutine[Any, Any, Result]]: ...
    @overload
    def __get__(self, client: None, owner: type) -> Callable[..., Any]: ...
    def __get__(self, client: Any, owner: type) -> Callable[..., Any]:
        if client is None:
            return self._flow

        @functools.wraps(self._flow)
        def called(*arguments: Parameters.args, **more: Parameters.kwargs) -> Any:
            return client.run(self._flow(client, *arguments, **more))

        return called


@dataclass(frozen=True, slots=True)
class Pages[Item]:
    """A list from `path` on; `cursor` names the parameter that leads to its next page."""

    path: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    cursor: str = "cursor"


class Listing[**Parameters, Item]:
    """A method of both clients that goes through a list, asking for its pages as they are needed."""

    def __init__(self, pages: Callable[Concatenate[Any, Parameters], Pages[Item]]) -> None:
        self._pages = pages

    @overload
    def __get__(self, client: "Client", owner: type) -> Callable[Parameters, Iterator[Item]]: ...
    @overload
    def __get__(self, client: "AsyncClient", owner: type) -> Callable[Parameters, AsyncIterator[Item]]: ...
    @overload
    def __get__(self, client: None, owner: type) -> Callable[..., Any]: ...
    def __get__(self, client: Any, owner: type) -> Callable[..., Any]:
        if client is None:
            return self._pages

        @functools.wraps(self._pages)
        def called(*arguments: Parameters.args, **more: Parameters.kwargs) -> Any:
            return client.iterate(self._pages(client, *arguments, **more))

        return called


class Calls:
    """The calls; what their arguments are called, the API calls them too, and `**said` goes into the body as it is."""

    def __init__(self, retries: Retries, now_s: Callable[[], float] = time.monotonic) -> None:
        self._retries = retries
        self._now_s = now_s

    # -- works ---------------------------------------------------------------------------------

    @Call
    def register_work(
        self, /, *, title: str, kind: str = "clip", idempotency_key: str | None = None, **said: Any
    ) -> Flow[Work]:
        """Enter a work: `policy`, `identifiers`, `creators`, `year`, `reservations`, …"""
        body = {"title": title, "kind": kind, **said}
        return (yield from self._object(_post("/v1/works", body, key=_key(idempotency_key)), Work))

    @Call
    def get_work(self, work_id: str) -> Flow[Work]:
        return (yield from self._object(_get(_at("works", work_id)), Work))

    @Listing
    def works(self) -> Pages[Work]:
        """Your own works, oldest first."""
        return Pages("/v1/works")

    @Call
    def change_work(self, /, work_id: str, **changes: Any) -> Flow[Work]:
        return (yield from self._object(Send(method="PATCH", path=_at("works", work_id), body=changes), Work))

    @Call
    def withdraw_work(self, work_id: str) -> Flow[None]:
        """Take a work back: it is no longer found, and its media is deleted."""
        yield from self._ask(_delete(_at("works", work_id)))

    # -- assets --------------------------------------------------------------------------------

    @Call
    def add_asset(
        self,
        work_id: str,
        source: Source,
        *,
        local: bool = False,
        wait: float | None = None,
        progress: Callable[[float], None] | None = None,
        idempotency_key: str | None = None,
    ) -> Flow[Asset]:
        """Add a file to a work and wait until it is indexed or rejected.

        Args:
            local: fingerprint the file here; it never leaves this machine.
            wait: at most so many seconds once it was received; None waits as long as it takes, 0 not at all.
        """
        sent = yield from self._submission(_at("works", work_id, "assets"), source, local=local, is_query=False)
        accepted = yield from self._object(replace(sent, key=_key(idempotency_key)), Asset)
        return (yield from self._finished("assets", accepted, wait, progress))

    @Call
    def get_asset(self, asset_id: str) -> Flow[Asset]:
        return (yield from self._object(_get(_at("assets", asset_id)), Asset))

    @Call
    def exclude(self, asset_id: str, intervals: Sequence[Mapping[str, Any]]) -> Flow[Asset]:
        """Say which stretches of an asset do not count, all at once: `start_s`, `end_s`, `reason`."""
        path = _at("assets", asset_id, "exclusions")
        return (yield from self._object(Send(method="PUT", path=path, body={"intervals": list(intervals)}), Asset))

    # -- reservations --------------------------------------------------------------------------

    @Call
    def reserve(self, /, use: Use, value: Value, *, work_id: str | None = None, **said: Any) -> Flow[Reservation]:
        """Say what holds for a use: of a work, or with `scope` of an asset, a `location` or the whole catalogue.

        It cannot be sent twice unnoticed, so it is not repeated when no answer comes: look at `reservations`.
        """
        path = _at("works", work_id, "reservations") if work_id else "/v1/reservations"
        return (yield from self._object(_post(path, {"use": use, "value": value, **said}), Reservation))

    @Listing
    def reservations(self, *, work_id: str | None = None, at: str | None = None) -> Pages[Reservation]:
        """All that you said; or about one work, all ever or what was in force at a time."""
        path = _at("works", work_id, "reservations") if work_id else "/v1/reservations"
        return Pages(path, _given(at=at))

    @Call
    def withdraw_reservation(self, reservation_id: str) -> Flow[None]:
        yield from self._ask(_delete(_at("reservations", reservation_id)))

    @Call
    def import_reservations(
        self,
        path: Path | str,
        *,
        kind: str,
        work_id: str | None = None,
        asset_id: str | None = None,
        location: str | None = None,
        dry_run: bool = False,
    ) -> Flow[dict[str, Any]]:
        """Put on record what a site's file, headers, a document or a media file's manifest say of one of these."""
        about = _given(work_id=work_id, asset_id=asset_id, location=location)
        fields = {"kind": kind, "dry_run": str(dry_run).lower(), **about}
        sent = Send(method="POST", path="/v1/reservations/import", file=Path(path), fields=fields, wait_s=LONG_S)
        return (yield from self._object(sent, dict))

    @Call
    def export_reservations(
        self, format: str, *, work_id: str | None = None, host: str | None = None
    ) -> Flow[dict[str, Any]]:
        """What you say in a format of the field: `text`, and in `left_out` what it cannot say."""
        path = _at("exports", format, "report")
        return (yield from self._object(_get(path, **_given(work_id=work_id, host=host)), dict))

    # -- preferences ---------------------------------------------------------------------------

    @Call
    def preferences(
        self,
        items: Iterable[Mapping[str, str]],
        *,
        uses: Sequence[Use] | None = None,
        at: str | None = None,
        territory: str | None = None,
        details: bool = False,
    ) -> Flow[PreferenceAnswers]:
        """What holders said of works, files and web locations, any number of them, in their order.

        Args:
            items: each one of `work_id`, `asset_id`, `sha256`, `iscc` or `url`.
            at: as of then (RFC 3339); now, when it is left out, and the same now for all of them.
        """
        told: PreferenceAnswers = {"at": at or "", "items": [], "declarations": {} if details else None}
        for some in _batches(items):
            body = {"items": some, "details": details, **_given(uses=uses, at=told["at"] or None, territory=territory)}
            found = yield from self._object(_post("/v1/preferences/query", body, is_question=True, wait_s=LONG_S), dict)
            answers = found.get("items")
            if not isinstance(answers, list) or len(answers) != len(some):
                raise BadAnswer(f"{len(some)} items were asked about, and not as many answered.")
            told["at"] = member(found, "at")
            told["items"] += answers
            if told["declarations"] is not None:
                told["declarations"] |= found.get("declarations") or {}
        return told

    # -- consents ------------------------------------------------------------------------------

    @Call
    def grant_consent(self, /, work_id: str, *, idempotency_key: str | None = None, **said: Any) -> Flow[Consent]:
        """Let a pipeline use a person's likeness or voice: `grantee_id`, `uses`, `scope`, …; `token` comes back."""
        sent = _post(_at("works", work_id, "consents"), said, key=_key(idempotency_key))
        return (yield from self._object(sent, Consent))

    @Listing
    def consents(self, work_id: str | None = None) -> Pages[Consent]:
        """All consents given to you, or by a person whom you speak for."""
        return Pages(_at("works", work_id, "consents") if work_id else "/v1/consents")

    @Call
    def revoke_consent(self, consent_id: str) -> Flow[None]:
        """Take a consent back, from this moment on."""
        yield from self._ask(_delete(_at("consents", consent_id)))

    @Listing
    def drafts(self, work_id: str) -> Pages[dict[str, Any]]:
        """Clips that were made with a person whom you speak for, as their makers say."""
        return Pages(_at("works", work_id, "drafts"))

    # -- conflicts and findings ----------------------------------------------------------------

    @Listing
    def conflicts(self, *, open: bool = True) -> Pages[dict[str, Any]]:
        """Conflicts over your works; everybody's, for the operator."""
        return Pages("/v1/conflicts", {"open": open})

    @Call
    def state_position(
        self, conflict_id: str, position: str, text: str, *, links: Sequence[str] = ()
    ) -> Flow[dict[str, Any]]:
        """Say as one side whose the material is: `mine`, `theirs` or `shared`, and where that can be seen."""
        body = {"position": position, "text": text, "links": list(links)}
        return (yield from self._object(_post(_at("conflicts", conflict_id, "statements"), body), dict))

    @Call
    def get_conflict(self, conflict_id: str) -> Flow[dict[str, Any]]:
        """Both sides, what is alike, and what they said."""
        return (yield from self._object(_get(_at("conflicts", conflict_id)), dict))

    @Call
    def decide_conflict(self, conflict_id: str, outcome: str, reason: str) -> Flow[dict[str, Any]]:
        """As the operator, say whose it is: `earlier`, `later`, `shared` or `neither`."""
        body = {"outcome": outcome, "reason": reason}
        return (yield from self._object(_post(_at("conflicts", conflict_id, "decision"), body), dict))

    @Listing
    def findings(self, *, open: bool = True) -> Pages[dict[str, Any]]:
        """Outputs of before that copy works registered after them."""
        return Pages("/v1/findings", {"open": open})

    @Call
    def get_finding(self, finding_id: str) -> Flow[dict[str, Any]]:
        return (yield from self._object(_get(_at("findings", finding_id)), dict))

    @Call
    def decide_finding(
        self, finding_id: str, decision: str, reason: str, *, disable_release: bool = False
    ) -> Flow[dict[str, Any]]:
        """As a reviewer, `uphold` or `dismiss` it; the release of one that holds can be disabled with it."""
        body = {"decision": decision, "reason": reason, "disable_release": disable_release}
        return (yield from self._object(_post(_at("findings", finding_id, "decision"), body), dict))

    @Call
    def signing_keys(self) -> Flow[dict[str, Any]]:
        """The keys that the service signs statements with, as a JWK set."""
        return (yield from self._object(_get("/.well-known/jwks.json"), dict))

    @Call
    def feed_page(self, since: int, *, limit: int = 5000) -> Flow[str]:
        """The signed page of the feed that begins after row `since`; `clearmark sync` reads and keeps it."""
        answer = yield from self._ask(_get("/v1/feeds/reservations", since=since, limit=limit))
        return answer.content.decode("latin-1")

    # -- checks --------------------------------------------------------------------------------

    @Call
    def check(
        self,
        source: Source,
        *,
        context: Mapping[str, Any] | None = None,
        local: bool = False,
        wait: float | None = None,
        progress: Callable[[float], None] | None = None,
        idempotency_key: str | None = None,
    ) -> Flow[Check]:
        """Ask whether a clip copies a registered work, and wait for the verdict.

        Args:
            context: kept with the check of a file: generator, model, prompt id, …
            local: fingerprint the clip here; it never leaves this machine, and cannot be released.
            wait: at most so many seconds once it was received, then `verdict` is None; None waits as long as it
                takes, 0 not at all.
        """
        return (yield from self._check(source, context, local, wait, progress, idempotency_key))

    @Call
    def gate(
        self,
        source: Source,
        *,
        on_unknown: OnUnknown = "hold",
        context: Mapping[str, Any] | None = None,
        wait: float = 300.0,
        idempotency_key: str | None = None,
    ) -> Flow[Gate]:
        """Ask whether a clip may go out. Whatever is not known, for whatever reason, is held.

        Args:
            on_unknown: `hold`, or `raise` to get the error that stands in the way; nothing lets it pass.
            wait: seconds to wait for the verdict.
        Raises:
            ClearmarkError, OSError: with `raise`, what stands in the way; `Unknown` when there is no verdict.
        """
        if on_unknown not in ("hold", "raise"):
            raise ValueError('on_unknown: "hold" or "raise"; what is not known cannot pass')
        try:
            check = yield from self._check(source, context, False, wait, None, idempotency_key)
            gate = judge(check)
        except (ClearmarkError, OSError) as error:
            if on_unknown == "raise":
                raise
            why = f"It could not be checked: {error}"
            return Gate(decision=Decision.HOLD, why=why, is_known=False, error=error)
        if on_unknown == "raise" and not gate.is_known:
            raise Unknown(gate.why, check=check)
        return gate

    @Call
    def get_check(self, check_id: str) -> Flow[Check]:
        return (yield from self._object(_get(_at("checks", check_id)), Check))

    @Listing
    def checks(self, *, awaiting_decision: bool = False) -> Pages[Check]:
        """Your own checks; or, for reviewers, everybody's that wait for a decision."""
        return Pages("/v1/checks", {"awaiting_decision": awaiting_decision})

    @Call
    def decide(self, check_id: str, decision: str, reason: str) -> Flow[Check]:
        """As a reviewer, `approve` or `reject` what the verdict left to a person."""
        body = {"decision": decision, "reason": reason}
        return (yield from self._object(_post(_at("checks", check_id, "decision"), body), Check))

    @Call
    def explanation(self, check_id: str) -> Flow[str]:
        """The page that explains a check's matches, as HTML, once its pictures are made."""
        path = _at("checks", check_id, "explanation")
        while True:
            answer = yield from self._ask(_get(path))
            if answer.status != HTTPStatus.ACCEPTED:
                return read_text(answer)
            yield Wait(_FIRST_POLL_S)

    # -- releases and verifications ------------------------------------------------------------

    @Call
    def release(self, /, check_id: str, *, idempotency_key: str | None = None, **said: Any) -> Flow[Release]:
        """Sign the file of a check: `title`, `generator`, `ai_generated`, `digital_source_type`, `training_mining`, …

        `digital_source_type` says how it was made (`compositeWithTrainedAlgorithmicMedia`, `algorithmicMedia`, …), and
        `ingredients` what went into it, each `{"relationship": "inputTo" or "componentOf"}` with a `check_id` or a
        `release_id`, and with a `title` where it has one.
        """
        body = {"check_id": check_id, **said}
        return (yield from self._object(_post("/v1/releases", body, key=_key(idempotency_key), wait_s=LONG_S), Release))

    @Call
    def get_release(self, release_id: str) -> Flow[Release]:
        return (yield from self._object(_get(_at("releases", release_id)), Release))

    @Listing
    def releases(self) -> Pages[Release]:
        return Pages("/v1/releases")

    @Call
    def revoke_release(self, release_id: str, revocation: str, reason: str) -> Flow[Release]:
        """Stand by a release no more: `mistake`, `withdrawn`, `bad_check`, `key_compromise`; for reviewers `takedown`.

        Whoever verifies it reads the reason. It cannot be undone.
        """
        body = {"revocation": revocation, "reason": reason}
        return (yield from self._object(_post(_at("releases", release_id, "revocation"), body), Release))

    @Call
    def release_manifest(self, release_id: str, target: Path | str) -> Flow[None]:
        """Write the credentials alone to `target`, a `.c2pa` file; it appears there whole, or not at all."""
        yield from self._ask(replace(_get(_at("releases", release_id, "manifest")), target=Path(target)))

    @Call
    def release_snippet(self, release_id: str) -> Flow[dict[str, Any]]:
        """What a page that shows the release says to search engines: schema.org JSON-LD."""
        return (yield from self._object(_get(_at("releases", release_id, "jsonld")), dict))

    @Call
    def download(self, release_id: str, target: Path | str) -> Flow[None]:
        """Write the signed file to `target`; it appears there whole, or not at all."""
        yield from self._ask(replace(_get(_at("releases", release_id, "file")), target=Path(target)))

    @Call
    def verify(
        self, path: Path | str, manifest: Path | str | None = None, *, recognise: bool = True
    ) -> Flow[Verification]:
        """Ask what can be said of a file; no key is needed.

        Args:
            manifest: a `.c2pa` file with the credentials that lie beside it.
            recognise: whether works and releases are looked for in what it shows; without, it is answered much sooner.
        """
        asked = Send(
            method="POST", path="/v1/verifications", parameters={"recognise": recognise}, file=Path(path),
            manifest=Path(manifest) if manifest is not None else None, is_question=True, wait_s=LONG_S,
        )  # fmt: skip
        return (yield from self._object(asked, Verification))

    @Call
    def get_verification(self, verification_id: str) -> Flow[Verification]:
        return (yield from self._object(_get(_at("verifications", verification_id)), Verification))

    @Call
    def verification_crjson(self, verification_id: str) -> Flow[dict[str, Any]]:
        """What the file said of itself, in the C2PA's own JSON, where it `has_crjson`."""
        return (yield from self._object(_get(_at("verifications", verification_id, "crjson")), dict))

    @Call
    def verification_manifest(self, verification_id: str, target: Path | str) -> Flow[None]:
        """Write the manifest store to `target` where it `has_manifest`; it appears there whole, or not at all."""
        yield from self._ask(replace(_get(_at("verifications", verification_id, "manifest")), target=Path(target)))

    # -- catalogues ----------------------------------------------------------------------------

    @Call
    def import_catalogue(
        self,
        path: Path | str,
        *,
        dry_run: bool = False,
        progress: Callable[[int], None] | None = None,
        idempotency_key: str | None = None,
    ) -> Flow[Import]:
        """Register the works of a CSV, JSON Lines or DDEX ERN file, and wait until every row was looked at."""
        sent = Send(
            method="POST", path="/v1/imports", file=Path(path), fields={"dry_run": str(dry_run).lower()},
            key=_key(idempotency_key),
        )  # fmt: skip
        accepted = yield from self._object(sent, Import)
        return (yield from self._finished("imports", accepted, None, progress, how_far="rows_done"))

    @Call
    def get_import(self, import_id: str) -> Flow[Import]:
        return (yield from self._object(_get(_at("imports", import_id)), Import))

    @Listing
    def imports(self) -> Pages[Import]:
        return Pages("/v1/imports")

    @Listing
    def import_rows(self, import_id: str, *, outcome: str | None = None) -> Pages[ImportRow]:
        """What became of each row of an import; or only of those `registered`, `known`, `refused` or `skipped`."""
        return Pages(_at("imports", import_id, "rows"), _given(outcome=outcome))

    @Call
    def export_catalogue(self, target: Path | str, format: str) -> Flow[None]:
        """Write your works to a file, as `csv` or `jsonl`; it appears whole, or not at all."""
        sent = replace(_get(_at("exports", f"works.{format}")), target=Path(target), wait_s=LONG_S)
        yield from self._ask(sent)

    # -- the ledger ----------------------------------------------------------------------------

    @Call
    def checkpoint(self) -> Flow[tuple[str, str]]:
        """The signed head of the log, and the key that signs it."""
        note = yield from self._ask(_get("/v1/ledger/checkpoint"))
        key = yield from self._ask(_get("/v1/ledger/key"))
        return read_text(note), read_text(key)

    @Call
    def cosigned_checkpoint(self, witnesses: Sequence[str]) -> Flow[str]:
        """The newest checkpoint that these witnesses, by name, have cosigned."""
        return read_text((yield from self._ask(_get("/v1/ledger/checkpoint", witness=list(witnesses)))))

    @Call
    def ledger_keys(self) -> Flow[bytes]:
        """The keys of the log, and how each introduced the next."""
        return (yield from self._ask(_get("/v1/ledger/keys"))).content

    @Listing
    def ledger_entries(self, *, start: int = 0) -> Pages[LedgerEntry]:
        return Pages("/v1/ledger/entries", {"start": start, "limit": 1000}, cursor="start")

    @Call
    def proof(self, number: int) -> Flow[Proof]:
        """The proof that entry `number` stands in the log."""
        return (yield from self._object(_get("/v1/ledger/proof", number=number), Proof))

    @Call
    def consistency(self, old: int, new: int) -> Flow[list[bytes]]:
        """The proof that the log of size `new` only adds to that of size `old`."""
        answer = yield from self._ask(_get("/v1/ledger/consistency", **{"from": old, "to": new}))
        try:
            return [bytes.fromhex(value) for value in read(answer)]
        except (ValueError, TypeError):
            raise BadAnswer("The answer is not a list of hashes.") from None

    @Call
    def receipt(self, subject_id: str) -> Flow[bytes]:
        """The file that proves what a record of yours says; `clearmark ledger prove` reads it."""
        return (yield from self._ask(_get(_at("ledger", "receipts", subject_id)))).content

    # -- takedown ------------------------------------------------------------------------------

    @Call
    def file_notice(self, /, *, idempotency_key: str | None = None, **said: Any) -> Flow[Notice]:
        """File a takedown notice; what is `missing` is told, element by element."""
        return (yield from self._object(_post("/v1/notices", said, key=_key(idempotency_key)), Notice))

    @Call
    def get_notice(self, notice_id: str) -> Flow[Notice]:
        return (yield from self._object(_get(_at("notices", notice_id)), Notice))

    @Listing
    def notices(self, *, state: str | None = None, track: str | None = None) -> Pages[Notice]:
        """Your own and those about your releases, oldest first; everybody's, for reviewers."""
        return Pages("/v1/notices", _given(state=state, track=track))

    @Call
    def notice_tracks(self) -> Flow[list[dict[str, Any]]]:
        """What each track of law asks for: its elements, its statements in full, its reasons."""
        return (yield from self._list(_get("/v1/notices/tracks")))

    @Call
    def notice_queue(self, *, limit: int = 200, offset: int = 0) -> Flow[dict[str, Any]]:
        """As a reviewer, some of those that wait for one, the most urgent first: `items`, and `total` of how many."""
        return (yield from self._object(_get("/v1/notices/queue", limit=limit, offset=offset), dict[str, Any]))

    @Call
    def confirm_notice(self, notice_id: str, code: str) -> Flow[Notice]:
        """Show by the code of a letter that you read the address of a notice filed without a key.

        The answer holds `ticket`, this once: give it as the key of a client to see the notice and act on it.
        """
        return (yield from self._object(_post(_at("notices", notice_id, "confirmation"), {"code": code}), Notice))

    @Call
    def act_on_notice(
        self,
        /,
        notice_id: str,
        event: str,
        *,
        reason: str | None = None,
        supplied: Mapping[str, Any] | None = None,
        **judged: Any,
    ) -> Flow[Notice]:
        """Take one of the notice's `possible_events`; with `cure`, `supplied` is what was missing.

        A reviewer's decision also takes `reason_code` (of the track's list), `fair_use`, `legal_ground`, `explanation`,
        `territory`, `gravity`, `intent`, and `for_duplicates=True` for the open duplicates as well. Where the operator
        wants two reviewers, the first one's comes back with `awaits_second_reviewer`, and nothing has happened yet.
        """
        body = {"event": event, **_given(reason=reason, supplied=supplied, **judged)}
        return (yield from self._object(_post(_at("notices", notice_id, "transitions"), body), Notice))

    @Call
    def counter_notice(self, /, notice_id: str, **said: Any) -> Flow[Notice]:
        return (yield from self._object(_post(_at("notices", notice_id, "counter-notice"), said), Notice))

    @Call
    def complain(self, notice_id: str, reason: str) -> Flow[Notice]:
        """Have what was decided against you looked at again, once, by somebody else than who decided it."""
        return (yield from self._object(_post(_at("notices", notice_id, "complaint"), {"reason": reason}), Notice))

    @Call
    def set_notice_uploader(self, notice_id: str, name: str, email: str, language: str = "en") -> Flow[Notice]:
        """As a reviewer, say whom to write to about material that no holder here released."""
        body = {"name": name, "email": email, "language": language}
        sent = Send(method="PUT", path=_at("notices", notice_id, "uploader"), body=body)
        return (yield from self._object(sent, Notice))

    @Call
    def notice_letters(self, notice_id: str) -> Flow[list[dict[str, Any]]]:
        """What was written about a notice: to you, or for reviewers to anybody."""
        return (yield from self._list(_get(_at("notices", notice_id, "letters"))))

    @Call
    def notice_pdf(self, notice_id: str, target: Path | str) -> Flow[None]:
        """As a reviewer, write the notice with its evidence to `target`, a PDF; it appears there whole, or not."""
        yield from self._ask(replace(_get(_at("notices", notice_id, "pdf")), target=Path(target), wait_s=LONG_S))

    @Call
    def evidence(self, notice_id: str, target: Path | str) -> Flow[None]:
        """Write the notice's evidence bundle to `target`, whole; `clearmark evidence verify` reads it."""
        yield from self._ask(replace(_get(_at("notices", notice_id, "evidence")), target=Path(target)))

    @Call
    def publish_notice(self, /, notice_id: str, **said: Any) -> Flow[Notice]:
        """As a reviewer, let anybody read the texts of a notice, redacted by rule and of your `terms`.

        `publish_texts`, `publish_material`: what of it, all when left out; `publish_claimant`: also an organisation's
        name. `public_notice` then says what anybody reads.
        """
        sent = Send(method="PUT", path=_at("notices", notice_id, "publication"), body=said)
        return (yield from self._object(sent, Notice))

    @Call
    def statements_of_reasons(self, notice_id: str) -> Flow[list[dict[str, Any]]]:
        """As a reviewer, one for each time that it disabled something, as the DSA Transparency Database takes it."""
        return (yield from self._list(_get(_at("notices", notice_id, "statements-of-reasons"))))

    @Call
    def lumen_notice(self, notice_id: str) -> Flow[dict[str, Any]]:
        """As a reviewer, the public copy of a published notice in the fields of the Lumen database."""
        return (yield from self._object(_get(_at("notices", notice_id, "lumen")), dict))

    @Listing
    def public_notices(
        self,
        *,
        q: str | None = None,
        track: str | None = None,
        state: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> Pages[dict[str, Any]]:
        """Notices as anybody may read them, oldest first; no key is needed.

        Args:
            q: words of what was published, or the id of a notice.
            since: received then or later (RFC 3339).
            until: received before then.
        """
        return Pages("/v1/public/notices", _given(q=q, track=track, state=state, since=since, until=until))

    @Call
    def public_notice(self, notice_id: str) -> Flow[dict[str, Any]]:
        return (yield from self._object(_get(_at("public", "notices", notice_id)), dict))

    @Call
    def transparency(self, since: str | None = None, until: str | None = None) -> Flow[dict[str, Any]]:
        """The figures of a period, both days within it (`2026-01-31`): the last year, when left out. Without a key."""
        return (yield from self._object(_get("/v1/public/transparency", **_given(since=since, until=until)), dict))

    @Call
    def transparency_csv(self, target: Path | str, since: str | None = None, until: str | None = None) -> Flow[None]:
        """Write the same to `target`, one figure a line; it appears there whole, or not at all."""
        asked = _get("/v1/public/transparency.csv", **_given(since=since, until=until))
        yield from self._ask(replace(asked, target=Path(target)))

    # -- misuse of notices and letters about them: for reviewers ---------------------------------

    @Call
    def misuse_to_consider(self) -> Flow[list[dict[str, Any]]]:
        """Holders with so many strikes that a suspension should be thought of."""
        return (yield from self._list(_get("/v1/misuse")))

    @Call
    def misuse(self, holder_id: str) -> Flow[dict[str, Any]]:
        """What counts against a holder and what was decided: any, or without the scope `review` your own."""
        return (yield from self._object(_get(_at("holders", holder_id, "misuse")), dict))

    @Call
    def decide_misuse(
        self, holder_id: str, *, side: str, decision: str, reason: str, until: str | None = None
    ) -> Flow[dict[str, Any]]:
        """`warn` a holder, `suspend` them until a time (RFC 3339), or `lift` that, as `claimant` or as `uploader`."""
        body = {"side": side, "decision": decision, "reason": reason, **_given(until=until)}
        return (yield from self._object(_post(_at("holders", holder_id, "misuse"), body), dict))

    @Call
    def make_trusted_flagger(self, holder_id: str, basis: str) -> Flow[dict[str, Any]]:
        """As the operator, have a holder's notices come first; `basis` says who awarded that, and when."""
        sent = Send(method="PUT", path=_at("holders", holder_id, "trusted-flagger"), body={"basis": basis})
        return (yield from self._object(sent, dict))

    @Call
    def end_trusted_flagger(self, holder_id: str, reason: str) -> Flow[dict[str, Any]]:
        path = _at("holders", holder_id, "trusted-flagger", "end")
        return (yield from self._object(_post(path, {"reason": reason}), dict))

    @Call
    def send_letter_again(self, mail_id: str) -> Flow[dict[str, Any]]:
        """Send a letter once more that failed, or of which nobody knows whether it went out."""
        return (yield from self._object(_post(_at("letters", mail_id, "again"), None), dict))

    # -- webhooks ------------------------------------------------------------------------------

    @Call
    def set_webhook(self, url: str) -> Flow[WebhookEndpoint]:
        """Be told at `url` from now on; the first time, the answer holds the `secret` that messages are signed with.

        Where that answer was lost, `rotate_webhook_secret` gives another.
        """
        sent = Send(method="PUT", path="/v1/webhooks/endpoint", body={"url": url})
        return (yield from self._object(sent, WebhookEndpoint))

    @Call
    def get_webhook(self) -> Flow[WebhookEndpoint]:
        return (yield from self._object(_get("/v1/webhooks/endpoint"), WebhookEndpoint))

    @Call
    def remove_webhook(self) -> Flow[None]:
        yield from self._ask(_delete("/v1/webhooks/endpoint"))

    @Call
    def rotate_webhook_secret(self) -> Flow[WebhookEndpoint]:
        """A new secret; for a day messages are signed with the one before as well."""
        return (yield from self._object(_post("/v1/webhooks/endpoint/rotate", None), WebhookEndpoint))

    @Call
    def test_webhook(self) -> Flow[WebhookMessage]:
        """Have a message sent that says nothing but that messages arrive."""
        return (yield from self._object(_post("/v1/webhooks/endpoint/test", None), WebhookMessage))

    @Listing
    def webhook_messages(self, *, status: str | None = None) -> Pages[WebhookMessage]:
        """Messages to you: `pending`, `delivered`, `failed`."""
        return Pages("/v1/webhooks/messages", _given(status=status))

    @Call
    def get_webhook_message(self, message_id: str) -> Flow[WebhookMessage]:
        return (yield from self._object(_get(_at("webhooks", "messages", message_id)), WebhookMessage))

    @Call
    def replay_webhook_message(self, message_id: str) -> Flow[WebhookMessage]:
        """Have a message sent now, with the id that it has: again, or before its next try is due."""
        return (yield from self._object(_post(_at("webhooks", "messages", message_id, "replay"), None), WebhookMessage))

    # -- who they are, and who acts for them -----------------------------------------------------

    @Call
    def domains(self) -> Flow[list[dict[str, Any]]]:
        """The domains that you said are yours, and whether that was shown."""
        return (yield from self._list(_get("/v1/domains")))

    @Call
    def add_domain(self, domain: str) -> Flow[dict[str, Any]]:
        """Say that a domain is yours; `to_publish` says what to put where. Then `check_domain`."""
        return (yield from self._object(_post("/v1/domains", {"domain": domain}), dict))

    @Call
    def check_domain(self, domain_id: str) -> Flow[dict[str, Any]]:
        """Have the service look now whether the text is there; `problem` says what it found instead."""
        return (yield from self._object(_post(_at("domains", domain_id, "check"), None, wait_s=LONG_S), dict))

    @Call
    def agents(self) -> Flow[list[dict[str, Any]]]:
        """Who acts for you, and for whom you act."""
        return (yield from self._list(_get("/v1/agents")))

    @Call
    def appoint_agent(
        self, agent_id: str, scopes: Sequence[str], *, valid_until: str | None = None
    ) -> Flow[dict[str, Any]]:
        """Let another holder act for you; what was agreed with them before ends."""
        body = {"agent_id": agent_id, "scopes": list(scopes), **_given(valid_until=valid_until)}
        return (yield from self._object(_post("/v1/agents", body), dict))

    @Call
    def dismiss_agent(self, agency_id: str) -> Flow[None]:
        """End at once that somebody acts for you, or you for them."""
        yield from self._ask(_delete(_at("agents", agency_id)))

    # -- for operators -------------------------------------------------------------------------

    @Call
    def add_negative(
        self,
        title: str,
        source: Source,
        *,
        local: bool = False,
        progress: Callable[[float], None] | None = None,
        idempotency_key: str | None = None,
    ) -> Flow[Negative]:
        """Add material that everybody may use to the negative bank, and wait until it is indexed or rejected."""
        sent = yield from self._submission("/v1/negatives", source, local=local, is_query=False)
        sent = replace(sent, parameters={"title": title}, key=_key(idempotency_key))
        accepted = yield from self._object(sent, Negative)
        return (yield from self._finished("negatives", accepted, None, progress))

    @Listing
    def negatives(self) -> Pages[Negative]:
        return Pages("/v1/negatives")

    @Call
    def remove_negative(self, negative_id: str) -> Flow[None]:
        yield from self._ask(_delete(_at("negatives", negative_id)))

    @Listing
    def holders(self) -> Pages[dict[str, Any]]:
        """All holders, and how well each is known."""
        return Pages("/v1/holders")

    @Call
    def set_assurance(self, holder_id: str, assurance: str, note: str) -> Flow[dict[str, Any]]:
        """Say how well a holder is known: `vetted`, `unverified`, …; the note says how you know who they are."""
        body = {"assurance": assurance, "note": note}
        return (
            yield from self._object(Send(method="PUT", path=_at("holders", holder_id, "assurance"), body=body), dict)
        )

    @Listing
    def quarantines(self) -> Pages[Asset]:
        """Assets that matched very many checks, and wait for a decision."""
        return Pages("/v1/quarantines")

    @Call
    def decide_quarantine(self, asset_id: str, decision: str, reason: str) -> Flow[Asset]:
        """Let an asset count as before, `release`, or `withdraw` it."""
        body = {"decision": decision, "reason": reason}
        return (yield from self._object(_post(_at("assets", asset_id, "quarantine"), body), Asset))

    @Call
    def wait_until_ready(self, *, timeout_s: float = 60.0) -> Flow[None]:
        """Wait for a service that is starting. Raises: NotReady."""
        deadline_s, once = self._now_s() + timeout_s, Retries(attempts=1)
        while True:
            try:
                yield from exchange(_get("/readyz"), once)
                return
            except (Unreachable, Problem) as error:
                if self._now_s() >= deadline_s:
                    raise NotReady(f"the service was not ready within {timeout_s:.0f} s: {error}") from error
            yield Wait(_FIRST_POLL_S)

    # -- any other call --------------------------------------------------------------------------

    @Call
    def get(self, /, path: str, **parameters: Any) -> Flow[dict[str, Any]]:
        """A call that this client has no name for."""
        return (yield from self._object(_get(path, **parameters), dict))

    @Call
    def post(self, path: str, body: Mapping[str, Any]) -> Flow[dict[str, Any]]:
        """A call that this client has no name for; it is not repeated."""
        return (yield from self._object(_post(path, body), dict))

    # -- parts -----------------------------------------------------------------------------------

    def _ask(self, send: Send) -> Flow[Answer]:
        """A large file goes before the request that is about it, piece by piece."""
        return (yield from exchange_large(send, self._retries))

    def _object[Kind: Mapping[str, Any]](self, send: Send, kind: type[Kind]) -> Flow[Kind]:
        """An answer that is a JSON object, for whoever reads it one of `kind`: that is not checked."""
        del kind
        return cast("Kind", read_object((yield from self._ask(send))))

    def _list(self, send: Send) -> Flow[list[dict[str, Any]]]:
        """An answer that is a list and no page of one: what a holder has few of."""
        found = read((yield from self._ask(send)))
        if not isinstance(found, list):
            raise BadAnswer("The answer is not a list.")
        return found

    def page[Item](self, pages: Pages[Item]) -> Flow[tuple[list[Item], Pages[Item] | None]]:
        """The first of these pages, and what comes after it."""
        found = yield from self._object(_get(pages.path, **pages.parameters), dict)
        items, after = found.get("items"), found.get("next")
        if not isinstance(items, list):
            raise BadAnswer("The answer is not a page of a list.")
        following = replace(pages, parameters={**pages.parameters, pages.cursor: after}) if after else None
        return items, following

    def _submission(self, path: str, source: Source, *, local: bool, is_query: bool) -> Flow[Send]:
        """A file, or its fingerprint document, ready to be sent."""
        if isinstance(source, Mapping):
            return _post(path, source)
        file = Path(source)
        if not local:
            return Send(method="POST", path=path, file=file)

        def described() -> dict[str, Any]:
            embedder = local_fingerprint.installed_embedder()
            return local_fingerprint.document(file, is_query=is_query, embedder=embedder)

        return _post(path, (yield from compute(described)))

    def _check(
        self,
        source: Source,
        context: Mapping[str, Any] | None,
        local: bool,
        wait: float | None,
        progress: Callable[[float], None] | None,
        key: str | None,
    ) -> Flow[Check]:
        sent = yield from self._submission("/v1/checks", source, local=local, is_query=True)
        asked_s = _ASKED_TO_WAIT_S if wait is None else min(wait, _ASKED_TO_WAIT_S)
        fields = {"context": json.dumps(context)} if context and sent.file else {}
        sent = replace(sent, parameters={"wait": asked_s}, fields=fields, key=_key(key))
        accepted = yield from self._object(sent, Check)
        return (yield from self._finished("checks", accepted, wait, progress))

    def _finished[Kind: Mapping[str, Any]](
        self,
        path: str,
        found: Kind,
        wait: float | None,
        progress: Callable[[Any], None] | None,
        *,
        how_far: str = "progress",
    ) -> Flow[Kind]:
        """Ask again, ever more seldom, until what was accepted is finished or the time is over."""
        began_s, path = self._now_s(), _at(path, member(found, "id"))
        for asked in itertools.count():
            if progress is not None:
                progress(found.get(how_far) or 0)
            if member(found, "status") in _FINISHED:
                break
            pause_s = min(_FIRST_POLL_S * 1.5 ** min(asked, 10), _LONGEST_POLL_S)
            left_s = None if wait is None else began_s + wait - self._now_s()
            if left_s is not None and left_s <= 0:
                break
            yield Wait(pause_s if left_s is None else min(pause_s, left_s))
            found = yield from self._object(_get(path), type(found))
        return found


def _at(*parts: str) -> str:
    """The path of a thing: whatever an id holds, it stays one part of it."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def _get(path: str, **parameters: Any) -> Send:
    return Send(method="GET", path=path, parameters=parameters)


def _delete(path: str) -> Send:
    return Send(method="DELETE", path=path)


def _post(
    path: str, body: object, *, key: str | None = None, is_question: bool = False, wait_s: float = QUICK_S
) -> Send:  # fmt: skip
    return Send(method="POST", path=path, body=body, key=key, is_question=is_question, wait_s=wait_s)


def _key(given: str | None) -> str:
    return given or str(uuid.uuid4())


def _given(**values: Any) -> dict[str, Any]:
    """Those that were given: None means that nothing was said."""
    return {name: value for name, value in values.items() if value is not None}


def _batches(items: Iterable[Mapping[str, str]]) -> Iterator[list[dict[str, str]]]:
    """The items in their order, as many at once as one query may hold."""
    some: list[dict[str, str]] = []
    size = 0
    for item in items:
        item_bytes = len(json.dumps(dict(item))) + 2
        if some and (len(some) == _MOST_ITEMS or size + item_bytes > _MOST_ITEM_BYTES):
            yield some
            some, size = [], 0
        some.append(dict(item))
        size += item_bytes
    if some:
        yield some
