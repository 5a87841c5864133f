"""Asking the world about a domain: its TXT records, and one file of its site."""

from http import HTTPStatus

import dns.exception
import dns.rdatatype
import dns.resolver

from api.outbound import Outbound, OutboundError
from registry.domains import Unreachable, file_url

_LIFETIME_S = 5.0
_FILE_S, _MOST_REDIRECTS, _MOST_BYTES = 10.0, 3, 4096


class InternetProbe:
    """A `DomainProbe` on the system's resolver; files come by the way that refuses inner addresses."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    def texts(self, name: str) -> list[str]:
        resolver = dns.resolver.Resolver()
        try:
            answer = resolver.resolve(name, dns.rdatatype.TXT, lifetime=_LIFETIME_S, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.DNSException as error:
            # Not in the error's words: they name the resolvers of the operator.
            raise Unreachable(f"The DNS gave no answer about {name}. Try again later.") from error
        return [b"".join(record.strings).decode(errors="replace") for record in answer]

    def file(self, domain: str) -> str | None:
        try:
            # A site may send one on, to www or to a host of files; each is looked at as the first was.
            found = self._outbound.fetch(
                file_url(domain), https_only=True, redirects=_MOST_REDIRECTS, timeout_s=_FILE_S
            )
        except OutboundError:
            return None
        return found.body[:_MOST_BYTES].decode(errors="replace") if found.status == HTTPStatus.OK else None
