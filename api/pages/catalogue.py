"""Whole catalogues: importing them with a report of every row, and exporting them."""

from fastapi import APIRouter

router = APIRouter()
