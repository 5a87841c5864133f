"""What a search spends its time on is measured for who asks, and for nobody else."""

import threading

from fingerprinting.stages import measured, stage


def test_what_is_spent_adds_up_by_stage() -> None:
    with measured() as spent_s:
        for name in ("lookup", "align", "lookup"):
            with stage(name):
                pass
        assert list(spent_s) == ["lookup", "align"]
        assert min(spent_s.values()) > 0


def test_nobody_asked_and_nothing_is_kept() -> None:
    with stage("before"):
        pass
    with measured() as outer, measured() as inner, stage("inside"):
        other = threading.Thread(target=lambda: stage("elsewhere").__enter__())
        other.start()
        other.join()
    with stage("after"):
        pass
    assert (list(outer), list(inner)) == ([], ["inside"])


def test_a_stage_that_fails_was_spent_on_too() -> None:
    with measured() as spent_s:
        try:
            with stage("align"):
                raise ValueError
        except ValueError:
            pass
    assert list(spent_s) == ["align"]
