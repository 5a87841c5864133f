"""Credentials that a file has lost, found again: any service of the C2PA Soft Binding Resolution API 2.4 is asked.

Decides how such a resolver is asked, and which of its answers are taken. It does not decide whether credentials are
true, nor whether they belong to the file: what reads a manifest store does, `Client.verify(path, manifest)` too.

A resolver is a stranger, and so is each that it names. Answers are bounded in bytes, asked for without compression, and
checked; what is told of them holds no control characters. A request that takes longer than `_most_s` is broken off,
whatever still comes, before an answer as within it; only to open the connection has limits of its own. An address that
one names is followed by https, or to its own origin. A redirection is followed within its host alone, and to https at
most: a file goes nowhere but where it was sent.
"""

import base64
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import httpx

from clearmark.client import local
from clearmark.client.errors import BadAnswer, ClearmarkError, Misconfigured, Problem, Unreachable, Unsupported
from clearmark.client.exchange import LONG_S, Answer, Outcome, Retries, Send, Step, Wait, exchange, read_object
from clearmark.client.http import Closing, can_be_reached, carry_out, patience, service_address
from clearmark.client.in_time import ended_in_time

ISCC = "io.iscc.v0"
BY_CONTENT = "queryByContent"
MAX_STORE_BYTES = 32 << 20
MAX_MATCHES_BYTES = 1 << 20
# Of an answer that is none, only its beginning is told.
_REFUSAL_BYTES, _SHOWN_CHARS = 1 << 14, 200
# To receive: 32 MiB at 1 Mbit/s. To send: a file that is taken in more slowly is not sent to its end.
_RECEIVING_S, _SLOWEST_SENDING_BYTES_PER_S = 300.0, 1 << 15
# Many servers take addresses of 2,048 characters in all; an ISCC has 260 at most.
_MOST_QUERY_CHARS = 1500
_MOST_ID_CHARS, _MOST_ADDRESS_CHARS = 1024, 2048
_MOST_REDIRECTIONS = 3
# A resolver that others name is not waited for as long as the one that was asked.
_ATTEMPTS_ELSEWHERE = 2

_WELL_KNOWN = ".well-known/c2pa-soft-binding-resolution"
_LACKING = {400, 401, 403, 404, 405, 406, 410, 501}  # what servers without a route say
_NOT_BY_CONTENT = {404, 405, 410, 413, 415, 501}
_REDIRECTIONS = {"GET": {301, 302, 303, 307, 308}, "POST": {307, 308}}  # the others turn a POST into a GET

_WHAT_TO_DO = {
    401: "Give the token that its operator gives to those who may ask.",
    403: "Give the token that its operator gives to those who may ask.",
    404: "Check the address of the API; a manifest may be gone.",
    413: "The file is larger than it takes: send a part of it, or ask by a binding.",
    415: "It takes no files of this kind: ask by a binding.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a resolver says that it can; `version` of the specification is None where it does not say it."""

    names: frozenset[str]
    version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithms:
    """The soft binding algorithms that a resolver can be asked by."""

    watermarks: tuple[str, ...]
    fingerprints: tuple[str, ...]

    def __contains__(self, alg: object) -> bool:
        return alg in self.watermarks or alg in self.fingerprints


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A manifest that may belong to what was asked about.

    Attributes:
        similarity: 0 to 100, the strongest last, as the resolver counts it; None where it does not say.
        endpoint: where it says that the manifest is, as it says it; None: with itself.
    """

    manifest_id: str
    similarity: float | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """A manifest store that was found for a file: what a `.c2pa` file holds, not yet judged by anybody.

    `endpoint` is the API that it came from.
    """

    manifest_id: str
    similarity: float | None
    endpoint: str
    store: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask(Send):
    """A request to an address of its own; `file` is the body itself, of the kind `media_type`."""

    media_type: str = ""
    most_bytes: int = MAX_MATCHES_BYTES
    with_token: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Api:
    base: httpx.URL
    capabilities: httpx.URL


class Resolver(Closing):
    """A resolver of the C2PA's Soft Binding Resolution API, Clearmark's or anybody's.

    with Resolver("https://resolver.example") as resolver:
        for found in resolver.recover("clip.mp4"):
            Path("clip.c2pa").write_bytes(found.store)
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            url: an origin, which is asked where its API is; or the API's own address, such as `https://…/v1`.
            token: who asks, where the resolver wants to know; sent to its API, not to where it says that manifests are.
        Raises:
            Misconfigured: no resolver can have that address, or no token look like that.
        """
        self._given = service_address(url)
        if not _is_bare(self._given):
            raise Misconfigured("The address of a resolver has no user, no `?` and no `#`; a token is given apart.")
        if token is not None and not (token.isascii() and token.isprintable()):
            raise Misconfigured("The token holds characters that none has; copy it again.")
        self._token = token
        self._retries = retries or Retries()
        # Each request has a connection of its own: `ended_in_time` is told of it when it is opened.
        headers = {"Accept-Encoding": "identity", "Connection": "close"}
        self._http = httpx.Client(headers=headers, transport=transport)
        self._found: _Api | None = None

    def capabilities(self) -> Capabilities | None:
        """What it says that it can; None where it does not say. Raises: ClearmarkError."""
        url = self._api().capabilities
        is_own = _origin(url) == _origin(self._api().base)
        answer = self._answer_if_there(_Ask(method="GET", path=str(url), with_token=is_own))
        if answer is None:
            return None
        said = _read(answer, url)
        version = _optional_text(said, "c2paSpecificationVersion", url)
        return Capabilities(names=frozenset(_texts(said.get("supportedCapabilities"), url)), version=version)

    def algorithms(self) -> Algorithms:
        """What it can be asked by. Raises: ClearmarkError."""
        url = _under(self._api().base, "services", "supportedAlgorithms")
        said = _read(self._answer(_Ask(method="GET", path=str(url))), url)
        found = {kind: tuple(_named_algorithms(said.get(kind), url)) for kind in ("watermarks", "fingerprints")}
        return Algorithms(watermarks=found["watermarks"], fingerprints=found["fingerprints"])

    def by_binding(self, alg: str, value: bytes, *, max_results: int = 10) -> list[Match]:
        """The manifests that a soft binding's value leads to, best first.

        Args:
            value: as the algorithm makes it; it travels as base64, in the body where it is long.
        Raises:
            ClearmarkError: it cannot be asked, refuses, or answers what is no answer.
        """
        url, most = _under(self._api().base, "matches", "byBinding"), _at_least_one(max_results)
        question = {"alg": alg, "value": base64.b64encode(value).decode()}
        limit = {"maxResults": str(most)}
        posted = _Ask(method="POST", path=str(url), parameters=limit, body=question, is_question=True)
        if len(str(url)) + len(str(httpx.QueryParams(question))) > _MOST_QUERY_CHARS:
            return _matches(self._answer(posted), url, most)
        try:
            return _matches(self._answer(_Ask(method="GET", path=str(url), parameters=question | limit)), url, most)
        except Problem as problem:
            if problem.status != HTTPStatus.REQUEST_URI_TOO_LONG:
                raise
        return _matches(self._answer(posted), url, most)

    def by_content(self, path: Path | str, alg: str | None = None, *, max_results: int = 10) -> list[Match]:
        """The manifests that a file may have come from, best first; the file itself is sent.

        Args:
            alg: compare it by this algorithm alone.
        Raises:
            ClearmarkError: it cannot be asked, refuses, or answers what is no answer.
            OSError: the file cannot be read.
        """
        url, most = _under(self._api().base, "matches", "byContent"), _at_least_one(max_results)
        parameters = {"maxResults": most, **({"alg": alg} if alg is not None else {})}
        asked = _Ask(
            method="POST", path=str(url), parameters=parameters, file=Path(path), is_question=True, wait_s=LONG_S,
            media_type=local.media_type(Path(path)),
        )  # fmt: skip
        return _matches(self._answer(asked), url, most)

    def manifest(self, match: Match) -> bytes:
        """The manifest store of a match, from where its `endpoint` says: by https, or of the resolver's own origin.

        Raises:
            ClearmarkError: it is not there, not a manifest store, larger than 32 MiB, or at no such address.
        """
        return self._store(match)[1]

    def recover(self, path: Path | str, *, max_results: int = 10) -> list[Recovered]:
        """The manifest stores found for a file, best first; nothing, where the resolver knows none.

        The file is sent where the resolver takes files; else it stays here, and its ISCC is sent. What cannot be had
        of several is passed over; where none can be had, the error of the best is raised.

        Raises:
            Unsupported: the resolver takes neither files nor ISCCs.
            ClearmarkError: it cannot be asked, refuses, or answers what is no answer.
            OSError: the file cannot be read.
        """
        found: list[Recovered] = []
        failed: ClearmarkError | None = None
        for match in self._matching(Path(path), max_results):
            try:
                base, store = self._store(match)
            except ClearmarkError as error:
                failed = failed or error
                continue
            found.append(
                Recovered(
                    manifest_id=match.manifest_id, similarity=match.similarity, endpoint=str(base), store=store
                )
            )  # fmt: skip
        if failed is not None and not found:
            raise failed
        return found

    # -- parts -----------------------------------------------------------------------------------

    def _matching(self, path: Path, most: int) -> list[Match]:
        able = self.capabilities()
        refused: Problem | None = None
        if able is None or BY_CONTENT in able.names:
            try:
                return self.by_content(path, max_results=most)
            except Problem as problem:
                if problem.status not in _NOT_BY_CONTENT:
                    raise
                refused = problem
        if not self._takes_iscc():
            if refused is not None:
                raise refused
            raise Unsupported(
                f"{_host(self._given)} takes neither files nor {ISCC}. Ask another resolver, or this one by_binding"
                " with a value of one of its algorithms()."
            )
        return self.by_binding(ISCC, local.iscc(path), max_results=most)

    def _takes_iscc(self) -> bool:
        """Whether it says so; one that does not say what it takes is not asked in vain."""
        try:
            return ISCC in self.algorithms()
        except Problem as problem:
            if problem.status not in _LACKING:
                raise
            return False

    def _store(self, match: Match) -> tuple[httpx.URL, bytes]:
        """Where a match's manifest store is, and the store."""
        if match.manifest_id in ("", ".", ".."):  # each would lead to another route
            raise BadAnswer(f"{match.manifest_id!r} is no id of a manifest.")
        own = self._api().base
        base = _followed(match.endpoint, own) if match.endpoint else own
        url = _under(base, "manifests", match.manifest_id)
        is_own = _origin(base) == _origin(own)
        asked = _Ask(method="GET", path=str(url), most_bytes=MAX_STORE_BYTES, with_token=is_own)
        store = self._answer(asked, None if is_own else _ATTEMPTS_ELSEWHERE).content
        if store[4:8] != b"jumb":  # every store is a JUMBF box: C2PA 2.4, section 11.1
            raise BadAnswer(f"{_host(url)} gave no manifest store but: {_shown(store)!r}")
        return base, store

    def _api(self) -> _Api:
        if self._found is None:
            is_origin = self._given.raw_path in (b"", b"/")
            self._found = (is_origin and self._discovered()) or _api(self._given)
        return self._found

    def _discovered(self) -> _Api | None:
        """Where the origin says that its API is; None where it says nothing: then it is taken for the API."""
        url = _under(self._given, *_WELL_KNOWN.split("/"))
        answer = self._answer_if_there(_Ask(method="GET", path=str(url), with_token=False))
        if answer is None:
            return None
        said = _read(answer, url)
        named = _optional_text(said, "apiEndpoint", url)
        if not named:
            raise BadAnswer(f"{_host(url)} does not say where its API is. Give the API's own address.")
        api = _api(_followed(named, url))
        capabilities = _optional_text(said, "capabilitiesEndpoint", url)
        return replace(api, capabilities=_followed(capabilities, url)) if capabilities else api

    def _answer(self, asked: _Ask, attempts: int | None = None) -> Answer:
        retries = self._retries
        if attempts is not None:
            retries = replace(retries, attempts=min(attempts, retries.attempts))
        try:
            return carry_out(exchange(asked, retries), self._do)
        except Unreachable as error:
            raise Unreachable(f"{_host(httpx.URL(asked.path))}: {error}. Check its address, or ask later.") from error
        except Problem as problem:
            raise _told(problem, _host(httpx.URL(asked.path))) from None

    def _answer_if_there(self, asked: _Ask) -> Answer | None:
        try:
            return self._answer(asked)
        except Problem as problem:
            if problem.status in _LACKING:
                return None
            raise

    def _do(self, step: Step) -> Outcome:
        if isinstance(step, Wait):
            self._sleep(step.seconds)
            return None
        assert isinstance(step, _Ask)
        url = httpx.URL(step.path)
        if step.parameters:
            url = url.copy_merge_params(step.parameters)
        for _ in range(_MOST_REDIRECTIONS + 1):
            outcome = self._send(step, url)
            if isinstance(outcome, Answer):
                return outcome
            url = outcome
        raise BadAnswer(f"{_host(url)} sends on again and again. Give the address that it ends at.")

    def _sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def _send(self, asked: _Ask, url: httpx.URL) -> Answer | httpx.URL:
        """The answer, or where it is."""
        headers = {"Content-Type": asked.media_type} if asked.media_type else {}
        if self._token is not None and asked.with_token:
            headers["Authorization"] = f"Bearer {self._token}"
        with _opened(asked) as body, ended_in_time(_host(url), _most_s(asked)) as trace:
            request = self._http.build_request(
                asked.method, url, headers=headers, json=asked.body, content=body, timeout=patience(asked.wait_s),
                extensions={"trace": trace},
            )  # fmt: skip
            try:
                answer = self._http.send(request, stream=True)
            except ValueError as error:  # httpx reads the address that it is sent on to, also where it does not follow
                raise BadAnswer(f"{_host(url)} sends on to no address ({_shown(str(error))}); not followed.") from None
            with closing(answer):
                if answer.status_code in _REDIRECTIONS[asked.method] and "location" in answer.headers:
                    return _onward(answer.headers["location"], url)
                content = _received(answer, asked.most_bytes if answer.is_success else _REFUSAL_BYTES)
                return Answer(status=answer.status_code, headers=answer.headers, content=content)


@contextmanager
def _opened(asked: _Ask) -> Iterator[IO[bytes] | None]:
    if asked.file is None:
        yield None
        return
    with asked.file.open("rb") as file:
        yield file


def _most_s(asked: _Ask) -> float:
    """How long a request may take in all: to be sent, to be thought about, to be answered."""
    file_bytes = asked.file.stat().st_size if asked.file is not None else 0
    return file_bytes / _SLOWEST_SENDING_BYTES_PER_S + asked.wait_s + _RECEIVING_S


def _received(answer: httpx.Response, most_bytes: int) -> bytes:
    """The body of an answer; of a refusal, its beginning."""
    host, content = _host(answer.url), bytearray()
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        if answer.is_success:
            raise BadAnswer(f"{host} compresses its answer though it was asked not to; it is not unpacked.")
        return b""
    for chunk in answer.iter_bytes():
        content += chunk
        if len(content) > most_bytes:
            if answer.is_success:
                raise BadAnswer(f"{host} answers with more than {most_bytes} bytes, which is not taken.")
            break
    return bytes(content[:most_bytes])


def _onward(location: str, url: httpx.URL) -> httpx.URL:
    """Where a redirection leads. Raises: BadAnswer: to another host, or away from https."""
    try:
        found = url.join(location)
    except (httpx.InvalidURL, ValueError):
        found = httpx.URL("")
    is_secured = (url.scheme, found.scheme) == ("http", "https") and (url.port, found.port) == (None, None)
    if found.userinfo or not (_origin(found) == _origin(url) or (is_secured and found.raw_host == url.raw_host)):
        raise BadAnswer(
            f"{_host(url)} sends on to {_shown(location)!r}, which is not followed. Where you trust that, give its"
            " address instead."
        )
    return found


def _followed(said: str, by: httpx.URL) -> httpx.URL:
    """The address that a resolver names; a relative one is counted from the root of its origin.

    Raises:
        BadAnswer: it is neither https nor of the resolver's own origin.
    """
    try:
        found = by.copy_with(raw_path=b"/").join(said)
    except (httpx.InvalidURL, ValueError):
        found = httpx.URL("")
    is_allowed = found.scheme == "https" or _origin(found) == _origin(by)
    if len(said) > _MOST_ADDRESS_CHARS or not (is_allowed and can_be_reached(found) and _is_bare(found)):
        raise BadAnswer(
            f"{_host(by)} names the address {_shown(said)!r}, which is not followed: that is done by https alone, or to"
            " its own origin."
        )
    return found


def _api(base: httpx.URL) -> _Api:
    return _Api(base=base, capabilities=_under(base, "services", "capabilities"))


def _under(base: httpx.URL, *parts: str) -> httpx.URL:
    """An address below another: whatever an id holds, it stays one part of it."""
    path = "/".join(quote(part, safe="") for part in parts)
    return base.copy_with(raw_path=base.raw_path.rstrip(b"/") + b"/" + path.encode())


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port


def _is_bare(url: httpx.URL) -> bool:
    return not (url.userinfo or url.query or url.fragment)


def _host(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _shown(said: str | bytes) -> str:
    """The beginning of what a stranger says, without anything that would move a reader's screen."""
    text = said[: 4 * _SHOWN_CHARS].decode(errors="replace") if isinstance(said, bytes) else said
    return "".join(letter if letter.isprintable() else " " for letter in text[:_SHOWN_CHARS])


def _told(problem: Problem, host: str) -> Problem:
    """A resolver's refusal, in words that say what to do."""
    default = "Ask again later." if problem.status >= 500 or problem.status == 429 else "Ask it in another way."
    detail = f"{host} answers {problem.status}: {_shown(problem.detail)!r}. {_WHAT_TO_DO.get(problem.status, default)}"
    document = {"type": _shown(problem.type), "status": problem.status, "detail": detail}
    return Problem(status=problem.status, document=document, retry_after_s=problem.retry_after_s)


def _read(answer: Answer, url: httpx.URL) -> dict[str, Any]:
    try:
        return read_object(answer)
    except BadAnswer:
        raise BadAnswer(
            f"{_host(url)} answers no JSON object but: {_shown(answer.content)!r}. Give the address of its API, such"
            " as https://resolver.example/v1"
        ) from None


def _bad(url: httpx.URL, what: str, said: object) -> BadAnswer:
    instead = "a list" if isinstance(said, list) else "an object" if isinstance(said, dict) else _shown(repr(said))
    return BadAnswer(f"{_host(url)} does not answer as a resolver does: {what}, and not {instead}.")


def _optional_text(said: dict[str, Any], name: str, url: httpx.URL) -> str | None:
    value = said.get(name)
    if value is None or (isinstance(value, str) and value.isprintable()):
        return value
    raise _bad(url, f"{name} is a text without control characters", value)


def _texts(said: object, url: httpx.URL) -> list[str]:
    if isinstance(said, list) and all(isinstance(text, str) and text.isprintable() for text in said):
        return said
    raise _bad(url, "supportedCapabilities is a list of texts without control characters", said)


def _named_algorithms(said: object, url: httpx.URL) -> Iterator[str]:
    if said is None:
        return
    for item in said if isinstance(said, list) else [said]:
        name = item.get("alg") if isinstance(item, dict) else None
        if not isinstance(name, str) or not name.isprintable():
            raise _bad(url, "an algorithm is an object with the text alg", item)
        yield name


def _matches(answer: Answer, url: httpx.URL, most: int) -> list[Match]:
    said = _read(answer, url).get("matches", [])  # the schema lets it be missing
    if not isinstance(said, list):
        raise _bad(url, "matches is a list", said)
    found = sorted((_match(item, url) for item in said), key=_strength, reverse=True)
    best: dict[tuple[str, str | None], Match] = {}
    for match in found:
        best.setdefault((match.manifest_id, match.endpoint), match)
    return list(best.values())[:most]


def _strength(match: Match) -> float:
    return -1.0 if match.similarity is None else match.similarity


def _match(said: object, url: httpx.URL) -> Match:
    if not isinstance(said, dict):
        raise _bad(url, "a match is an object", said)
    manifest_id, score = said.get("manifestId"), said.get("similarityScore")
    if not isinstance(manifest_id, str) or not manifest_id.isprintable() or not 0 < len(manifest_id) <= _MOST_ID_CHARS:
        raise _bad(url, f"manifestId is a text of 1 to {_MOST_ID_CHARS} characters", manifest_id)
    # Whole by the specification; some give fractions.
    if score is not None and (isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 100):
        raise _bad(url, "similarityScore is a number of 0 to 100", score)
    endpoint = _optional_text(said, "endpoint", url)
    return Match(manifest_id=manifest_id, similarity=None if score is None else float(score), endpoint=endpoint)


def _at_least_one(max_results: int) -> int:
    if max_results < 1:
        raise ValueError("max_results: at least 1")
    return max_results
