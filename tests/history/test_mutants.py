"""The history's tests notice a wrong history: nearly every mutant of its SQL makes one fail."""

import pytest
from mutate_sql import MUTANTS, PROJECT, survivors


def test_every_mutant_still_applies() -> None:
    gone = [
        str(mutant)
        for mutant in MUTANTS
        if mutant.old not in (PROJECT / mutant.file).read_text(encoding="utf-8")
    ]
    assert gone == []
    assert len(MUTANTS) >= 40


@pytest.mark.slow
@pytest.mark.mutants
def test_at_least_95_percent_of_the_mutants_are_caught() -> None:
    alive = survivors(MUTANTS)
    assert 100 * len(alive) <= 5 * len(MUTANTS), [str(mutant) for mutant in alive]
