"""What is presented is held against a secret in constant time: how long it took must not tell how much of it was right.

Decided by names, which are few: those that hold a secret here, or the digest that one is kept as. A database finds a
row by a digest (`Column == digest`), which tells nothing of the secret; such comparisons are left alone.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("api", "registry", "takedown", "provenance")
SECRETS = frozenset(
    {
        "token", "metrics_token", "signer_token", "secret", "oidc_client_secret", "password", "csrf", "ticket",
        "authorization", "nonce", "verifier", "carried", "secret_sha256", "code_sha256",
    }
)  # fmt: skip
# Where such a name is a word of a document, a class of a picture, a set of names of columns.
OTHER_MEANINGS = frozenset({"registry/formats/rsl.py", "takedown/report_pictures.py", "registry/people_data.py"})
_NAMED = re.compile(rf"\b({'|'.join(sorted(SECRETS))})\b")
_WAYS = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def _is_secret(operand: ast.expr) -> bool:
    """Whether an operand is, or is made of, what a name of `SECRETS` holds; its length is not."""
    match operand:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in SECRETS and not _is_column(operand)
        case ast.Call(func=ast.Name(id="len")):
            return False
        case ast.Call(func=ast.Attribute(value=of, attr="get"), args=[ast.Constant(value=str(name)), *_]):
            return name in SECRETS or _is_secret(of)
        case ast.Call(func=ast.Attribute(value=of), args=arguments):
            return _is_secret(of) or any(map(_is_secret, arguments))
        case ast.Call(args=arguments):
            return any(map(_is_secret, arguments))
        case ast.Subscript(value=of, slice=ast.Constant(value=str(name))):
            return name in SECRETS or _is_secret(of)
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return any(map(_is_secret, parts))
        case ast.JoinedStr(values=parts):
            return any(isinstance(one, ast.FormattedValue) and _is_secret(one.value) for one in parts)
    return False


def _is_column(operand: ast.expr) -> bool:
    return isinstance(operand, ast.Attribute) and isinstance(operand.value, ast.Name) and operand.value.id[0].isupper()


def _is_known(operand: ast.expr) -> bool:
    """What stands in the source is no secret: whether there is one at all is asked, or whether it is one of the bad."""
    return isinstance(operand, ast.Constant) or (isinstance(operand, ast.Name) and operand.id.isupper())


def compared(tree: ast.AST) -> Iterator[int]:
    """The lines where a secret is compared in a way that stops at the first difference."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        operands = [node.left, *node.comparators]
        if any(map(_is_column, operands)) or any(map(_is_known, operands)):
            continue
        if any(isinstance(way, _WAYS) for way in node.ops) and any(map(_is_secret, operands)):
            yield node.lineno


def _sources() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name, source = str(path.relative_to(ROOT)), path.read_text()
            if name not in OTHER_MEANINGS and _NAMED.search(source):
                yield name, source


def test_no_secret_is_compared_but_in_constant_time() -> None:
    assert [f"{path}:{line}" for path, source in _sources() for line in compared(ast.parse(source))] == []


class _Careless(ast.NodeTransformer):
    """Writes `a == b` where `compare_digest(a, b)` was."""

    def __init__(self) -> None:
        self.count = 0

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not (isinstance(node.func, ast.Attribute) and node.func.attr == "compare_digest"):
            return node
        self.count += 1
        return ast.copy_location(ast.Compare(node.args[0], [ast.Eq()], [node.args[1]]), node)


def test_each_of_ours_would_be_seen_if_it_were_careless() -> None:
    written = 0
    for path, source in _sources():
        if "compare_digest" not in source:
            continue
        careless = _Careless()
        changed = careless.visit(ast.parse(source))
        assert len(list(compared(changed))) == careless.count, path
        written += careless.count
    assert written >= 5, "keys, forms, metrics, and twice signing in elsewhere"


@pytest.mark.parametrize(
    "planted",
    [
        "row.secret_sha256 == _digest(shown)",
        "authorization != f'Bearer {token}'",
        "str(claims.get('nonce')) != expected",
        "shown.encode() == self.visit.token.encode()",
        "presented in (endpoint.secret, endpoint.previous)",
        "token not in known",
        "header == f'Bearer {settings.metrics_token}'",
    ],
)
def test_a_careless_comparison_is_seen(planted: str) -> None:
    assert list(compared(ast.parse(planted))) == [1]


@pytest.mark.parametrize(
    "harmless",
    [
        "hmac.compare_digest(row.secret_sha256, _digest(shown))",
        "sa.select(SignIn).where(SignIn.secret_sha256 == _digest(token))",
        "len(token) == 3",
        "token is None",
        "metrics_token == ''",
        "password in _KNOWN_PASSWORDS",
        "reason.code == code",
    ],
)
def test_what_tells_nothing_is_left_alone(harmless: str) -> None:
    assert list(compared(ast.parse(harmless))) == []
