"""Signing and reading, as a protocol and in this process.

Decides the order that makes a release safe: sign to a scratch file, read it
again, and only an intact file of a trusted signer gets its name. It does not
decide whether a clip may be released, nor protect the process from hostile
media (isolated does, with the same protocol).
"""

import hashlib
import json
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from provenance.authority import Credentials, TrustAnchor
from provenance.errors import ReadFailed, SigningFailed, TimeStampFailed, UnsupportedContainer
from provenance.explanations import explain
from provenance.library import NoReport, Opened, Report, sign_media, validation_report
from provenance.manifest import build_manifest, opens_source
from provenance.media_types import BESIDE, SIGNABLE, ends_early, media_type_of
from provenance.model import (
    Ingredient,
    IntegrityState,
    ManifestFacts,
    ReleaseClaim,
    SignedFile,
    SignerState,
    TimeStampState,
)
from provenance.report import facts_from_report, stated_history, without_report
from provenance.signature import chain_of
from provenance.store import manifest_store_of
from provenance.timestamps import tries
from provenance.xmp import CARRIERS, CannotCarry, write_source_type

_UNKNOWN_TYPE = "application/octet-stream"


class ProvenanceEngine(Protocol):
    """What the service asks of provenance."""

    def sign(
        self, source: Path, target: Path, claim: ReleaseClaim, ingredients: tuple[Ingredient, ...] = ()
    ) -> SignedFile:
        """Sign `source` to `target`; the file's own bytes, not the claim, decide its media type.

        `target` appears whole, intact and trusted, or not at all. Input that is
        signed already keeps its history as parent ingredient. A kind of file that
        carries no credentials stays as it is; they are in the answer, to lie beside it.

        Raises:
            UnsupportedContainer: this kind of file cannot be signed.
            IdentityInvalid: the signer's certificate is not valid now.
            KeyUnavailable: the signing key cannot be reached, or refused.
            TimeStampFailed: no authority gave a time-stamp.
            SigningFailed: anything else, with the reason.
        """

    def read(self, path: Path, media_type: str, manifest_store: bytes | None = None) -> ManifestFacts:
        """What a file says of itself; damaged and hostile files have an answer too.

        Args:
            media_type: what the file is said to be; used when its bytes do not tell.
            manifest_store: credentials that lie beside the file, read instead of those in it.
        Raises:
            ReadFailed: the file could not be opened, or reading not be tried.
        """

    def close(self) -> None:
        """Let go of what the engine holds; it is not asked again."""


@dataclass(frozen=True, slots=True)
class LibraryEngine:
    """The protocol in this process: for our own files, tests, and the isolated worker."""

    credentials: Credentials

    def sign(
        self, source: Path, target: Path, claim: ReleaseClaim, ingredients: tuple[Ingredient, ...] = ()
    ) -> SignedFile:
        try:
            return self._sign(source, target, claim, ingredients)
        except OSError as error:
            raise SigningFailed(reason=f"file error: {error.strerror}") from error

    def _sign(self, source: Path, target: Path, claim: ReleaseClaim, ingredients: tuple[Ingredient, ...]) -> SignedFile:
        self.credentials.signer.identity.require_valid(at=datetime.now(UTC))
        if target.exists() and source.samefile(target):
            raise SigningFailed(reason="source and target are one file")
        media_type = _signable(source)
        anchors = self.credentials.anchors
        history = validation_report(source, media_type, anchors)
        if isinstance(history, NoReport) and history.state is not IntegrityState.ABSENT and media_type not in BESIDE:
            # Signing over credentials that we cannot read would drop them.
            raise SigningFailed(reason=f"source: {explain(history.code or '')}")
        # A folder beside the target: one file system, so the last step is a rename.
        with tempfile.TemporaryDirectory(prefix=".signing-", dir=target.parent) as folder:
            scratch, labelled = Path(folder, "signed"), Path(folder, "labelled")
            says_so = _label(source, labelled, media_type, claim)
            store = self._seal(
                labelled if says_so else source,
                scratch,
                replace(claim, media_type=media_type),
                original=source,
                anchors=anchors,
                history=history if isinstance(history, Report) else None,
                ingredients=ingredients,
                metadata_written=says_so,
            )
            signed = self._accept(scratch, media_type, store)
            scratch.replace(target)
        return replace(signed, source_type_in_file=says_so)

    def _seal(
        self, media: Path, scratch: Path, claim: ReleaseClaim, *, original: Path, anchors: tuple[TrustAnchor, ...],
        history: Report | None, ingredients: tuple[Ingredient, ...], metadata_written: bool,
    ) -> bytes:  # fmt: skip
        """Sign to a scratch file, stamped by the first authority that answers; the manifest store."""
        parent = history is not None
        manifest = build_manifest(
            claim,
            parent=parent,
            history=stated_history(history.json) if history is not None else (),
            ingredients=ingredients,
            metadata_written=metadata_written,
        )
        tried: list[TimeStampFailed] = []
        for tsa_url in tries(self.credentials.tsa_urls):
            try:
                return sign_media(
                    media,
                    scratch,
                    claim.media_type,
                    manifest,
                    signer=self.credentials.signer,
                    anchors=anchors,
                    parent=Opened(path=original, media_type=claim.media_type)
                    if opens_source(claim, parent=parent)
                    else None,
                    parent_title=claim.title,
                    ingredients=ingredients,
                    ingredient_types=tuple(media_type_of(one.path) or _UNKNOWN_TYPE for one in ingredients),
                    thumbnail_jpeg=claim.thumbnail_jpeg,
                    tsa_url=tsa_url,
                    beside=claim.media_type in BESIDE,
                )
            except TimeStampFailed as failed:
                tried.append(failed)
        raise TimeStampFailed(reason="; ".join(dict.fromkeys(failed.reason for failed in tried)))

    def _accept(self, scratch: Path, media_type: str, store: bytes) -> SignedFile:
        """Read a freshly signed file as a stranger would, trusting the anchors of our own signer only."""
        own = self.credentials.signer.identity.anchors
        beside = media_type in BESIDE
        report = validation_report(scratch, media_type, own, manifest_store=store if beside else None)
        if isinstance(report, NoReport):
            raise SigningFailed(reason=f"the signed file reads as {report.state}")
        facts = facts_from_report(report.json, anchors=own)
        if facts.integrity.state is not IntegrityState.INTACT:
            codes = ", ".join(failure.code for failure in facts.integrity.failures)
            raise SigningFailed(reason=f"the signed file is {facts.integrity.state} ({codes})")
        if facts.signer.state is not SignerState.TRUSTED or facts.manifest_label is None:
            raise SigningFailed(reason=f"the signed file's signer is {facts.signer.state}")
        if self.credentials.tsa_urls and facts.time_stamp.state in (TimeStampState.NONE, TimeStampState.INVALID):
            raise TimeStampFailed(reason=f"the time-stamp in the signed file is {facts.time_stamp.state}")
        with scratch.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        embedded = None if beside else manifest_store_of(scratch, media_type)
        return SignedFile(
            sha256=sha256,
            size_bytes=scratch.stat().st_size,
            manifest_label=facts.manifest_label,
            manifest_json=json.dumps(json.loads(report.json), ensure_ascii=False, separators=(",", ":")),
            manifest_store=embedded or store,
            is_sidecar=beside,
            source_type_in_file=False,
        )

    def read(self, path: Path, media_type: str, manifest_store: bytes | None = None) -> ManifestFacts:
        anchors = self.credentials.anchors
        try:
            known = media_type_of(path)
            kind = known or media_type or _UNKNOWN_TYPE
            report = validation_report(path, kind, anchors, manifest_store=manifest_store)
            if isinstance(report, Report):
                return self._told(report, manifest_store or manifest_store_of(path, kind), anchors)
            if report.state is not IntegrityState.ABSENT:
                return without_report(report.state, report.code, remote_url=report.remote_url)
            # "None found" is an answer only for a file that we know and that is whole.
            if known is None:
                return without_report(IntegrityState.UNREADABLE, "clearmark.container.unreadable")
            if ends_early(path):
                return without_report(IntegrityState.UNREADABLE, "clearmark.container.truncated")
            return without_report(IntegrityState.ABSENT, None)
        except (ValueError, RecursionError):  # a report that is no JSON, or nested past all measure
            return without_report(IntegrityState.UNREADABLE, "clearmark.manifest.undecodable")
        except OSError as error:
            raise ReadFailed(reason=f"file error: {error.strerror}") from error

    def _told(self, report: Report, store: bytes | None, anchors: tuple[TrustAnchor, ...]) -> ManifestFacts:
        """The facts with the chain; of our own statements only what a certificate of ours signed."""
        facts = facts_from_report(report.json, anchors=anchors, crjson=report.crjson)
        chain = chain_of(store, facts.manifest_label) if store and facts.manifest_label else ()
        facts = replace(facts, signer=replace(facts.signer, chain=chain), manifest_store=store)
        ours = bool(chain) and self.credentials.is_ours(chain[0].sha256)
        return facts if ours else replace(facts, check=None, consents=())

    def close(self) -> None:
        """Nothing is held."""


def _signable(source: Path) -> str:
    media_type = media_type_of(source)
    if media_type is None or media_type not in SIGNABLE | BESIDE:
        raise UnsupportedContainer(media_type=media_type, supported=tuple(sorted(SIGNABLE | BESIDE)))
    return media_type


def _label(source: Path, labelled: Path, media_type: str, claim: ReleaseClaim) -> bool:
    """Write a copy whose own metadata says where it came from; False where that is not said or cannot be."""
    if claim.source_type is None or media_type not in CARRIERS:
        return False
    try:
        write_source_type(source, labelled, media_type, claim.source_type.uri)
    except CannotCarry:  # an odd file: its manifest says it all the same
        return False
    return True
