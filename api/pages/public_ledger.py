"""The public ledger: its checkpoints, and proving that something stands in it."""

from fastapi import APIRouter

router = APIRouter()
