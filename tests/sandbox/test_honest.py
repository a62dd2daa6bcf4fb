"""Is every honest program, right or wrong, judged as what it is?

The programs are data, in honest/: each is of a kind that a judge with a shortcut in it misjudges. That their labels
are true is shown by plain runs in test_honest_labels.py.
"""

from __future__ import annotations

from typing import Any

from assay.records import Status


def test_an_honest_program_is_judged_as_what_it_is(suites: Any, backend: str, honest: Any) -> None:
    judgement = suites.run("honest", backend, honest).judgement
    assert judgement.status in honest.expected, (honest.why, judgement)
    assert 0 <= judgement.passed <= judgement.total
    assert (judgement.passed == judgement.total > 0) is (judgement.status is Status.CORRECT), judgement
