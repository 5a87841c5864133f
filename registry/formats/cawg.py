"""The `cawg.training-mining` assertion of a C2PA manifest (CAWG Training and Data Mining 1.1).

Reads and writes the assertion's data, `{"entries": {name: {"use": …, "constraint_info": …}}}`; signing it into a file
is `provenance`. It is about the file it is in. The older `c2pa.training-mining` had the same entries named `c2pa.…`
and is read alike. A `constraint_info` that is a link is where the terms are; any other text cannot be met by a
machine, so that the use stays constrained without terms, which is as good as reserved.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from provenance.model import MiningEntry, MiningUse
from registry.domain.preferences import Use, Value
from registry.formats.carried import Carries, carried, speaking
from registry.formats.sources import link, shown
from registry.formats.statements import FormatError, Reading, Remark, Statement, Written, distinct, few

MAX_ENTRIES: Final = 100
_ENTRIES: Final = {
    Use.TRAIN: MiningEntry.AI_TRAINING,
    Use.TRAIN_GENERATIVE: MiningEntry.AI_GENERATIVE_TRAINING,
    Use.INPUT: MiningEntry.AI_INFERENCE,
    Use.TDM: MiningEntry.DATA_MINING,
}
_USES: Final = {name: use for use, entry in _ENTRIES.items() for name in (entry, entry.replace("cawg.", "c2pa."))}
_VALUES: Final[Mapping[str, Value]] = {
    MiningUse.ALLOWED: Value.ALLOWED,
    MiningUse.CONSTRAINED: Value.CONSTRAINED,
    MiningUse.NOT_ALLOWED: Value.RESERVED,
}


def read(assertion: object) -> Reading:
    """What the assertion's data says of the file.

    Raises:
        FormatError: there are no entries in it, or too many.
    """
    entries = assertion.get("entries") if isinstance(assertion, Mapping) else None
    if not isinstance(entries, Mapping):
        raise FormatError(problem='It has no "entries". Give the data of a cawg.training-mining assertion.')
    if len(entries) > MAX_ENTRIES:
        raise FormatError(problem=f"It has more than {MAX_ENTRIES} entries.")
    statements: list[Statement] = []
    remarks: list[Remark] = []
    for name, rule in entries.items():
        use = _USES.get(name)
        said = rule.get("use") if isinstance(rule, Mapping) else None
        value = _VALUES.get(said) if isinstance(said, str) else None
        if use is None:
            remarks.append(Remark(where=shown(name), problem="There is no meaning for this entry; it is ignored."))
        elif value is None:
            problem = f"Its use is none of {', '.join(_VALUES)}."
            remarks.append(Remark(where=shown(name), problem=problem))
        else:
            terms, problems = _terms(value, rule.get("constraint_info"))
            statements.append(Statement(use=use, value=value, terms_url=terms))
            remarks += [Remark(where=shown(name), problem=problem) for problem in problems]
    return Reading(statements=distinct(statements), remarks=few(remarks))


def _terms(value: Value, info: object) -> tuple[str | None, list[str]]:
    if info is None:
        return None, []
    if value is not Value.CONSTRAINED:
        return None, ["It has a constraint_info although its use is not constrained; that is ignored."]
    terms = link(info)
    return terms, [] if terms else [f"Its constraint_info {shown(info)} is not a link to terms."]


def write(statements: Iterable[Statement]) -> Written:
    """The assertion's data as JSON, for the one file that the statements are about."""
    can = Carries(uses=frozenset(_ENTRIES), constrained=True, terms=frozenset({Value.CONSTRAINED}))
    kept, left_out = carried(statements, can)
    chosen, others = speaking(kept)
    entries = {entry.value: _rule(chosen[use].said) for use, entry in _ENTRIES.items() if use in chosen}
    text = json.dumps({"entries": entries}, ensure_ascii=False, indent=2) + "\n"
    return Written(text=text, media_type="application/json", left_out=(*left_out, *others))


def _rule(said: Statement) -> dict[str, str]:
    rule = {"use": next(str(use) for use, value in _VALUES.items() if value is said.value)}
    return rule | ({"constraint_info": said.terms_url} if said.terms_url is not None else {})
