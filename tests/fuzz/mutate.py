"""Mutations: what makes a wrong input out of a right one, by bytes, by numbers in it, by its boxes or by its JSON.

Everything comes from the random numbers that are handed in, so that a seed makes the same inputs again.
"""

import json
import re
import struct
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Any

MOST_BYTES = 1 << 16

_NUMBERS = (
    0,
    1,
    2,
    7,
    8,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0x8000,
    0xFFFF,
    1 << 24,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
)
_WORDS = (
    b"", b"\0", b"\n", b"\r\n", b'"', b"'", b"<", b">", b"&", b"%", b"%s", b"%00", b"{", b"}", b"[", b"]", b"(", b")*",
    b"\\", b"/", b"../", b":", b";", b",", b"=", b"*", b"-1", b"1e999", b"NaN", b"null", b"true", b"0x10", b"\xff\xfe",
    b"\xef\xbb\xbf", b"\xed\xa0\x80", "\u202e".encode(), "\u0130".encode(), "\u2028".encode(), b"<!DOCTYPE x [",
    b"<!ENTITY e 'x'>", b"&e;", b"<![CDATA[", b"]]>", b"<?xml", b"\x1b[31m", b"9" * 40, b"a" * 300,
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1 << 31, 1 << 64, 10**400, 1e308, -0.0, float("nan"), float("inf"), "", " ", "\0",
    "x" * 5000, "\ud800", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59.999999+23:59", "reserved", "allowed", [], {},
    [[]], {"": None}, [None] * 100,
)  # fmt: skip
_BOX = re.compile(rb"[A-Za-z0-9 \xa9]{4}")


def mutated(seed: bytes, random: Random, *, others: Sequence[bytes] = (), kind: str = "bytes") -> bytes:
    """One to six mutations of `seed`, at most MOST_BYTES or as long as it was.

    Args:
        others: to splice with.
        kind: "bytes", "json" or "boxes": of the latter two, some mutations keep the form and change what it holds.
    """
    data = bytearray(seed)
    if kind == "json" and random.random() < 0.6:
        with suppress(ValueError, RecursionError):
            return json.dumps(_json(json.loads(seed), random)).encode("utf-8", "surrogatepass")
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        change = _in_boxes if kind == "boxes" and random.random() < 0.5 else random.choice(_CHANGES)
        change(data, random, others)
        if not data:
            break
    return bytes(data[: max(MOST_BYTES, len(seed))])


def _span(data: bytearray, random: Random, *, most: int = 1 << 12) -> slice:
    start = random.randrange(len(data) + 1)
    return slice(start, min(len(data), start + random.choice((1, 2, 4, 8, 32, random.randrange(1, most)))))


def _flip(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _set(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] = random.choice((0, 0xFF, 0x7F, 0x80, 0x20, random.randrange(256)))


def _number(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    code = random.choice(("B", ">H", "<H", ">I", "<I", ">Q", "<Q"))
    size = struct.calcsize(code)
    if len(data) >= size:
        at = random.randrange(len(data) - size + 1)
        number = random.choice((*_NUMBERS, len(data), len(data) - at)) - random.choice((0, 0, 1))
        data[at : at + size] = struct.pack(code, number % (1 << (8 * size)))


def _word(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    at = random.randrange(len(data) + 1)
    data[at : at + random.choice((0, 0, 1, 4))] = random.choice(_WORDS)


def _delete(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    del data[_span(data, random)]


def _repeat(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    span = _span(data, random)
    times = random.choice((1, 1, 2, 50, 1000))
    data[span.start : span.start] = (bytes(data[span]) * times)[:MOST_BYTES]


def _noise(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    span = _span(data, random, most=64)
    data[span] = random.randbytes(span.stop - span.start)


def _cut(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    del data[random.randrange(len(data) + 1) :]


def _splice(data: bytearray, random: Random, others: Sequence[bytes]) -> None:
    other = bytearray(random.choice(others) if others else data)
    data[_span(data, random)] = other[_span(other, random)]


_CHANGES = (_flip, _flip, _set, _number, _number, _word, _word, _delete, _repeat, _noise, _cut, _splice)


def _in_boxes(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    """A box of four letters after its size: give it a size, another name, or another place."""
    at, other = _box(data, random), _box(data, random)
    if at is None or other is None:
        return
    size = min(int.from_bytes(data[at - 4 : at]), 1 << 14)
    match random.randrange(4):
        case 0:
            data[at - 4 : at] = struct.pack(">I", random.choice((*_NUMBERS, len(data) - at + 4)))
        case 1:
            data[at : at + 4] = data[other : other + 4]
        case 2:
            data[other - 4 : other - 4] = data[at - 4 : at - 4 + size] * random.choice((1, 2, 20))
        case _:
            del data[at - 4 : at - 4 + size]


def _box(data: bytearray, random: Random) -> int | None:
    """Where the name of one stands, looked for from anywhere on."""
    found = _BOX.search(data, random.randrange(4, max(5, len(data))))
    return found.start() if found else None


def _json(value: Any, random: Random) -> Any:
    """The same with one to three of its members changed."""
    for _ in range(random.choice((1, 1, 2, 3))):
        value = _one_changed(value, random)
    return value


def _one_changed(value: Any, random: Random) -> Any:
    if random.random() < 0.15 or not isinstance(value, dict | list) or not value:
        return _odd(value, random)
    if isinstance(value, list):
        at = random.randrange(len(value))
        changed = [*value]
        changed[at : at + 1] = random.choice(([], [value[at]] * 2, [_one_changed(value[at], random)]))
        return changed
    key = random.choice([*value])
    said = {**value}
    match random.randrange(5):
        case 0:
            del said[key]
        case 1:
            said[str(_odd(key, random)) if random.random() < 0.5 else key.upper()] = said.pop(key)
        case _:
            said[key] = _one_changed(value[key], random)
    return said


def _odd(value: Any, random: Random) -> Any:
    match random.randrange(5):
        case 0 if isinstance(value, str):
            return mutated(value.encode("utf-8", "surrogatepass"), random).decode("latin-1")
        case 1 if isinstance(value, int | float):
            return -value
        case 2:
            return [value]
        case 3:
            nested, as_list = value, random.random() < 0.5
            for _ in range(random.choice((3, 60, 400))):
                nested = [nested] if as_list else {"x": nested}
            return nested
    return random.choice(_VALUES)
