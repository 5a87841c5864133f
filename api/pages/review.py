"""The review queue: checks that wait for a person, and what they see of them."""

from fastapi import APIRouter

router = APIRouter()
