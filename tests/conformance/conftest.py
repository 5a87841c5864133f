"""One workshop for all: media, two signers who do not know each other, and what they sign."""

import pytest

from provenance.authority import Credentials
from provenance.model import ReleaseClaim
from tests.conformance.workshop import MediaMaker, Workshop
from tests.unit.provenance.conftest import claim, media, now, own, stranger

__all__ = ["claim", "media", "now", "own", "stranger"]  # fixtures of the unit tests, which are here as well


@pytest.fixture(scope="session")
def workshop(
    tmp_path_factory: pytest.TempPathFactory, media: MediaMaker, own: Credentials, stranger: Credentials,
    claim: ReleaseClaim,
) -> Workshop:  # fmt: skip
    folder = tmp_path_factory.mktemp("workshop")
    return Workshop(folder=folder, media=media, own=own, stranger=stranger, claim=claim)
