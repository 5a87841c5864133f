"""What a generation pipeline needs: checks, releases, keys, webhooks, usage, and a page to try it."""

from fastapi import APIRouter

from api.pages import checks_pages, keys, releases_pages, usage_pages, webhook_pages

router = APIRouter()
for _part in (checks_pages, releases_pages, keys, webhook_pages, usage_pages):
    router.include_router(_part.router)
