"""Can a wrong program be paid, buy itself "no verdict", outlive its limits, or change the verdict on the next one?

The programs are data, in attacks/: several of them turn right if what they try works, so that success would show.
They are dangerous, and nothing here runs one anywhere but in a sandbox.
"""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import pytest

from assay.records import Status

FEWEST = 120
# The limit of wall-clock time is kept within a second; the rest is for a machine that does other things too.
GRACE_SECONDS = 5.0


def test_no_attack_is_paid(suites: Any, backend: str, attack: Any) -> None:
    ran = suites.run("attack", backend, attack)
    for judgement in (ran.judgement, *ran.others):
        assert judgement.status is not Status.CORRECT, (attack.why, judgement)
        assert judgement.passed == 0, (attack.why, judgement)
        if backend != "restricted":  # which refuses much before it runs
            assert judgement.status in attack.expected, (attack.why, judgement)
            assert judgement.total > 0


def test_no_attack_outlives_its_limit(suites: Any, backend: str, attack: Any) -> None:
    cases = len(getattr(attack.tests, "cases", [1]))  # a stdio problem has its limits anew for each case
    ran = suites.run("attack", backend, attack)
    for judgement in (ran.judgement, *ran.others):
        assert judgement.seconds < cases * attack.limits.wall_seconds + GRACE_SECONDS, judgement


def test_no_attack_changes_the_verdict_on_the_next_program(suites: Any, backend: str, attack: Any) -> None:
    ran = suites.run("attack", backend, attack)
    assert ran.right.status is Status.CORRECT, ran.right
    assert (ran.wrong.status, ran.wrong.passed) == (Status.INCORRECT, 0), ran.wrong


# ---- the suite itself


def test_the_attack_is_a_program(attack: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for source in (attack.solution, attack.before):
            compile(source, attack.name, "exec", dont_inherit=True)


@pytest.mark.parametrize("suite", ["attacks", "honest"])
def test_names_are_unique_within_a_suite(suite: str, request: pytest.FixtureRequest) -> None:
    programs = getattr(_programs(request), suite)()
    repeated = [name for name, times in Counter(one.key for one in programs).items() if times > 1]
    assert not repeated


def test_there_are_enough_attacks_in_every_family(request: pytest.FixtureRequest) -> None:
    families = Counter(one.family for one in _programs(request).attacks())
    assert sum(families.values()) >= FEWEST
    assert len(families) >= 10
    assert min(families.values()) >= 4, families


def _programs(request: pytest.FixtureRequest) -> Any:
    """Return the module programs.py, as conftest.py loaded it."""
    import sys

    return sys.modules["assay_sandbox_programs"]
