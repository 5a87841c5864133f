"""The dashboard of who holds rights: works, matches, deadlines and conflicts at a glance."""

from fastapi import APIRouter

router = APIRouter()
