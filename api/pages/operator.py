"""How the service is: health, queues, index, storage, signer, trust, letters, settings; and who is who."""

from fastapi import APIRouter

router = APIRouter()
