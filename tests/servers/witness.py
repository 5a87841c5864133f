"""A witness for tests, as C2SP tlog-witness has it: it remembers what it cosigned and refuses what does not follow."""

from base64 import b64decode
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from registry.domain.checkpoint import BadCheckpoint, Checkpoint, open_checkpoint
from registry.domain.merkle import verify_consistency
from registry.domain.witness import cosign, encode_witness_key
from tests.servers.outsiders import Reply

_MAX_PROOF_LINES = 63


@dataclass(slots=True, kw_only=True)
class FollowingWitness:
    """A witness of one log, which it knows by `log_keys`."""

    name: str
    log_keys: list[str]
    at: datetime
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    seen: Checkpoint | None = None

    @property
    def verifier_key(self) -> str:
        return encode_witness_key(name=self.name, key=self.key.public_key())

    def answer(self, body: bytes) -> Reply:
        """Answer an add-checkpoint request."""
        head, _, note = body.decode().partition("\n\n")
        old_line, *proof_lines = head.split("\n")
        word, _, old_said = old_line.partition(" ")
        if word != "old" or not old_said.isdigit() or len(proof_lines) > _MAX_PROOF_LINES:
            return Reply(status=400)
        checkpoint = self._opened(note)
        if checkpoint is None:
            return Reply(status=403)
        old, proof = int(old_said), [b64decode(line, validate=True) for line in proof_lines]
        if old > checkpoint.size:
            return Reply(status=400)
        if old != (self.seen.size if self.seen else 0):
            return self._conflict()
        if self.seen is not None and old == checkpoint.size and checkpoint.root != self.seen.root:
            return self._conflict()
        if old == 0:
            if proof:
                return Reply(status=422)
        elif self.seen is not None and not verify_consistency(
            old, checkpoint.size, self.seen.root, checkpoint.root, proof
        ):
            return Reply(status=422)
        self.seen = checkpoint
        signed = cosign(note, name=self.name, key=self.key, at=self.at)
        return Reply(body=f"— stranger.example/w AAAAAAAA\n{signed.line}\n".encode())

    def _opened(self, note: str) -> Checkpoint | None:
        for key in self.log_keys:
            try:
                return open_checkpoint(note, verifier_key=key)
            except BadCheckpoint:
                continue
        return None

    def _conflict(self) -> Reply:
        size = self.seen.size if self.seen else 0
        return Reply(status=409, media_type="text/x.tlog.size", body=f"{size}\n".encode())
