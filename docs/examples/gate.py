"""The last step of a generation pipeline: a clip goes out signed, or it does not go out.

    CLEARMARK_URL=… CLEARMARK_KEY=cm_… python gate.py clip.mp4 signed.mp4 [model]

Exit code: 0 the signed file is written; 1 held, ask again or wait for a reviewer; 2 refused.
"""

import os
import sys
from pathlib import Path

from clearmark.client import ClearmarkError, Client, Decision


def publish(clearmark: Client, clip: Path, signed: Path, model: str) -> Decision:
    """Sign a clip that may go out, and write it to `signed`."""
    gate = clearmark.gate(clip, context={"generator": model})
    print(f"{gate.decision}: {gate.why}")
    if gate.decision is not Decision.RELEASE or gate.check is None:
        return gate.decision
    try:
        release = clearmark.release(gate.check["id"], generator={"name": model})
        clearmark.download(release["id"], signed)
    except (ClearmarkError, OSError) as error:  # a clip that is not signed does not go out either
        print(f"{Decision.HOLD}: {error}")
        return Decision.HOLD
    return Decision.RELEASE


def main() -> int:
    clip, signed, *model = sys.argv[1:]
    with Client(os.environ["CLEARMARK_URL"], os.environ["CLEARMARK_KEY"]) as clearmark:
        decision = publish(clearmark, Path(clip), Path(signed), model[0] if model else "my-model")
    return {Decision.RELEASE: 0, Decision.HOLD: 1, Decision.REFUSE: 2}[decision]


if __name__ == "__main__":
    sys.exit(main())
