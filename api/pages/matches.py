"""Matches: what checks found of a holder's works."""

from fastapi import APIRouter

router = APIRouter()
