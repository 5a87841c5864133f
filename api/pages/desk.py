"""Notices as reviewers see them: by deadline, with everything that is needed to decide."""

from fastapi import APIRouter

router = APIRouter()
