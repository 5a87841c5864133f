"""Values to JSON and back, for the pipe between a process and its worker.

Decides one strict form: what does not have exactly the type that the value
says is refused. It is no storage format; both ends are the same release.
"""

import base64
import binascii
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Union, cast, get_args, get_origin, get_type_hints


class Undecodable(ValueError):
    """JSON that is not the value it should be."""

    def __init__(self, *, expected: str) -> None:
        self.expected = expected
        super().__init__(f"not a {expected}")


def encode(value: object) -> Any:
    """A value of this package as JSON data."""
    match value:
        case datetime():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case Path():
            return str(value)
        case StrEnum():
            return value.value
        case Mapping():
            return {str(encode(key)): encode(item) for key, item in value.items()}
        case tuple() | list():
            return [encode(item) for item in value]
    if is_dataclass(value):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    return value


def decode[T](kind: type[T], data: object) -> T:
    """The value of type `kind` that `data` encodes.

    Raises:
        Undecodable: it encodes something else.
    """
    return cast("T", _decode(kind, data))


def _decode(kind: Any, data: object) -> object:
    if kind is Any:
        return data
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if data is None and type(None) in get_args(kind):
            return None
        (inner,) = (arm for arm in get_args(kind) if arm is not type(None))
        return _decode(inner, data)
    if origin is tuple and isinstance(data, list):
        (item,) = (arm for arm in get_args(kind) if arm is not Ellipsis)
        return tuple(_decode(item, one) for one in data)
    if origin is Mapping and isinstance(data, dict):
        key_kind, item = get_args(kind)
        return {_decode(key_kind, key): _decode(item, one) for key, one in data.items()}
    if is_dataclass(kind) and isinstance(data, dict):
        return _decode_fields(kind, data)
    return _decode_plain(kind, data)


def _decode_fields(kind: Any, data: dict[str, object]) -> object:
    hints = _hints_of(kind)
    if set(data) != {field.name for field in fields(kind)}:
        raise Undecodable(expected=kind.__name__)
    return kind(**{name: _decode(hints[name], data[name]) for name in data})


@cache
def _hints_of(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _decode_plain(kind: Any, data: object) -> object:
    if kind is float and type(data) is int:  # as JSON writes a whole one
        return float(data)
    if kind in (bool, int, float, str) and type(data) is kind:
        return data
    if isinstance(data, str):
        try:
            if kind is datetime:
                return datetime.fromisoformat(data)
            if kind is bytes:
                return base64.b64decode(data, validate=True)
            if kind is Path or issubclass(kind, StrEnum):
                return kind(data)
        except (ValueError, binascii.Error, TypeError) as error:
            raise Undecodable(expected=str(kind)) from error
    raise Undecodable(expected=str(kind))
