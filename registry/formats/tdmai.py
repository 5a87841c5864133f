"""TDM·AI: a usage declaration bound to an ISCC (docs.tdmai.org, a protocol of Liccium).

A flat JSON object: `version`, `iscc`, `intent`, and for each use whether it is allowed. Based on the protocol's pages
"JSON Format for Usage Declarations" (2025-11-04), "JSON Schema Definition" (2025-04-11) and "Usage Preferences
Vocabulary" (2025-07-21). They have changed and do not agree in everything; decided here:

* The values are the texts `"true"` and `"false"`, as the newest pages and the schema have them; so they are written.
  `"y"` and `"n"` of the pages before, and JSON's own true and false, are read as well.
* `train-ai` takes over what is said of `all` (all automated processing, formerly called TDM), and `train-genai` what is
  said of `train-ai`, unless they say something themselves. Whether a reservation of `all` reaches `ai-use` and `search`
  is where the pages contradict each other: it is taken over, a permission is not. What cannot be read takes over a
  reservation and no permission.
* So training alone cannot be said: `train-ai` speaks of generative training as well. A permission to train is written
  only beside a word on generative training; a reservation always. `all` is never written.
* The declaration is about the asset that the ISCC names; the ISCC, with its credentials and time-stamps around this
  JSON, is not a matter of preferences. `subject` tells it.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from registry.domain.preferences import Use, Value
from registry.formats.carried import Carries, carried, speaking
from registry.formats.sources import DOUBLED, json_of, shown
from registry.formats.statements import FormatError, Reading, Remark, Statement, Written, few, named

MAX_BYTES: Final = 64 * 1024
VERSION: Final = "1.0"
_ALL: Final = "all"
_KEYS: Final = {
    Use.TRAIN: "train-ai",
    Use.TRAIN_GENERATIVE: "train-genai",
    Use.INPUT: "ai-use",
    Use.SEARCH: "search",
}
_VALUES: Final = {"true": Value.ALLOWED, "y": Value.ALLOWED, "false": Value.RESERVED, "n": Value.RESERVED}
_ABOUT_ITSELF: Final = frozenset({"version", "iscc", "intent"})


def read(data: bytes) -> Reading:
    """What a declaration says of the asset that it is about.

    Raises:
        FormatError: it is no JSON object, too large, or says something twice.
    """
    said = _declaration(data)
    remarks = [
        Remark(where=shown(key), problem="There is no meaning of ours for this; it is not taken over.")
        for key in said
        if key not in (*_KEYS.values(), _ALL, *_ABOUT_ITSELF)
    ]
    unread = [key for key in (_ALL, *_KEYS.values()) if key in said and _value(said, key) is None]
    remarks += [Remark(where=key, problem=f"It is none of {', '.join(_VALUES)}.") for key in unread]
    if said.get("version", VERSION) != VERSION:
        remarks.append(Remark(where="version", problem=f"It is read as version {VERSION}."))
    if not isinstance(said.get("iscc"), str):
        remarks.append(Remark(where="iscc", problem="It does not say which asset it is about."))
    everything = _value(said, _ALL)
    reserved = everything if everything is Value.RESERVED else None
    train = _inherited(said, "train-ai", everything)
    values = {
        Use.TRAIN: train,
        Use.TRAIN_GENERATIVE: _inherited(said, "train-genai", train),
        Use.INPUT: _inherited(said, "ai-use", reserved),
        Use.SEARCH: _inherited(said, "search", reserved),
        Use.TDM: everything,
    }
    statements = (Statement(use=use, value=value) for use, value in values.items() if value is not None)
    return Reading(statements=tuple(statements), remarks=few(remarks))


def subject(data: bytes) -> str | None:
    """The ISCC of the asset that a declaration is about, as it is written. Raises: FormatError."""
    iscc = _declaration(data).get("iscc")
    return iscc if isinstance(iscc, str) else None


def _declaration(data: bytes) -> dict[str, Any]:
    said = json_of(data, max_bytes=MAX_BYTES)
    if said is DOUBLED:
        raise FormatError(problem="It says something twice. Each key may stand in it once.")
    if not isinstance(said, dict):
        raise FormatError(problem="It is not a JSON object.")
    return said


def _value(said: Mapping[str, Any], key: str) -> Value | None:
    value = said.get(key)
    if isinstance(value, bool):
        return Value.ALLOWED if value else Value.RESERVED
    return _VALUES.get(value) if isinstance(value, str) else None


def _inherited(said: Mapping[str, Any], key: str, parent: Value | None) -> Value | None:
    if key in said and _value(said, key) is None:
        return parent if parent is Value.RESERVED else None
    return _value(said, key) or parent


def write(statements: Iterable[Statement], *, iscc: str | None) -> Written:
    """A declaration that the statements hold for the asset with this ISCC.

    Args:
        iscc: without one the declaration is not complete, which `left_out` says.
    """
    kept, left_out = carried(statements, Carries(uses=frozenset(_KEYS)))
    chosen, others = speaking(kept)
    left_out += others
    if Use.TRAIN in chosen and Use.TRAIN_GENERATIVE not in chosen:
        train = chosen[Use.TRAIN]
        problem = "The format says it of generative training as well."
        if train.said.value is Value.ALLOWED:
            del chosen[Use.TRAIN]
            problem = "The format would allow generative training with it, of which nothing is said."
        left_out.append(Remark(where=named(train.made), problem=problem))
    if iscc is None:
        left_out.append(Remark(where="iscc", problem="A declaration has to name the asset by its ISCC; put it in."))
    words = {Value.ALLOWED: "true", Value.RESERVED: "false"}
    document = {
        "version": VERSION,
        **({"iscc": iscc} if iscc is not None else {}),
        "intent": "activate",
        **{key: words[chosen[use].said.value] for use, key in _KEYS.items() if use in chosen},
    }
    text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    return Written(text=text, media_type="application/json", left_out=tuple(left_out))
