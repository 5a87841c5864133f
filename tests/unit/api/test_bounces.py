"""Reports of mail servers that a letter came back: of several makes, of other things, and made to do harm."""

import time
from base64 import b64encode

import pytest

from api.mail import NoBounce, read_bounce

OURS = "mal_019caf7e0e80700083a7ebc852b8e42c"
POSTFIX = f"""\
Message-ID: <20260302170002.9F@mx.example>
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="9F.1772470802/mx.example"
MIME-Version: 1.0

--9F.1772470802/mx.example
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--9F.1772470802/mx.example
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; ada@studio.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.studio.example
Diagnostic-Code: smtp; 550 5.1.1 <ada@studio.example>: Recipient address
    rejected: User unknown

--9F.1772470802/mx.example
Content-Type: text/rfc822-headers

From: Clearmark <clearmark@localhost>
Message-ID: <{OURS}@clearmark.example>

--9F.1772470802/mx.example--
"""
EXCHANGE = f"""\
From: <postmaster@studio.example>
Content-Type: multipart/report; report-type=delivery-status; boundary="_000_X"
Message-ID: <0123@studio.example>
In-Reply-To: <{OURS}@clearmark.example>

--_000_X
Content-Type: text/html; charset="utf-8"

<h1>This is not good</h1>
--_000_X
content-type: MESSAGE/DELIVERY-STATUS

Reporting-MTA: dns;exchange.example

Final-Recipient: rfc822;ada@studio.example
action: Failed
Status: 5.7.1
Diagnostic-Code: smtp;550 5.7.1 RESOLVER.RST.AuthRequired; authentication required

--_000_X
Content-Type: message/rfc822

From: Clearmark <clearmark@localhost>
Message-Id:
 <{OURS}@clearmark.example>

Hello.

--_000_X--
"""
# The original comes encoded, and one of two recipients was reached.
SENDMAIL = f"""\
Content-Type: multipart/report; report-type=delivery-status; boundary="s/1"

--s/1

   ----- The following addresses had permanent fatal errors -----
--s/1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: RFC822; bo@sample.example
Action: relayed
Status: 2.0.0

Final-Recipient: RFC822; ada@studio.example
Action: failed
Status: 5.2.2

--s/1
Content-Type: text/rfc822-headers
Content-Transfer-Encoding: base64

{b64encode(f"From: x@y.example{chr(10)}Message-Id: <{OURS}@clearmark.example>{chr(10)}".encode()).decode()}

--s/1--
"""


@pytest.mark.parametrize(
    ("report", "why"),
    [(POSTFIX, "User unknown"), (EXCHANGE, "RESOLVER.RST.AuthRequired"), (SENDMAIL, "5.2.2")],
    ids=["postfix", "exchange", "sendmail"],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_report_says_which_letter_came_back_and_why(report: str, why: str, newline: str) -> None:
    bounce = read_bounce(report.replace("\n", newline).encode())
    assert bounce.mail_id == OURS
    assert why in bounce.problem


@pytest.mark.parametrize(
    "raw",
    [
        POSTFIX.replace("Action: failed", "Action: delayed"),
        POSTFIX.replace("Action: failed", "Action: delivered"),
        POSTFIX.replace("Action: failed\n", ""),
        POSTFIX.replace(OURS, "CAF-somebody-elses"),
        POSTFIX.replace(f"<{OURS}@", f"<x{OURS}@"),
        POSTFIX.replace("message/delivery-status", "text/plain"),
        f"Message-ID: <{OURS}@clearmark.example>\nSubject: Out of office\n\nAction: failed\n",
        # Only the report itself has a name like ours.
        POSTFIX.replace(OURS, "other").replace("20260302170002.9F", OURS),
        "", "\0" * 1000, "Content-Type: multipart/report\n\n" + "x\n" * 10_000,
    ],
    ids=[
        "delayed", "delivered", "no action", "of another", "nearly ours", "no status", "absence", "its own id",
        "empty", "zeros", "no boundary",
    ],
)  # fmt: skip
def test_what_is_no_failure_of_a_letter_of_ours_is_no_bounce(raw: str) -> None:
    with pytest.raises(NoBounce):
        read_bounce(raw.encode())


_BEFORE, _, _AFTER = POSTFIX.partition(f"Message-ID: <{OURS}@clearmark.example>")
_STATUS = "Content-Type: message/delivery-status\n\nAction: failed\n\n"


def _with_id(said: str) -> str:
    """A report whose original has a strange Message-ID."""
    part = _BEFORE.replace("Content-Type: text/rfc822-headers", "Content-Type: message/rfc822")
    return f"{part}Message-ID: {said}{_AFTER}"


def test_a_report_with_very_many_parts_is_no_bounce() -> None:
    """As many as a mebibyte, the most that is read, holds of parts that say something."""
    many = "Content-Type: multipart/report; boundary=b\n\n" + f"--b\n{_STATUS}" * 15_000
    with pytest.raises(NoBounce):
        read_bounce(many.encode())


@pytest.mark.parametrize("said", ["<", "<>", "<mal_1@", "<mal_1@[", "<mal_1@[1", "(" * 5000])
def test_a_letter_with_a_broken_id_is_none_of_ours(said: str) -> None:
    with pytest.raises(NoBounce):
        read_bounce(_with_id(said).encode())


@pytest.mark.parametrize("nested", ["message/rfc822\n\n", "multipart/mixed; boundary=b{n}\n\n--b{n}\n"])
def test_a_report_in_a_report_and_so_on_is_no_bounce(nested: str) -> None:
    deep = "".join(f"Content-Type: {nested}".replace("{n}", str(n)) for n in range(10_000))
    with pytest.raises(NoBounce):
        read_bounce(deep.encode())


def test_a_report_of_a_mebibyte_is_read_in_seconds() -> None:
    """A tenth of that here: else the test would take minutes to fail."""
    long = "Content-Type: multipart/report; " + "a=b;" * 25_000 + "\n\n"
    began = time.monotonic()
    with pytest.raises(NoBounce):
        read_bounce(long.encode())
    assert time.monotonic() - began < 1


def test_a_long_text_deep_within_a_report_is_read_in_seconds() -> None:
    """A tenth of what a mebibyte holds."""
    deep = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(600))
    began = time.monotonic()
    with pytest.raises(NoBounce):
        read_bounce((deep + "x\n" * 60_000).encode())
    assert time.monotonic() - began < 2
