"""Places: which locations of a format lie in one another, and which of them speaks first.

robots.txt and RSL read a location as RFC 9309 does: it covers what begins with it, `*` stands for anything, and the
longest that matches speaks. Where patterns with `*` meet is not computed: two may meet when what stands before the
first `*` of one begins what stands before it in the other.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from registry.locations import host_of, path_covers, path_of
from registry.prefixes import Prefixes


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A location taken apart; without a host it is a path of whichever site it was read from."""

    host: str
    path: str

    @property
    def length(self) -> int:
        """In octets, as RFC 9309 (section 2.2.2) compares paths."""
        return len(self.path.encode(errors="surrogatepass"))

    @property
    def begin(self) -> str:
        """What every path in it begins with."""
        return self.path.partition("*")[0]

    def covers(self, other: "Place") -> bool:
        """Whether everything in `other` lies in this one."""
        return self.host in ("", other.host) and path_covers(self.path, other.path)

    def may_meet(self, other: "Place") -> bool:
        """Whether one URL could lie in both."""
        one_site = self.host == other.host or not self.host or not other.host
        return one_site and (self.begin.startswith(other.begin) or other.begin.startswith(self.begin))


def meeting[Thing](things: Prefixes[Thing], here: Place) -> Iterator[Thing]:
    """All things, under what their places begin with, that may meet this one, hosts aside; of those in it not all."""
    yield from things.beginning(here.begin)
    if here.begin != here.path:
        yield from things.continuing(here.begin)


WHOLE_SITE = "/"


def place(location: str | None) -> Place:
    """Where a location is; None is the whole site."""
    return Place(host=host_of(location or WHOLE_SITE), path=path_of(location or WHOLE_SITE))


def orders(locations: Iterable[str | None]) -> dict[str | None, int]:
    """The `order` of statements by location, so that of places which may meet the longest speaks first.

    Places that meet no other all have order 0.
    """
    given: dict[str | None, int] = {}
    before: list[tuple[Place, int]] = []
    places = {location: place(location) for location in locations}
    for location, one in sorted(places.items(), key=lambda named: -named[1].length):
        met = (order for longer, order in before if longer.length > one.length and longer.may_meet(one))
        given[location] = max(met, default=-1) + 1
        before.append((one, given[location]))
    return given


def unanchored(location: str) -> tuple[str, bool]:
    """A location without the `$` that ends a path in RFC 9309, and whether it had one.

    Ours cannot say where a path ends, and without `$` it covers more than was said: from one that had it, only a
    reservation may be taken over.
    """
    return location.removesuffix("$"), location.endswith("$")
