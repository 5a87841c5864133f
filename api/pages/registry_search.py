"""The public registry: what is registered, and what is reserved of it."""

from fastapi import APIRouter

router = APIRouter()
