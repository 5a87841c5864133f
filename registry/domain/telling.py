"""What strangers are told of a match: enough to know that it is one, too little to climb by.

Somebody who changes a clip bit by bit and asks again learns from an exact score whether the last change brought it
nearer to a work that they must not know. A few wide bands give no such gradient. It does not decide who is a stranger.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

# Lower ends of the bands, and what is said of all that lies in one: its middle.
_BANDS: Final = ((0.8, 0.9), (0.6, 0.7), (0.0, 0.5))


def rough_score(score_0_1: float) -> float:
    """One of three: 0.9 (0.8 and more), 0.7 (0.6 and more), 0.5 (less)."""
    return next(said for least, said in _BANDS if score_0_1 >= least)


def roughly(match: Mapping[str, Any], *, query_duration_s: float) -> dict[str, Any]:
    """A matched stretch with a rough score, and its times in whole seconds, each moved to take in no less.

    Args:
        query_duration_s: of the clip, which whoever sent it knows: no stretch of it ends later.
    """
    told = dict(match)
    for name, value in match.items():
        if name.endswith("_start_s"):
            told[name] = float(math.floor(value))
        elif name.endswith("_end_s"):
            told[name] = float(math.ceil(value))
    end_s = min(told["query_end_s"], max(query_duration_s, match["query_end_s"]))
    return {**told, "query_end_s": end_s, "score": rough_score(match["score"])}
