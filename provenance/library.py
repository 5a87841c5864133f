"""The one place that speaks to c2pa.

Decides the library's settings and turns its exceptions into ours. It judges
nothing: the validation report goes out as the library wrote it (report reads it).

Every call makes its own context: what was made before a fork dies in the child.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from c2pa import (  # type: ignore[import-untyped]  # it ships no types
    Builder,
    C2paError,
    C2paSigningAlg,
    Context,
    Reader,
)
from c2pa import Signer as LibrarySigner

from provenance.authority import C2PA_CLAIM_SIGNING, EMAIL_PROTECTION, Signer, TrustAnchor
from provenance.errors import KeyUnavailable, SigningFailed, TimeStampFailed
from provenance.keys import SigningAlgorithm
from provenance.manifest import PARENT_ID, THUMBNAIL_ID, ingredient_id
from provenance.model import Ingredient, IntegrityState

_URL = re.compile(r"https?://[^\s\"'<>]{1,2000}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the library says of a manifest store: its own JSON, and crJSON (C2PA 2.4), which names certificates."""

    json: str
    crjson: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReport:
    """Why the library gave no validation report; `code` is for explanations.explain."""

    state: IntegrityState
    code: str | None
    remote_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A file to be signed or to be named as an ingredient, with what is known of its kind."""

    path: Path
    media_type: str


def validation_report(
    path: Path, media_type: str, anchors: tuple[TrustAnchor, ...], *, manifest_store: bytes | None = None
) -> Report | NoReport:
    """The library's report on a file's manifest store, or why there is none.

    Args:
        manifest_store: read this one instead of what the file carries.
    Raises OSError when the file cannot be opened.
    """
    with path.open("rb") as stream:
        try:
            with (
                Context.from_dict(_settings(anchors)) as context,
                Reader(media_type, stream, manifest_data=manifest_store, context=context) as reader,
            ):
                return Report(json=str(reader.json()), crjson=str(reader.crjson()))
        except C2paError.ManifestNotFound:
            return NoReport(state=IntegrityState.ABSENT, code=None)
        except C2paError.NotSupported:
            return NoReport(state=IntegrityState.UNREADABLE, code="clearmark.container.unsupported")
        except (
            C2paError.Verify,
            C2paError.Decoding,
            C2paError.Signature,
            C2paError.Assertion,
            C2paError.AssertionNotFound,
            C2paError.Other,
            C2paError.Manifest,
            C2paError.Json,
        ):
            return NoReport(state=IntegrityState.UNREADABLE, code="clearmark.manifest.undecodable")
        except C2paError as error:
            # Its class for remote manifests is not the one it raises. Had it tried to
            # fetch and failed, the message would be another: that is not what we allow.
            if str(error).startswith("Remote: must fetch"):
                url = _URL.search(str(error))
                code, remote = "clearmark.manifest.remote", url.group() if url else None
                return NoReport(state=IntegrityState.REMOTE, code=code, remote_url=remote)
            return NoReport(state=IntegrityState.UNREADABLE, code="clearmark.container.unreadable")


def sign_media(
    source: Path,
    target: Path,
    media_type: str,
    manifest: Mapping[str, Any],
    *,
    signer: Signer,
    anchors: tuple[TrustAnchor, ...],
    parent: Opened | None = None,
    parent_title: str = "",
    ingredients: tuple[Ingredient, ...] = (),
    ingredient_types: tuple[str, ...] = (),
    thumbnail_jpeg: bytes | None = None,
    tsa_url: str | None = None,
    beside: bool = False,
) -> bytes:
    """Write `source` with a signed manifest to `target`, which must be another, scratch file; the manifest store.

    A failed call leaves a complete but invalid file at `target`: the caller
    signs to a scratch file and reads it again before anyone sees it.

    Args:
        parent: when given, this file becomes the parent ingredient `PARENT_ID`.
        tsa_url: an RFC 3161 authority; the library speaks to no other host.
        beside: leave the file as it is; the store that is returned goes beside it.
    Raises:
        TimeStampFailed: the authority gave no usable time-stamp.
        KeyUnavailable: the key did not sign.
        SigningFailed: anything else.
    """
    identity, asked = signer.identity, _Asked(signer)
    algorithm = _ALGORITHMS[identity.algorithm]
    try:
        with Context.from_dict(_settings(anchors)) as context, Builder(dict(manifest), context) as builder:
            if beside:
                builder.set_no_embed()
            if thumbnail_jpeg is not None:
                builder.add_resource(THUMBNAIL_ID, io.BytesIO(thumbnail_jpeg))
            if parent is not None:
                said = {"title": parent_title, "relationship": "parentOf", "label": PARENT_ID}
                with parent.path.open("rb") as stream:
                    builder.add_ingredient(said, parent.media_type, stream)
            for place, (one, kind) in enumerate(zip(ingredients, ingredient_types, strict=True)):
                said = {"title": one.title, "relationship": one.relationship.value, "label": ingredient_id(place)}
                with one.path.open("rb") as stream:
                    builder.add_ingredient(said, kind, stream)
            with (
                LibrarySigner.from_callback(asked, algorithm, identity.certificate_chain_pem, tsa_url or None) as key,
                source.open("rb") as media,
                target.open("w+b") as signed,
            ):
                return bytes(builder.sign(key, media_type, media, signed))
    except C2paError as error:
        if asked.refusal is not None:
            raise asked.refusal from error
        # What an authority did not answer, or answered badly, fails as the signature does, or as its verification:
        # by then the key has signed.
        if tsa_url and isinstance(error, C2paError.Signature | C2paError.Verify):
            raise TimeStampFailed(reason=f"{tsa_url}: {str(error)[:300]}") from error
        raise SigningFailed(reason=str(error)[:500]) from error


_ALGORITHMS = {algorithm: C2paSigningAlg[algorithm.name] for algorithm in SigningAlgorithm}


class _Asked:
    """The signing key as the library calls it; it swallows exceptions, so what went wrong is kept here."""

    def __init__(self, signer: Signer) -> None:
        self._key = signer.key
        self.refusal: KeyUnavailable | None = None

    def __call__(self, data: bytes) -> bytes:
        try:
            return self._key.sign(data)
        except KeyUnavailable as error:
            self.refusal = error
            return b""


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
