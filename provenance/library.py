"""The one place that speaks to c2pa.

Decides the library's settings and turns its exceptions into ours. It judges
nothing: the validation report goes out as the library wrote it (report reads it).

Every call makes its own context: what was made before a fork dies in the child.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from c2pa import (  # type: ignore[import-untyped]  # it ships no types
    Builder,
    C2paError,
    C2paSignerInfo,
    Context,
    Reader,
    Signer,
)

from provenance.authority import C2PA_CLAIM_SIGNING, EMAIL_PROTECTION, SigningIdentity, TrustAnchor
from provenance.errors import SigningFailed
from provenance.manifest import PARENT_ID
from provenance.model import IntegrityState


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReport:
    """Why the library gave no validation report; `code` is for explanations.explain."""

    state: IntegrityState
    code: str | None


def validation_report(path: Path, media_type: str, anchors: tuple[TrustAnchor, ...]) -> str | NoReport:
    """The library's JSON report on a file's manifest store, or why there is none.

    Raises OSError when the file cannot be opened.
    """
    with path.open("rb") as stream:
        try:
            with (
                Context.from_dict(_settings(anchors)) as context,
                Reader(media_type, stream, context=context) as reader,
            ):
                return str(reader.json())
        except C2paError.ManifestNotFound:
            return NoReport(state=IntegrityState.ABSENT, code=None)
        except C2paError.NotSupported:
            return NoReport(state=IntegrityState.UNREADABLE, code="clearmark.container.unsupported")
        except (
            C2paError.Verify,
            C2paError.Decoding,
            C2paError.Signature,
            C2paError.Assertion,
            C2paError.Manifest,
            C2paError.Json,
        ):
            return NoReport(state=IntegrityState.UNREADABLE, code="clearmark.manifest.undecodable")
        except C2paError as error:
            # Its class for remote manifests is not the one it raises. Had it tried to
            # fetch and failed, the message would be another: that is not what we allow.
            if str(error).startswith("Remote: must fetch"):
                return NoReport(state=IntegrityState.REMOTE, code="clearmark.manifest.remote")
            return NoReport(state=IntegrityState.UNREADABLE, code="clearmark.container.unreadable")


def sign_media(
    source: Path,
    target: Path,
    media_type: str,
    manifest: Mapping[str, Any],
    *,
    identity: SigningIdentity,
    anchors: tuple[TrustAnchor, ...],
    parent_title: str | None,
    tsa_url: str | None,
) -> None:
    """Write `source` with a signed manifest to `target`, which must be another, scratch file.

    A failed call leaves a complete but invalid file at `target`: the caller
    signs to a scratch file and reads it again before anyone sees it.

    Args:
        parent_title: when given, `source` becomes the parent ingredient `PARENT_ID`.
        tsa_url: an RFC 3161 authority; the library speaks to no other host.
    """
    try:
        with Context.from_dict(_settings(anchors)) as context, Builder(dict(manifest), context) as builder:
            if parent_title is not None:
                ingredient = {"title": parent_title, "relationship": "parentOf", "label": PARENT_ID}
                with source.open("rb") as parent:
                    builder.add_ingredient(ingredient, media_type, parent)
            with (
                _signer(identity, tsa_url) as signer,
                source.open("rb") as media,
                target.open("w+b") as signed,
            ):
                builder.sign(signer, media_type, media, signed)
    except C2paError as error:
        raise SigningFailed(reason=str(error)[:500]) from error


def _signer(identity: SigningIdentity, tsa_url: str | None) -> Signer:
    info = C2paSignerInfo(
        identity.algorithm.value,
        identity.certificate_chain_pem.encode("ascii"),
        identity.key_path.read_bytes(),
        tsa_url or None,  # an empty address would be called
    )
    return Signer.from_info(info)


def _settings(anchors: tuple[TrustAnchor, ...]) -> dict[str, Any]:
    """The library's settings. It accepts mistyped names in silence: change none without a test that notices.

    Fetching manifests has two locks, the setting under `verify` and the empty
    list of hosts (which does not bind the time-stamp authority).
    """
    return {
        "builder": {"thumbnail": {"enabled": False}},
        "core": {"allowed_network_hosts": []},
        "trust": {
            "trust_config": f"{C2PA_CLAIM_SIGNING}\n{EMAIL_PROTECTION}",
            "anchors": [
                {"trust_anchors": anchor.pem, "trust_kind": anchor.kind.value, "trust_uri": anchor.uri}
                for anchor in anchors
            ],
        },
        "verify": {"remote_manifest_fetch": False},
    }
