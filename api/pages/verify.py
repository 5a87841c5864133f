"""Verifying: where a file came from, for anyone; the front page."""

from fastapi import APIRouter

router = APIRouter()
