"""Works: registering them, their files, and what is reserved of them."""

from fastapi import APIRouter

router = APIRouter()
