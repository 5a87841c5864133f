"""Uploads from pages: files sent in pieces that can be resumed."""

from fastapi import APIRouter

router = APIRouter()
