"""Live progress: what changes of files, checks and imports, as server-sent events."""

from fastapi import APIRouter

router = APIRouter()
