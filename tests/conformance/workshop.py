"""Signed files, and what can be done to them: the material of every category of the corpus.

Decides how files are signed (our engine), how a store is signed again after it was changed, and how a signed
file is read for comparison by the library alone. The categories decide what is changed and what must be found.
"""

import copy
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cbor2

from provenance.authority import Credentials
from provenance.engine import LibraryEngine
from provenance.library import NoReport, validation_report
from provenance.media_types import media_type_of
from provenance.model import Ingredient, IntegrityState, ReleaseClaim
from tests.conformance.boxes import CBOR_UUID, Box, parse, store_of, superbox, with_store

type MediaMaker = Callable[[str], Path]

CLAIM, SIGNATURE, ASSERTIONS = "c2pa.claim.v2", "c2pa.signature", "c2pa.assertions"
# Who signed is no matter of the file's integrity; everything else that fails is.
ABOUT_THE_SIGNER = ("signingCredential.untrusted", "signingCredential.expired", "timeStamp.")


@dataclass(slots=True)
class Workshop:
    """A folder in which files are signed, changed and kept; what is signed once is signed for all."""

    folder: Path
    media: MediaMaker
    own: Credentials
    stranger: Credentials
    claim: ReleaseClaim
    _kept: dict[tuple[str, str], Path] = field(default_factory=dict)

    def kept(self, name: str, suffix: str, make: Callable[[Path], object]) -> Path:
        """The file of that name, made when it is first asked for; nobody may write to it."""
        if (name, suffix) not in self._kept:
            path = self.folder / f"{name}.{suffix}"
            make(path)
            self._kept[name, suffix] = path
        return self._kept[name, suffix]

    def signed(self, suffix: str) -> Path:
        return self.kept("signed", suffix, lambda path: self.sign(self.media(suffix), path))

    def sign(
        self, source: Path, target: Path, *, by: Credentials | None = None, title: str = "A clip",
        ingredients: tuple[Ingredient, ...] = (), **changes: Any,
    ) -> Path:  # fmt: skip
        LibraryEngine(by or self.own).sign(source, target, replace(self.claim, title=title, **changes), ingredients)
        return target

    def tree(self, path: Path) -> Box:
        return parse(store_of(path))

    def resigned(self, tree: Box) -> Box:
        """The active manifest's claim, signed again as it now is, with hashes of its assertions as they now are."""
        manifest = tree.boxes[-1]
        claim, signature = manifest.named(CLAIM).boxes[1], manifest.named(SIGNATURE).boxes[1]
        said = cbor2.loads(claim.content)
        held = {each.label: each for each in manifest.named(ASSERTIONS).boxes}
        for one in [*said.get("created_assertions", ()), *said.get("gathered_assertions", ())]:
            if assertion := held.get(one["url"].rpartition("/")[2]):
                one["hash"] = hash_of(assertion)
        claim.content = cbor2.dumps(said)
        protected, unprotected, payload, _ = cbor2.loads(signature.content).value
        to_sign = cbor2.dumps(["Signature1", protected, b"", claim.content])
        signed = [protected, unprotected, payload, self.own.signer.key.sign(to_sign)]
        signature.content = cbor2.dumps(cbor2.CBORTag(18, signed))
        return tree


def hash_of(superbox: Box) -> bytes:
    """What a hashed URI says of a superbox: SHA-256 over what follows its header (C2PA 2.4 section 8.4.2.3)."""
    return hashlib.sha256(superbox.to_bytes()[8:]).digest()


def said_in(box: Box) -> Any:
    """The CBOR of a superbox."""
    return cbor2.loads(box.boxes[1].content)


def renamed(tree: Box, label: str, new: str) -> Box:
    """A superbox called otherwise, by a name as long; the tree is changed."""
    described = tree.named(label).boxes[0]
    assert len(label) == len(new)
    described.content = described.content.replace(label.encode(), new.encode())
    return tree


def changed(path: Path, change: Callable[[Box], Box]) -> bytes:
    """A signed file's bytes with a change in its store."""
    return with_store(path, change(copy.deepcopy(parse(store_of(path)))).to_bytes())


def taken_out(tree: Box, holder: Box, label: str) -> Box:
    """A box less; the padding of the last signature grows by as much, so nothing in the file moves."""
    size_bytes = len(tree.to_bytes())
    holder.boxes = [each for each in holder.boxes if each.label != label]
    signature = tree.boxes[-1].named(SIGNATURE).boxes[1]
    protected, unprotected, payload, signed = cbor2.loads(signature.content).value
    while missing := size_bytes - len(tree.to_bytes()):
        unprotected = {**unprotected, "pad": bytes(len(unprotected["pad"]) + missing)}
        signature.content = cbor2.dumps(cbor2.CBORTag(18, [protected, unprotected, payload, signed]))
    return tree


def claiming(tree: Box, change: Callable[[dict[str, Any]], object]) -> Box:
    """A change in what the claim of the active manifest says."""
    claim = tree.named(CLAIM).boxes[1]
    said = cbor2.loads(claim.content)
    change(said)
    claim.content = cbor2.dumps(said)
    return tree


def cbor_assertion(label: str, said: object) -> Box:
    return superbox(CBOR_UUID, label, Box(b"cbor", cbor2.dumps(said)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a verifier other than our engine says: whether the file is as it was signed, and what failed."""

    state: IntegrityState
    codes: frozenset[str] = frozenset()


def library_says(path: Path, credentials: Credentials, *, media_type: str | None = None) -> Opinion:
    """The library alone, by its own state and codes; nothing of our reading is in it."""
    kind = media_type or media_type_of(path) or "application/octet-stream"
    report = validation_report(path, kind, credentials.anchors)
    if isinstance(report, NoReport):
        return Opinion(state=report.state)
    said = json.loads(report.json)
    results = said["validation_results"]
    deltas = [delta["validationDeltas"] for delta in results.get("ingredientDeltas") or []]
    failed = [entry["code"] for part in [results["activeManifest"], *deltas] for entry in part["failure"]]
    codes = integrity_codes(failed)
    intact = not codes and said["validation_state"] in ("Valid", "Trusted")
    return Opinion(state=IntegrityState.INTACT if intact else IntegrityState.INVALID, codes=codes)


def integrity_codes(codes: Iterable[str]) -> frozenset[str]:
    return frozenset(code for code in codes if not code.startswith(ABOUT_THE_SIGNER))
