"""Reading what sites and files say of uses: a stranger's file is opened by a process that may die."""

import json
from http import HTTPStatus
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired

from api.problems import Problem
from api.service import Service
from fingerprinting.sandbox import ProcessLimits, bound_python, environment
from provenance.media_types import media_type_of
from registry.errors import Invalid
from registry.formats import cawg
from registry.formats.reading import SourceKind, from_json
from registry.formats.statements import FormatError, Reading

_LIMITS = ProcessLimits(cpu_s=60, wall_s=90.0, memory_bytes=2 << 30)


def read_source(service: Service, kind: SourceKind, path: Path) -> Reading:
    """What a source says. Raises: Invalid: it cannot be read as that; Problem: others are having theirs read."""
    with service.document_slots.taken():
        told = _told(kind, path)
    try:
        answer = json.loads(told)
    except ValueError:
        raise Invalid(field="file", problem=f"It could not be read as {kind} within limits.") from None
    if "problem" in answer:
        raise Invalid(field="file", problem=answer["problem"])
    return from_json(answer)


def _told(kind: SourceKind, path: Path) -> bytes:
    command = bound_python(["-m", "registry.formats.reading", kind.value, str(path)], _LIMITS, reads=[path])
    with Popen(command, stdout=PIPE, stderr=PIPE, env=environment(), start_new_session=True) as child:
        try:
            return child.communicate(timeout=_LIMITS.wall_s)[0]
        except TimeoutExpired:
            child.kill()
            return b""


def read_credentials(service: Service, path: Path) -> Reading:
    """What a media file's own manifest says: its `cawg.training-mining` assertion. Raises: Problem, Invalid."""
    media_type = media_type_of(path)
    if media_type is None:
        detail = "Send a media file with Content Credentials, or say what else it is with the field kind."
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
    with service.media_slots.taken():
        facts = service.provenance.read(path, media_type)
    if not facts.training_mining:
        raise Invalid(field="file", problem="It has no manifest that says anything of training and mining.")
    try:
        return cawg.read({"entries": facts.training_mining})
    except FormatError as error:
        raise Invalid(field="file", problem=error.problem) from None
