"""Rate limits: how much one key, and one address, may ask in a while.

Middleware outside everything else, so that a refused request costs nothing. A key has a limit of its own; without
one the address counts, and more strictly where an answer is costly or where passwords and codes could be tried. Wrong
keys count against their address. Answers carry the standard headers (draft-ietf-httpapi-ratelimit-headers,
RateLimit-Policy and RateLimit) and 429 says when to come again. Where the counters cannot be reached, requests
pass: the limits protect the service, and must not take it down.
"""

import hashlib
import ipaddress
import logging
import math
import time
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from anyio import to_thread
from limits import RateLimitItem, parse_many
from limits.storage import storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.settings import Settings

_log = logging.getLogger(__name__)
_FREE = ("/healthz", "/readyz", "/metrics")
# Where passwords and codes could be tried, and letters are sent.
_SIGN_IN = ("/v1/accounts", "/v1/sessions", "/v1/oidc", "/v1/memberships")
_COSTLY = ("/v1/verifications",)


class Kind(StrEnum):
    """What is counted; the names stand in headers."""

    KEY = "key"
    ANONYMOUS = "anonymous"
    SIGN_IN = "sign-in"
    VERIFICATION = "verification"


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
        self._items = {
            Kind.KEY: parse_many(settings.limit_key),
            Kind.ANONYMOUS: parse_many(settings.limit_anonymous),
            Kind.SIGN_IN: parse_many(settings.limit_sign_in),
            Kind.VERIFICATION: parse_many(settings.limit_verifications),
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
        return min(standings, key=lambda one: (one.allowed, one.remaining))

    def may(self, kind: Kind, caller: str) -> bool:
        """Whether a caller may ask, without counting."""
        return all(self._limiter.test(item, kind.value, caller) for item in self._items[kind])


class RateLimits:
    """The middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = getattr(scope["app"].state, "service", None) if scope["type"] == "http" else None
        if service is None or scope["path"] in _FREE:
            await self._app(scope, receive, send)
            return
        limiter: RateLimiter = service.limiter
        address = _address(scope)
        key = _key(scope)
        kind = _kind(scope["path"], scope["method"], has_key=key is not None)
        try:
            standing = await to_thread.run_sync(_ask, limiter, kind, key or address, address)
        except Exception:
            _log.exception("the counters of the rate limits cannot be reached")
            await self._app(scope, receive, send)
            return
        if not standing.allowed:
            await _refusal(standing)(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                _tell(MutableHeaders(scope=message), standing)
                if key is not None and message["status"] == HTTPStatus.UNAUTHORIZED:
                    await to_thread.run_sync(limiter.hit, Kind.SIGN_IN, address)
            await send(message)

        await self._app(scope, receive, counted)


def guard(limiter: RateLimiter, kind: Kind, caller: str) -> None:
    """Count a request of somebody whom the middleware cannot know, such as an account. Raises: Problem."""
    standing = limiter.hit(kind, caller)
    if not standing.allowed:
        raise _problem(standing)


def _ask(limiter: RateLimiter, kind: Kind, caller: str, address: str) -> Standing:
    if kind is Kind.KEY and not limiter.may(Kind.SIGN_IN, address):
        return limiter.hit(Kind.SIGN_IN, address)  # too many wrong keys came from there
    return limiter.hit(kind, caller)


def _kind(path: str, method: str, *, has_key: bool) -> Kind:
    if method != "GET" and path.startswith(_SIGN_IN) and not has_key:
        return Kind.SIGN_IN
    if method == "POST" and path.startswith(_COSTLY):
        return Kind.VERIFICATION
    return Kind.KEY if has_key else Kind.ANONYMOUS


def _key(scope: Scope) -> str | None:
    """What tells one key from another without being it."""
    kind, _, presented = Headers(scope=scope).get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not presented.startswith(("cm_", "cs_")):
        return None
    return hashlib.sha256(presented.encode()).hexdigest()


def _address(scope: Scope) -> str:
    """The caller's address; of IPv6 the /64, which is one customer's."""
    client = scope.get("client")
    try:
        address = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return "unknown"
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _tell(headers: MutableHeaders, standing: Standing) -> None:
    item = standing.item
    headers["RateLimit-Policy"] = f'"{standing.kind}";q={item.amount};w={item.get_expiry()}'
    headers["RateLimit"] = f'"{standing.kind}";r={standing.remaining};t={standing.resets_in_s}'


def _refusal(standing: Standing) -> ASGIApp:
    answer = problems.response(_problem(standing))
    _tell(answer.headers, standing)
    return answer


def _problem(standing: Standing) -> problems.Problem:
    detail = f"Too many requests: {standing.item.amount} in {standing.item.get_expiry()} s are allowed. Ask later."
    headers = {"Retry-After": str(standing.resets_in_s)}
    return problems.Problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", detail, headers=headers)
