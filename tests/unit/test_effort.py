"""What `make test` leaves out is tried all the same, once."""

from types import SimpleNamespace
from typing import Any

from tests.effort import turn, twins, unsampled


def _item(nodeid: str, mark: str = "") -> Any:
    return SimpleNamespace(nodeid=nodeid, get_closest_marker=lambda name: name == mark or None)


def test_of_two_databases_one_is_left_out() -> None:
    pairs = [[_item(f"f.py::test[{backend}-{n}]") for backend in ("sqlite", "postgresql")] for n in range(40)]
    alone = [_item("f.py::test_one[sqlite]"), _item("f.py::test_none")]
    marked = [_item(f"f.py::test_both[{backend}]", "both_databases") for backend in ("sqlite", "postgresql")]
    left_out = twins([*alone, *marked, *(item for pair in pairs for item in pair)])
    assert all(sum(item in left_out for item in pair) == 1 for pair in pairs)
    assert not any(item in left_out for item in [*alone, *marked])
    assert {"sqlite", "postgresql"} <= {item.nodeid.split("[")[1].split("-")[0] for item in left_out}


def test_of_three_sampled_tests_each_case_meets_one() -> None:
    cases = [[_item(f"f.py::test_{name}[{n}]", "sampled") for name in "abc"] for n in range(300)]
    left_out = unsampled([item for case in cases for item in case])
    assert all(sum(item not in left_out for item in case) == 1 for case in cases)
    assert unsampled([_item(f"f.py::test[{n}]") for n in range(300)]) == []


def test_long_files_come_first_and_in_no_order_of_kinds() -> None:
    paths = [f"tests/{kind}/test_{n}.py" for kind in ("api", "faults", "integration", "unit") for n in range(20)]
    kinds = [path.split("/")[1] for path in sorted(paths, key=turn)]
    assert {"api", "faults"} == set(kinds[:40])
    assert kinds[:40] != sorted(kinds[:40])
