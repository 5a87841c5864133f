"""Resumable uploads by the tus protocol 1.0.0 (https://tus.io); a form then names one in place of a file.

`OPTIONS` and `HEAD` belong to it too. They have no bodies, and are left to the protocol's own specification.
"""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.routing import APIRoute

from api.access import TheActor, TheService
from api.problems import Problem, problem_of
from api.resumable import Owner, Resumable, Uploads, append
from api.service import Service
from registry.errors import RegistryError

_VERSION: Final = "1.0.0"
_SPOKEN: Final = {"Tus-Resumable": _VERSION}
_PIECE: Final = "application/offset+octet-stream"


class TusRoute(APIRoute):
    """Says in each answer of its own what it speaks, in refusals too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def speaking(request: Request) -> Response:
            try:
                answer = await handle(request)
            except (Problem, RegistryError) as error:
                problem = error if isinstance(error, Problem) else problem_of(error)
                problem.headers = {**(problem.headers or {}), **_SPOKEN}
                raise problem from error
            answer.headers.update(_SPOKEN)
            return answer

        return speaking


router = APIRouter(prefix="/v1", tags=["uploads"], route_class=TusRoute)


def require_version(tus_resumable: Annotated[str | None, Header(description=f"`{_VERSION}`")] = None) -> None:
    """Raises: Problem: another version of the protocol is spoken, or none."""
    if tus_resumable != _VERSION:
        detail = f"Send the header Tus-Resumable: {_VERSION}; no other version is spoken here."
        raise Problem(HTTPStatus.PRECONDITION_FAILED, "tus-version", detail, headers={"Tus-Version": _VERSION})


def _uploads_of(
    actor: TheActor, service: TheService, _version: Annotated[None, Depends(require_version)]
) -> Uploads:  # fmt: skip
    return Uploads(service, Owner.holder(actor.holder_id))


OwnUploads = Annotated[Uploads, Depends(_uploads_of)]
Length = Annotated[int, Header(alias="Upload-Length", ge=0, description="Of the whole file, in bytes.")]
Metadata = Annotated[str, Header(alias="Upload-Metadata", description="`filename` and its name in base64.")]
Offset = Annotated[int, Header(alias="Upload-Offset", ge=0, description="How much of the file came before, in bytes.")]
PIECE_BODY: Final = {
    "requestBody": {"required": True, "content": {_PIECE: {"schema": {"type": "string", "format": "binary"}}}}
}


def told(service: Service) -> Response:
    """What can be done here."""
    most = str(service.settings.max_upload_bytes)
    said = {"Tus-Version": _VERSION, "Tus-Extension": "creation,termination,expiration", "Tus-Max-Size": most}
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=said)


def begun(upload: Resumable, path: str) -> Response:
    return Response(status_code=HTTPStatus.CREATED, headers={"Location": f"{path}/{upload.id}", **upload.headers})


def standing(upload: Resumable) -> Response:
    said = {"Upload-Length": str(upload.length_bytes), **upload.headers}
    return Response(headers=said | ({"Upload-Metadata": upload.metadata} if upload.metadata else {}))


async def gone_on(request: Request, uploads: Uploads, upload_id: str, offset: int) -> Response:
    """One more piece is taken."""
    if request.headers.get("content-type", "").lower() != _PIECE:
        detail = f"Send a piece of a file as {_PIECE}."
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
    upload = await append(request, uploads, upload_id, offset)
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=upload.headers)


@router.options("/uploads", include_in_schema=False)
def tell(service: TheService) -> Response:
    return told(service)


@router.post("/uploads", status_code=HTTPStatus.CREATED, response_class=Response)
def begin_upload(uploads: OwnUploads, length: Length, metadata: Metadata = "") -> Response:
    """Begin a resumable upload (tus 1.0.0); its pieces go to `Location`."""
    return begun(uploads.create(length, metadata), "/v1/uploads")


@router.head("/uploads/{upload_id}", include_in_schema=False)
def get_upload(upload_id: str, uploads: OwnUploads) -> Response:
    return standing(uploads.find(upload_id))


@router.patch(
    "/uploads/{upload_id}", status_code=HTTPStatus.NO_CONTENT, response_class=Response, openapi_extra=PIECE_BODY
)
async def continue_upload(request: Request, upload_id: str, uploads: OwnUploads, offset: Offset) -> Response:
    """Send the next piece, from where `HEAD` says the upload stands."""
    return await gone_on(request, uploads, upload_id, offset)


@router.delete("/uploads/{upload_id}", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
def end_upload(upload_id: str, uploads: OwnUploads) -> Response:
    """Let go of what came of an upload; used ones end by themselves."""
    uploads.end(upload_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)
