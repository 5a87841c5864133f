"""Asking the world about a domain: its TXT records, and one file of its site."""

from collections.abc import Callable

import dns.exception
import dns.rdatatype
import dns.resolver

from registry.domains import Unreachable, file_url

_LIFETIME_S = 5.0
_MOST_CHARS = 4096


class InternetProbe:
    """A `DomainProbe` on the system's resolver; files come through `fetch`, which refuses inner addresses."""

    def __init__(self, fetch: Callable[[str], str | None]) -> None:
        self._fetch = fetch

    def texts(self, name: str) -> list[str]:
        resolver = dns.resolver.Resolver()
        try:
            answer = resolver.resolve(name, dns.rdatatype.TXT, lifetime=_LIFETIME_S, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.DNSException as error:
            raise Unreachable(f"The DNS could not be asked for {name}: {error}") from error
        return [b"".join(record.strings).decode(errors="replace") for record in answer]

    def file(self, domain: str) -> str | None:
        text = self._fetch(file_url(domain))
        return text[:_MOST_CHARS] if text is not None else None
