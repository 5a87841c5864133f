"""The log and its proofs."""

from pydantic import (
    BaseModel,
)


class LedgerEntryOut(BaseModel):
    number: int
    data: str
    leaf_hash: str


class ProofOut(BaseModel):
    number: int
    data: str
    checkpoint: str
    hashes: list[str]
