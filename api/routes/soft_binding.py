"""C2PA Soft Binding Resolution API 2.4: credentials found again by what a file shows, for anybody's reader.

What can be asked is what this service knows: manifests of its own releases. Others' manifests and bindings are not
taken in, and no address that a stranger names is fetched, so `storeManifests`, `storeBindings` and
`queryByReference` are not among the capabilities.
"""

import base64
import binascii
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from python_multipart.multipart import parse_options_header

from api.access import BaseUrl, TheService
from api.problems import Problem
from api.schemas.soft_binding import (
    AlgorithmsOut,
    BindingIn,
    BindingOut,
    CapabilitiesOut,
    DiscoveryOut,
    MatchesOut,
    NamedAlgorithm,
    StatusOut,
)
from api.service import Service
from api.shown import shown_in
from api.uploads import Upload, receive_raw
from fingerprinting.decode import probe
from fingerprinting.errors import MediaError
from fingerprinting.iscc import ALGORITHM as ISCC
from fingerprinting.iscc import iscc_of
from registry import soft_bindings
from registry.errors import Invalid
from registry.releases import SOFT_BINDINGS
from registry.soft_bindings import Binding

SPECIFICATION = "2.4.0"
_MOST_QUERY_CHARS, _MOST = 4096, 100
_MEDIA = ("image", "audio", "video")
_BYTES = "application/octet-stream"
_KINDS = ["image/*", "audio/*", "video/*", _BYTES]

router = APIRouter(tags=["soft binding resolution"])

MaxResults = Annotated[int, Query(alias="maxResults", ge=1, description="At most 100 are given.")]
Algorithm = Annotated[str | None, Query(max_length=200)]


@router.get("/.well-known/c2pa-soft-binding-resolution", response_model_exclude_none=True)
def discover(url: BaseUrl) -> DiscoveryOut:
    """Where the resolution API of this origin is."""
    base = f"{url}/sbr"
    return DiscoveryOut(
        api_endpoint=base,
        c2pa_specification_version=SPECIFICATION,
        capabilities_endpoint=f"{base}/services/capabilities",
        status_endpoint=f"{base}/services/status",
    )


@router.get("/sbr/services/capabilities")
def get_capabilities() -> CapabilitiesOut:
    return CapabilitiesOut(c2pa_specification_version=SPECIFICATION, supported_capabilities=["queryByContent"])


@router.get("/sbr/services/status")
def get_status(service: TheService) -> StatusOut:
    ready = service.index_ready.is_set()
    return StatusOut(status="ok" if ready else "degraded", timestamp=service.now())


@router.get("/sbr/services/supportedAlgorithms")
def get_algorithms() -> AlgorithmsOut:
    """What can be asked by. `io.iscc.v0` is of the C2PA's list; the others are this service's own fingerprints."""
    return AlgorithmsOut(watermarks=[], fingerprints=[NamedAlgorithm(alg=alg) for alg in soft_bindings.ALGORITHMS])


@router.get("/sbr/matches/byBinding", response_model_exclude_none=True)
def match_binding(
    service: TheService,
    alg: Annotated[str, Query(max_length=200)],
    value: Annotated[str, Query(description="Base64, with padding.")],
    max_results: MaxResults = 10,
) -> MatchesOut:
    """The manifests that a soft binding's value may belong to."""
    if len(value) > _MOST_QUERY_CHARS:
        detail = f"In the address a value has at most {_MOST_QUERY_CHARS} characters. Send it with POST."
        raise Problem(HTTPStatus.REQUEST_URI_TOO_LONG, "value-too-long", detail)
    return _by_value(service, alg, value, max_results)


@router.post("/sbr/matches/byBinding", response_model_exclude_none=True)
def match_long_binding(service: TheService, body: BindingIn, max_results: MaxResults = 10) -> MatchesOut:
    """The same, for a value that is too long for an address."""
    return _by_value(service, body.alg, body.value, max_results)


async def _asset(request: Request) -> AsyncIterator[Upload]:
    kind = parse_options_header(request.headers.get("content-type", ""))[0].decode(errors="replace").lower()
    if kind.partition("/")[0] not in _MEDIA and kind != _BYTES:
        detail = f"Send the file itself as the body, and its kind as Content-Type: {', '.join(_KINDS)}."
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
    async for upload in receive_raw(request):
        yield upload


_BODY = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _KINDS},
    }
}


@router.post("/sbr/matches/byContent", response_model_exclude_none=True, openapi_extra=_BODY)
def match_content(
    service: TheService,
    upload: Annotated[Upload, Depends(_asset)],
    alg: Algorithm = None,
    max_results: MaxResults = 10,
    hint_alg: Annotated[str | None, Query(alias="hintAlg", max_length=200)] = None,
    hint_value: Annotated[str | None, Query(alias="hintValue", max_length=_MOST_QUERY_CHARS)] = None,
) -> MatchesOut:
    """The manifests of releases that a file came from: cut, re-encoded, cropped, or its sound alone.

    With `alg` it is compared by that algorithm alone; a hint is asked for where the file itself leads nowhere.
    """
    if alg is not None and alg not in soft_bindings.ALGORITHMS:
        raise Invalid(field="alg", problem=f"Ask by one of {', '.join(soft_bindings.ALGORITHMS)}.")
    if (hint_alg is None) != (hint_value is None):
        raise Invalid(field="hintAlg", problem="A hint has an algorithm and a value.")
    with service.media_slots.taken():
        found = _by_content(service, upload, alg, max_results)
    if not found.matches and hint_alg is not None and hint_value is not None:
        found = _by_value(service, hint_alg, hint_value, max_results)
    return found


@router.get(
    "/sbr/manifests/{manifest_id}",
    response_class=Response,
    responses={200: {"content": {"application/c2pa": {}}, "description": "The manifest store."}},
)
def get_manifest(
    manifest_id: str,
    service: TheService,
    return_active_manifest: Annotated[bool, Query(alias="returnActiveManifest")] = False,
) -> Response:
    """The manifest store that a manifest is the active one of, its ingredients' manifests included.

    `returnActiveManifest=true` asks for that manifest without them: answered where there are none.
    """
    with service.database.reading() as session:
        store = soft_bindings.manifest_store(session, manifest_id, active_only=return_active_manifest)
    return Response(store, media_type="application/c2pa")


def _by_value(service: Service, alg: str, value: str, most: int) -> MatchesOut:
    try:
        binding = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(field="value", problem="It is no base64.") from None
    with service.media_slots.taken(), service.database.reading() as session:
        return _matches(soft_bindings.by_value(session, service.index, alg, binding, most=min(most, _MOST)))


def _by_content(service: Service, upload: Upload, alg: str | None, most: int) -> MatchesOut:
    limits, most = service.decode_limits, min(most, _MOST)
    try:
        if alg == ISCC:
            code = iscc_of(upload.path, probe(upload.path, limits=limits), limits=limits)
            with service.database.reading() as session:
                asked = code.value if code is not None else None
                return _matches(soft_bindings.by_value(session, service.index, ISCC, asked, most=most) if asked else [])
        shown, only = shown_in(service, upload), SOFT_BINDINGS.get(alg) if alg is not None else None
        with service.database.reading() as session:
            found = soft_bindings.by_content(session, upload.sha256, shown, service.index, only=only, most=most)
        return _matches(found)
    except MediaError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "not-media", error.problem, fault=error.fault) from None


def _matches(found: list[Binding]) -> MatchesOut:
    return MatchesOut(matches=[BindingOut(manifest_id=b.manifest_id, similarity_score=b.similarity) for b in found])
