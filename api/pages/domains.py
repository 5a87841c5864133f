"""Domains: showing that a site is a holder's, step by step."""

from fastapi import APIRouter

router = APIRouter()
