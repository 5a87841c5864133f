"""What others look up about this service without knowing its API."""

from typing import Any

from fastapi import APIRouter

from api.access import TheService

router = APIRouter(prefix="/.well-known", tags=["well-known"])


@router.get("/jwks.json")
def get_keys(service: TheService) -> dict[str, Any]:
    """The keys that feeds and grants are signed with, as a JWK set (RFC 7517)."""
    return service.tokens.public()
