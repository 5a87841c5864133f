"""Letters on their way: one recipient, whatever the address looks like, and nothing left of who is forgotten."""

from datetime import UTC, datetime
from email.utils import getaddresses
from pathlib import Path

import pytest

from api.mail import FolderPost, message
from api.settings import Settings
from registry.models import Mail

AT = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)


def _mail(recipient: str = "ada@studio.example") -> Mail:
    return Mail(id="mal_1", recipient=recipient, subject="Hello", text="Text\n", created_at=AT)


@pytest.mark.parametrize("address", ["ada@studio.example", "o'hara+films@studio.example", "a=b?c#{d}@studio.example"])
def test_a_letter_goes_to_the_one_address_that_was_given(address: str, tmp_path: Path) -> None:
    made = message(_mail(address), Settings(data_dir=tmp_path))
    assert [found for _, found in getaddresses([str(made["To"])])] == [address]


@pytest.mark.parametrize(
    "address",
    [
        "root,postmaster,x@e.example",
        "=?utf-8?q?a=40b.example=2cc=40d.example?=,e@x.example",
        "a@x.example\nBcc: b@x.io",
    ],
)
def test_an_address_that_means_several_is_sent_to_none(address: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"addr_spec|CR or LF"):
        message(_mail(address), Settings(data_dir=tmp_path))


def test_letters_in_the_folder_go_when_they_are_forgotten(tmp_path: Path) -> None:
    post = FolderPost(Settings(data_dir=tmp_path))
    post.send(_mail())
    [letter] = (tmp_path / "mail").glob("*.eml")
    post.forget(["mal_0"])
    assert letter.exists()
    post.forget(["mal_1"])
    post.forget(["mal_1"])
    assert list((tmp_path / "mail").iterdir()) == []
