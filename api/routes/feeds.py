"""The feed that copies of the registry follow, in signed pages."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.access import TheActor, TheService
from api.schemas.feeds import FeedPlace
from registry import feed
from registry.domain.feed import sign_page

_PAGE = "application/jwt"
router = APIRouter(prefix="/v1/feeds", tags=["feeds"])


@router.get("/reservations", response_class=Response, responses={200: {"content": {_PAGE: {}}}})
def get_reservations(_actor: TheActor, service: TheService, place: Annotated[FeedPlace, Query()]) -> Response:
    """What changed after a place in the log, as it is now: a compact JWS by a key of `/.well-known/jwks.json`."""
    issuer, at = service.settings.log_origin, service.now()
    with service.database.reading() as session:
        page = feed.page(session, issuer=issuer, since=place.since, limit=place.limit, at=at)
    return Response(sign_page(page, service.tokens), media_type=_PAGE)
