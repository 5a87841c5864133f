"""What a file that somebody asks about shows: as remembered, as its own check kept it, or decoded now."""

from api.service import Service
from api.uploads import Upload
from fingerprinting.extract import Extracted, extract_query
from registry import releases


def shown_in(service: Service, upload: Upload) -> Extracted:
    """What the file shows, for one search. Raises: MediaError."""
    with service.memory.extracted.finding_out(upload.sha256):
        known = service.memory.extracted.get(upload.sha256)
        if known is None:
            known = _kept(service, upload) or extract_query(
                upload.path, limits=service.decode_limits, embedder=service.embedder
            )
            service.memory.note_extracted(upload.sha256, known)
    return known.again()


def _kept(service: Service, upload: Upload) -> Extracted | None:
    """What decoding a release of ours would give again: its check kept that. A network sees more than is kept."""
    if service.embedder is not None:
        return None
    with service.database.reading() as session:
        kept = releases.fingerprint_of_file(session, upload.sha256, service.algorithms)
    return Extracted(fingerprint=kept) if kept is not None else None
