"""What a web page says of a release to search engines: schema.org JSON-LD, the same as the release's manifest says.

Source: schema.org MediaObject, digitalSourceType and IPTCDigitalSourceEnumeration; IPTC guidance for search engines.
"""

import json
from datetime import UTC
from typing import Any

from provenance.report import stated_history
from provenance.source_types import source_type_of
from registry.models import Release

_KINDS = {"video": "VideoObject", "audio": "AudioObject", "image": "ImageObject"}


def written(said: dict[str, Any]) -> str:
    """JSON-LD as text that ends no script element, whatever people called their clips."""
    return json.dumps(said, indent=2, ensure_ascii=False).replace("<", "\\u003c")


def snippet(release: Release, *, credentials_url: str) -> dict[str, Any]:
    """JSON-LD of a release for the head of a page that shows it.

    Args:
        credentials_url: where its manifest store is to be had.
    """
    history = stated_history(json.dumps(release.manifest))
    stated = [source_type_of(action.digital_source_type) for action in history]
    agents = dict.fromkeys(action.software_agent for action in history if action.software_agent)
    source_type = next((kind for kind in stated if kind is not None), None)
    said: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": _KINDS.get(release.media_type.partition("/")[0], "MediaObject"),
        "name": release.title,
        "encodingFormat": release.media_type,
        "sha256": release.sha256,
        "uploadDate": release.created_at.astimezone(UTC).isoformat(),
        "identifier": [release.id, *([release.iscc] if release.iscc else [])],
        "subjectOf": {"@type": "DigitalDocument", "encodingFormat": "application/c2pa", "url": credentials_url},
    }
    if source_type is not None and source_type.schema_org is not None:
        said["digitalSourceType"] = source_type.schema_org
    if agents:
        said["creditText"] = f"Made with {', '.join(agents)}"
    return said
