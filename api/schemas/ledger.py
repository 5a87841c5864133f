"""The log and its proofs."""

from datetime import datetime

from pydantic import BaseModel, Field


class LedgerEntryOut(BaseModel):
    number: int
    data: str
    leaf_hash: str


class ProofOut(BaseModel):
    number: int
    data: str
    checkpoint: str
    hashes: list[str]


class TimestampOut(BaseModel):
    size: int
    at: datetime
    authority: str = Field(description="Subject of the certificate that signed the time-stamp.")
    note: str = Field(description="What was stamped: the checkpoint with the signature of `key` alone.")
    key: str
    reply: str = Field(description="The authority's reply (RFC 3161 TimeStampResp, DER), in base64.")


class LedgerKeyOut(BaseModel):
    number: int
    key: str
    first_size: int = Field(description="Size of the first checkpoint that it signs.")
    handover: str | None = Field(description="By which the key before introduced it; none for the first.")
    introduced_at: datetime
    entry: int | None = Field(description="Number of the entry that commits to number, key and handover.")
    salt: str | None = Field(description="With which that entry commits to them, in hex.")
