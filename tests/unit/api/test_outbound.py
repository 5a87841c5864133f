"""Which URLs and addresses of strangers may be asked. Nothing is asked here."""

import ipaddress
import threading

import pytest

from api.outbound import Outbound, Refused, Unanswered, is_public

INNER = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.0.1", "192.0.0.8", "192.0.0.9", "192.0.2.1", "192.88.99.1", "3fff::1", "198.18.0.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1",
    "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "::ffff:192.0.0.8", "::ffff:192.88.99.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1",
    "2002:7f00:1::", "2002:808:808::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "100::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INNER)
def test_an_address_within_a_network_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_an_address_of_the_public_network_is(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("also", INNER)
def test_of_all_addresses_of_a_name_none_may_be_inner(also: str) -> None:
    for found in ([also], ["8.8.8.8", also], [also, "8.8.8.8"]):
        with pytest.raises(Refused) as refused:
            Outbound(resolve=lambda *_, found=found: found).addresses("rebound.example", 443)
        assert also not in refused.value.problem, "what names mean in this network is nobody's business"


def test_the_addresses_of_a_name_come_once_each_and_in_order() -> None:
    way = Outbound(resolve=lambda *_: ["2606:4700::1111", "8.8.8.8", "2606:4700::1111"])
    assert way.addresses("a.example", 443) == ["2606:4700::1111", "8.8.8.8"]


@pytest.mark.parametrize("error", [OSError("no such name"), UnicodeError("label too long")])
def test_a_name_that_leads_nowhere_is_told(error: Exception) -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        raise error

    with pytest.raises(Unanswered, match="nowhere"):
        Outbound(resolve=resolve).addresses("nowhere.example", 443)
    with pytest.raises(Unanswered, match="nowhere"):
        Outbound(resolve=lambda *_: []).addresses("nowhere.example", 443)


def test_a_resolver_that_never_answers_is_not_waited_for() -> None:
    ends = threading.Event()

    def resolve(_host: str, _port: int) -> list[str]:
        ends.wait(60)
        return ["8.8.8.8"]

    with pytest.raises(Unanswered, match="nowhere"):
        Outbound(resolve=resolve).addresses("silent.example", 443, timeout_s=0)
    ends.set()


@pytest.mark.parametrize(
    "url",
    [
        "", "hooks.example", "//hooks.example", "ftp://hooks.example", "file:///etc/passwd", "gopher://hooks.example",
        "javascript:1", "https://", "https:///path", "http://a\nb", "https://user:secret@hooks.example/",
        "https://user@hooks.example", "https://hooks.example/" + "a" * 2000, "http://127.0.0.1/", "https://[::1]:8000/",
        "http://169.254.169.254/latest", "http://[::ffff:10.0.0.1]/", "http://0.0.0.0",
    ],
)  # fmt: skip
def test_a_url_that_no_stranger_may_give_is_refused(url: str) -> None:
    with pytest.raises(Refused, match=r"\.$"):
        Outbound().check(url)


def test_a_url_in_the_clear_is_refused_where_only_https_will_do() -> None:
    assert Outbound().check("http://hooks.example/a?b=c").host == "hooks.example"
    assert Outbound().check("https://bücher.example:8443/", https_only=True).raw_host == b"xn--bcher-kva.example"
    with pytest.raises(Refused, match="https://"):
        Outbound().check("http://hooks.example/", https_only=True)
