"""The account of who is signed in, and the holder they act for."""

from fastapi import APIRouter

router = APIRouter()
