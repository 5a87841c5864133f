"""Web locations: one place has one spelling, and no other place has it too."""

import pytest

from registry.errors import Invalid
from registry.locations import host_of, normal, path_covers, path_of


@pytest.mark.parametrize(
    "spelled",
    [
        "studio2.example", "studio2.example/", "https://studio2.example", "https://studio2.example/", "HTTP://studio2.example/",
        "http://STUDIO2.example:443/", "http://studio2.example:80", "studio2.example.", "https://me:pw@studio2.example:443",
        " https://studio2.example ", "https://studio2.example/#top",
    ],
)  # fmt: skip
def test_one_site_has_one_spelling(spelled: str) -> None:
    assert normal(spelled) == "studio2.example/"


@pytest.mark.parametrize(
    ("spelled", "known_as"),
    [
        ("https://studio.example:8080/A/b?c=D", "studio.example:8080/A/b?c=D"),
        ("https://BÜCHER.example/ü", "xn--bcher-kva.example/ü"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example/"),
        ("https://straße.example/", "straße.example/"),
        ("studio.example/go?to=ftp://x", "studio.example/go?to=ftp://x"),
    ],
)
def test_what_tells_places_apart_is_kept(spelled: str, known_as: str) -> None:
    assert normal(spelled) == known_as
    assert normal(known_as) == known_as


@pytest.mark.parametrize(
    "text",
    ["", "/", "//", "ftp://x", "FTP://x/", "javascript://x", "*", "https://*.example/", "http://[::1",
     "https:///films", "https://a b/", "https://\udc80/"],
)  # fmt: skip
def test_what_is_no_place_of_the_web_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        normal(text)
    assert refused.value.field == "location"


def test_a_url_finds_what_was_said_of_its_site_however_it_is_spelled() -> None:
    for url in ("http://studio2.example:80/x", "https://STUDIO2.EXAMPLE.:443/x", "https://u@studio2.example/x#y"):
        assert host_of(url) == "studio2.example"
        assert path_covers(path_of(normal("studio2.example")), path_of(url))
    assert host_of("http://studio2.example:8080/x") == "studio2.example:8080"
