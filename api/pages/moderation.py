"""What else reviewers decide: conflicts, findings, the negative bank, quarantines; and who decided what."""

from fastapi import APIRouter

router = APIRouter()
