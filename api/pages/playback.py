"""Media for players, to those who may see it."""

from fastapi import APIRouter

router = APIRouter()
