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
from pathlib import Path
from typing import Protocol

from provenance.authority import AnchorKind, SigningIdentity, TrustAnchor, unambiguous
from provenance.errors import ReadFailed, SigningFailed, UnsupportedContainer
from provenance.explanations import explain
from provenance.library import NoReport, sign_media, validation_report
from provenance.manifest import build_manifest, opens_source
from provenance.media_types import SIGNABLE, ends_early, media_type_of
from provenance.model import (
    IntegrityState,
    ManifestFacts,
    ReleaseClaim,
    SignedFile,
    SignerState,
)
from provenance.report import facts_from_report, without_report


class ProvenanceEngine(Protocol):
    """What the service asks of provenance."""

    def sign(self, source: Path, target: Path, claim: ReleaseClaim) -> SignedFile:
        """Sign `source` to `target`; the file's own bytes, not the claim, decide its media type.

        `target` appears whole, intact and trusted, or not at all. Input that is
        signed already keeps its history as parent ingredient.

        Raises:
            UnsupportedContainer: this kind of file cannot be signed.
            SigningFailed: anything else, with the reason.
        """

    def read(self, path: Path, media_type: str) -> ManifestFacts:
        """What a file says of itself; damaged and hostile files have an answer too.

        Args:
            media_type: what the file is said to be; used when its bytes do not tell.
        Raises:
            ReadFailed: the file could not be opened, or reading not be tried.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryEngine:
    """The protocol in this process: for our own files, tests, and the isolated worker."""

    identity: SigningIdentity
    trust_anchors: tuple[TrustAnchor, ...] = ()
    tsa_url: str | None = None

    def sign(self, source: Path, target: Path, claim: ReleaseClaim) -> SignedFile:
        try:
            return self._sign(source, target, claim)
        except OSError as error:
            raise SigningFailed(reason=f"file error: {error.strerror}") from error

    def _sign(self, source: Path, target: Path, claim: ReleaseClaim) -> SignedFile:
        if target.exists() and source.samefile(target):
            raise SigningFailed(reason="source and target are one file")
        media_type = media_type_of(source)
        if media_type not in SIGNABLE:
            raise UnsupportedContainer(media_type=media_type, supported=tuple(sorted(SIGNABLE)))
        found = validation_report(source, media_type, self._anchors)
        if isinstance(found, NoReport) and found.state is not IntegrityState.ABSENT:
            # Signing over credentials that we cannot read would drop them.
            raise SigningFailed(reason=f"source: {explain(found.code or '')}")
        signed_before = not isinstance(found, NoReport)

        manifest = build_manifest(replace(claim, media_type=media_type), parent=signed_before)
        opens = opens_source(claim, parent=signed_before)
        # A folder beside the target: one file system, so the last step is a rename.
        with tempfile.TemporaryDirectory(prefix=".signing-", dir=target.parent) as folder:
            scratch = Path(folder, "signed")
            sign_media(
                source,
                scratch,
                media_type,
                manifest,
                identity=self.identity,
                anchors=self._anchors,
                parent_title=claim.title if opens else None,
                tsa_url=self.tsa_url,
            )
            signed = self._accept(scratch, media_type)
            scratch.replace(target)
        return signed

    def _accept(self, scratch: Path, media_type: str) -> SignedFile:
        """Read a freshly signed file as a stranger would, trusting only our own anchors."""
        own = unambiguous(self.identity.anchors)
        text = validation_report(scratch, media_type, own)
        if isinstance(text, NoReport):
            raise SigningFailed(reason=f"the signed file reads as {text.state}")
        facts = facts_from_report(text, manifest_uris=_manifest_uris(own))
        if facts.integrity.state is not IntegrityState.INTACT:
            codes = ", ".join(failure.code for failure in facts.integrity.failures)
            raise SigningFailed(reason=f"the signed file is {facts.integrity.state} ({codes})")
        if facts.signer.state is not SignerState.TRUSTED or facts.manifest_label is None:
            raise SigningFailed(reason=f"the signed file's signer is {facts.signer.state}")
        with scratch.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        return SignedFile(
            sha256=sha256,
            size_bytes=scratch.stat().st_size,
            manifest_label=facts.manifest_label,
            manifest_json=json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")),
        )

    def read(self, path: Path, media_type: str) -> ManifestFacts:
        try:
            known = media_type_of(path)
            report = validation_report(path, known or media_type, self._anchors)
            if isinstance(report, str):
                return facts_from_report(report, manifest_uris=_manifest_uris(self._anchors))
            if report.state is not IntegrityState.ABSENT:
                return without_report(report.state, report.code)
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

    @property
    def _anchors(self) -> tuple[TrustAnchor, ...]:
        return unambiguous((*self.identity.anchors, *self.trust_anchors))


def _manifest_uris(anchors: tuple[TrustAnchor, ...]) -> frozenset[str]:
    return frozenset(anchor.uri for anchor in anchors if anchor.kind is AnchorKind.MANIFEST)
