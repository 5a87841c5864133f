"""What a generation pipeline needs: checks, releases, keys, webhooks, and a page to try it."""

from fastapi import APIRouter

router = APIRouter()
