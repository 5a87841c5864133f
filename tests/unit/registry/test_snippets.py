"""JSON-LD of releases: what search engines are told is what the manifest says, and ends no page's script."""

import json
from typing import Any

import pytest

from provenance.source_types import SourceType
from registry.models import Release
from registry.snippets import snippet, written
from tests.factories import AT

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def release(source_type: SourceType | None, *, title: str = "Harbour", agent: str | None = "model 2") -> Release:
    created: dict[str, Any] = {"action": "c2pa.created"}
    if source_type is not None:
        created["digitalSourceType"] = IPTC + source_type
    if agent is not None:
        created["softwareAgent"] = {"name": agent}
    manifest = {"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}]}
    return Release(
        id="rel_1", title=title, media_type="video/mp4", sha256="ab" * 32, created_at=AT, iscc=None,
        manifest={"active_manifest": "urn:c2pa:1", "manifests": {"urn:c2pa:1": manifest}},
    )  # fmt: skip


@pytest.mark.parametrize("source_type", SourceType)
def test_a_page_says_of_how_it_was_made_what_the_manifest_says(source_type: SourceType) -> None:
    assert snippet(release(source_type), credentials_url="u").get("digitalSourceType") == source_type.schema_org


def test_what_a_manifest_does_not_say_a_page_does_not() -> None:
    said = snippet(release(None, agent=None), credentials_url="https://x/c")
    assert said.keys().isdisjoint({"digitalSourceType", "creditText"})
    assert said["subjectOf"]["url"] == "https://x/c"
    assert snippet(release(None), credentials_url="u")["creditText"] == "Made with model 2"


def test_a_file_that_was_signed_again_is_what_it_was_made_as() -> None:
    first = release(SourceType.TRAINED_ALGORITHMIC_MEDIA)
    opened = {
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [{"action": "c2pa.opened"}]}}],
        "ingredients": [{"relationship": "parentOf", "active_manifest": "urn:c2pa:1"}],
    }
    first.manifest = {
        "active_manifest": "urn:c2pa:2", "manifests": {**first.manifest["manifests"], "urn:c2pa:2": opened},
    }  # fmt: skip
    said = snippet(first, credentials_url="u")
    assert said["digitalSourceType"] == SourceType.TRAINED_ALGORITHMIC_MEDIA.schema_org
    assert said["creditText"] == "Made with model 2"


def test_no_title_ends_the_script_that_it_stands_in() -> None:
    title = "</script><script>alert(1)</script>"
    text = written(snippet(release(None, title=title), credentials_url="u"))
    assert "<" not in text
    assert json.loads(text)["name"] == title
