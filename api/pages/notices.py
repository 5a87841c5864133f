"""Notices as their parties see them: filing, following, answering; and what the public may read."""

from fastapi import APIRouter

router = APIRouter()
