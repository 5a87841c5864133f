"""Keep of a list of files and URLs what may be trained on, by what its holders said.

    CLEARMARK_URL=… CLEARMARK_KEY=cm_… python dataset_filter.py [--keep-unset] < list.txt > kept.txt

What is reserved, constrained or disputed is left out; so is what nobody spoke of, unless you decide otherwise with
`--keep-unset`: silence is not consent. Nothing is written unless every item was answered.
"""

import argparse
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from clearmark.client import ClearmarkError, Client
from clearmark.client.results import PreferenceAnswer, Use

# A holder may reserve training by any of these words; each of them has to allow it.
USES: Sequence[Use] = ("train", "train_generative", "tdm")


def asked_about(item: str) -> dict[str, str]:
    """A URL as it is; a file by its SHA-256, so that it need not be sent."""
    if item.startswith(("https://", "http://")):
        return {"url": item}
    with Path(item).open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def may_be_trained_on(answer: PreferenceAnswer, *, keep_unset: bool) -> bool:
    """Whether all uses are allowed; of uses that nobody spoke of, only where that was chosen."""
    fine = {"allowed", "unset"} if keep_unset else {"allowed"}
    return all(answer["preferences"][use]["answer"] in fine for use in USES)


def kept(clearmark: Client, items: Iterable[str], *, keep_unset: bool) -> Iterator[str]:
    """The items that may be trained on, in their order."""
    listed = list(items)
    answers = clearmark.preferences(map(asked_about, listed), uses=USES)["items"]
    for item, answer in zip(listed, answers, strict=True):
        if may_be_trained_on(answer, keep_unset=keep_unset):
            yield item


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--keep-unset", action="store_true", help="also keep what nobody spoke of")
    chosen = options.parse_args()
    items = [line.strip() for line in sys.stdin if line.strip()]
    try:
        with Client(os.environ["CLEARMARK_URL"], os.environ["CLEARMARK_KEY"]) as clearmark:
            found = list(kept(clearmark, items, keep_unset=chosen.keep_unset))
    except (ClearmarkError, OSError, KeyError) as error:
        print(f"Nothing is kept: {error!r}", file=sys.stderr)
        return 1
    print("\n".join(found))
    print(f"{len(found)} of {len(items)} kept.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
