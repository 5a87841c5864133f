"""Wording: what is wrong with a field that was sent, in plain words wherever it is told."""

from collections.abc import Callable, Mapping
from typing import Any, Final

# What is wrong with a field, by pydantic's types of errors and with what it says of them.
WORDED: Final = {
    "missing": "This is needed.",
    "extra_forbidden": "There is no field of this name.",
    "enum": "Give one of: {expected}.",
    "literal_error": "Give one of: {expected}.",
    "string_type": "It must be text.",
    "string_unicode": "It must be text.",
    "string_too_short": "It is too short; the least is {min_length}.",
    "string_too_long": "It is too long; the most is {max_length}.",
    "string_pattern_mismatch": "It does not have the form {pattern}.",
    "too_short": "It is too short; the least is {min_length}.",
    "too_long": "It is too long; the most is {max_length}.",
    "bool_type": "It must be true or false.",
    "bool_parsing": "It must be true or false.",
    "int_type": "It must be a whole number.",
    "int_parsing": "It must be a whole number.",
    "int_from_float": "It must be a whole number.",
    "float_type": "It must be a number.",
    "float_parsing": "It must be a number.",
    "finite_number": "It must be a finite number.",
    "greater_than_equal": "It must be at least {ge}.",
    "greater_than": "It must be more than {gt}.",
    "less_than_equal": "It must be at most {le}.",
    "less_than": "It must be less than {lt}.",
    "list_type": "It must be a list.",
    "dict_type": "It must be an object.",
    "model_type": "It must be an object.",
    "model_attributes_type": "It must be an object.",
    "none_required": "It must not be given here.",
    "json_invalid": "It is not JSON: {error}.",
    "timezone_aware": "Write the time with its offset from UTC, or Z.",
}


def worded(error: Mapping[str, Any], translate: Callable[[str], str] = str) -> str:
    """What is wrong with a field, in a sentence: an error of pydantic's as its `errors()` has it."""
    context = error.get("ctx", {})
    if error["type"] in WORDED:
        return translate(WORDED[error["type"]]).format_map(context)
    said = str(context["error"]) if isinstance(context.get("error"), ValueError) else str(error["msg"])
    return f"{said[:1].upper()}{said[1:].removesuffix('.')}."
