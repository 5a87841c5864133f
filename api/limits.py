"""Rate limits: how much one key, and one address, may ask in a while.

Middleware outside everything else, so that a refused request costs nothing. A key has a limit of its own, and all
keys of a holder have one together; without a key the address counts. Where an answer is costly, either counts more
strictly; where passwords and codes could be tried, the address does in any case. A key is believed once it was found on
record; wrong ones count against their address, wherever they are shown. Answers carry the standard headers
(draft-ietf-httpapi-ratelimit-headers, RateLimit-Policy and RateLimit) and 429 says when to come again. Where the
counters or the keys cannot be reached, requests pass: the limits protect the service, and must not take it down.
"""

import hashlib
import ipaddress
import logging
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING

from anyio import to_thread
from limits import RateLimitItem, RateLimitItemPerMinute, parse_many
from limits.storage import storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.pages.visit import signed_in_of
from api.settings import Settings
from registry.access import bearer_of

if TYPE_CHECKING:
    from api.service import Service

_log = logging.getLogger(__name__)
_FREE, _STATIC = ("/healthz", "/readyz", "/metrics"), "/static/"
# Where passwords and codes could be tried, and letters are sent.
_SIGN_IN = (
    "/v1/accounts", "/v1/account/password", "/v1/sessions", "/v1/oidc", "/v1/memberships", "/sign-in", "/sign-up",
    "/password", "/account/password", "/account/join",
)  # fmt: skip
_COSTLY, _ALWAYS_COSTLY = ("/v1/verifications", "/verifications", "/notices/new/file"), ("/sbr/matches/",)
# A key that was found on record is believed for so long; of how many it is kept.
_KNOWN_S, _MOST_KNOWN = 60.0, 10_000
# So many addresses may use up their tries on one account, before each has to wait in between.
_ADDRESSES_AT_EASE = 10


class Kind(StrEnum):
    """What is counted; the names stand in headers."""

    KEY = "key"
    HOLDER = "holder"
    ANONYMOUS = "anonymous"
    SIGN_IN = "sign-in"
    VERIFICATION = "verification"
    VERIFICATION_KEY = "verification-key"
    ACCOUNT = "account"
    SLOWED = "slowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a caller stands with the tightest of their limits."""

    kind: Kind
    item: RateLimitItem
    allowed: bool
    remaining: int
    resets_in_s: int


class RateLimiter:
    """Counts callers by the settings."""

    def __init__(self, settings: Settings) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(storage_from_string(settings.limits_storage))
        self._items: dict[Kind, list[RateLimitItem]] = {
            Kind.KEY: parse_many(settings.limit_key),
            Kind.HOLDER: parse_many(settings.limit_holder),
            Kind.ANONYMOUS: parse_many(settings.limit_anonymous),
            Kind.SIGN_IN: parse_many(settings.limit_sign_in),
            Kind.VERIFICATION: parse_many(settings.limit_verifications),
            Kind.VERIFICATION_KEY: parse_many(settings.limit_verifications_key),
            Kind.ACCOUNT: [
                type(item)(item.amount * _ADDRESSES_AT_EASE, item.multiples)
                for item in parse_many(settings.limit_sign_in)
            ],
            Kind.SLOWED: [RateLimitItemPerMinute(1)],
        }

    def hit(self, kind: Kind, caller: str) -> Standing:
        """Count a request of a caller."""
        standings = []
        for item in self._items[kind]:
            allowed = self._limiter.hit(item, kind.value, caller)
            resets_at, remaining = self._limiter.get_window_stats(item, kind.value, caller)
            resets_in_s = max(1, math.ceil(resets_at - time.time()))
            standings.append(
                Standing(kind=kind, item=item, allowed=allowed, remaining=max(0, remaining), resets_in_s=resets_in_s)
            )
        return _tightest(standings)

    def may(self, kind: Kind, caller: str) -> bool:
        """Whether a caller may ask, without counting."""
        return all(self._limiter.test(item, kind.value, caller) for item in self._items[kind])


class RateLimits:
    """The middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._known = _Known()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = getattr(scope["app"].state, "service", None) if scope["type"] == "http" else None
        if service is None or scope["path"] in _FREE or scope["path"].startswith(_STATIC):
            await self._app(scope, receive, send)
            return
        address, kind = address_of(scope), _kind(scope["path"], scope["method"])
        presented = _presented(scope, service) if kind in (Kind.ANONYMOUS, Kind.VERIFICATION) else None
        try:
            standing = await to_thread.run_sync(self._standing, service, kind, presented, address)
        except Exception:
            _log.exception("it could not be told how much was asked")
            await self._app(scope, receive, send)
            return
        if not standing.allowed:
            refusal = await to_thread.run_sync(_refusal, Request(scope), standing)
            await refusal(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                _tell(MutableHeaders(scope=message), standing)
            await send(message)

        await self._app(scope, receive, counted)

    def _standing(self, service: "Service", kind: Kind, presented: str | None, address: str) -> Standing:
        limiter = service.limiter
        if presented is None:
            return limiter.hit(kind, address)
        key = hashlib.sha256(presented.encode()).hexdigest()
        whose = self._known.whose(key)
        # Once there were too many wrong ones no more are looked up, but for those that were right a while ago.
        if whose is None and (key in self._known or limiter.may(Kind.SIGN_IN, address)):
            with service.database.reading() as session:
                whose = bearer_of(session, presented, at=service.now())
            self._known.note(key, whose)
        if whose is None:
            tried = limiter.hit(Kind.SIGN_IN, address)
            return _tightest([tried, limiter.hit(kind, address)]) if kind is Kind.VERIFICATION else tried
        counted = [limiter.hit(Kind.KEY, key), limiter.hit(Kind.HOLDER, whose)]
        if kind is Kind.VERIFICATION:
            counted.append(limiter.hit(Kind.VERIFICATION_KEY, key))
        return _tightest(counted)


class _Known:
    """Whose the keys are that were found on record, for a moment."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[str, float]] = {}

    def whose(self, key: str) -> str | None:
        whose, until_s = self._found.get(key, (None, 0.0))
        return whose if time.monotonic() < until_s else None

    def __contains__(self, key: str) -> bool:
        """Whether it was found when it was looked up last, however long ago."""
        return key in self._found

    def note(self, key: str, whose: str | None) -> None:
        if whose is None:
            self._found.pop(key, None)
            return
        if len(self._found) >= _MOST_KNOWN:
            self._found.clear()  # looking them up again is cheap
        self._found[key] = whose, time.monotonic() + _KNOWN_S


def guard(limiter: RateLimiter, kind: Kind, caller: str) -> None:
    """Count a request of somebody whom the middleware cannot know, such as an account. Raises: Problem."""
    standing = _hit(limiter, kind, caller)
    if standing is not None and not standing.allowed:
        raise _problem(standing)


def guard_address(limiter: RateLimiter, kind: Kind, scope: Scope) -> None:
    """Count a request of an address as something that its path does not tell. Raises: Problem."""
    guard(limiter, kind, address_of(scope))


def guard_password(limiter: RateLimiter, scope: Scope, account: str) -> None:
    """Count a try of an account's password, from whatever address; the middleware counted it for the address already.

    Once there were very many, each address may try once a minute: none is shut out by what others did.

    Raises:
        Problem: too many, and one from there a moment ago.
    """
    tried = _hit(limiter, Kind.ACCOUNT, f"as {account}")
    if tried is not None and not tried.allowed:
        guard(limiter, Kind.SLOWED, f"as {account} from {address_of(scope)}")


def _hit(limiter: RateLimiter, kind: Kind, caller: str) -> Standing | None:
    """Count a request; None when the counters cannot be reached."""
    try:
        return limiter.hit(kind, caller)
    except Exception:
        _log.exception("the counters of the rate limits cannot be reached")
        return None


def _tightest(standings: Iterable[Standing]) -> Standing:
    return min(standings, key=lambda one: (one.allowed, one.remaining))


def _kind(path: str, method: str) -> Kind:
    """What a request counts as before it is known who asks."""
    if method == "POST" and path.startswith(_SIGN_IN):
        return Kind.SIGN_IN
    costly = path.startswith(_ALWAYS_COSTLY) or (method == "POST" and path.startswith(_COSTLY))
    return Kind.VERIFICATION if costly else Kind.ANONYMOUS


def _presented(scope: Scope, service: "Service") -> str | None:
    """The key or sign-in that a request shows, or the browser that sends it; other credentials are none of ours."""
    kind, _, presented = Headers(scope=scope).get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        signed_in = signed_in_of(HTTPConnection(scope), service.seals, at=service.now())
        presented = signed_in.credential if signed_in else ""
    return presented if presented.startswith(("cm_", "cs_")) else None


def address_of(scope: Scope) -> str:
    """The caller's address; of IPv6 the /64, which is one customer's, unless it only wraps one of IPv4."""
    client = scope.get("client")
    try:
        address = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)


def _tell(headers: MutableHeaders, standing: Standing) -> None:
    item = standing.item
    headers["RateLimit-Policy"] = f'"{standing.kind}";q={item.amount};w={item.get_expiry()}'
    headers["RateLimit"] = f'"{standing.kind}";r={standing.remaining};t={standing.resets_in_s}'


def _refusal(request: Request, standing: Standing) -> ASGIApp:
    answer = problems.answer(request, _problem(standing))
    _tell(answer.headers, standing)
    return answer


def _problem(standing: Standing) -> problems.Problem:
    detail = f"Too many requests: {standing.item.amount} in {standing.item.get_expiry()} s are allowed. Ask later."
    headers = {"Retry-After": str(standing.resets_in_s)}
    return problems.Problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", detail, headers=headers)
