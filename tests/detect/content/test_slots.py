"""What is put into a template."""

from __future__ import annotations

import numpy as np

from gateway.detect.content.arrays import mixed
from gateway.detect.content.slots import ALL, Slots, signature_of


def _hashes(count: int, seed: int = 1) -> list[int]:
    hashes: list[int] = mixed(np.random.default_rng(seed).integers(1, 2**62, count, dtype=np.uint64)).tolist()
    return hashes


def test_fillings_are_counted_by_a_sample() -> None:
    """Within a fifth of 5,000, from at most 512 that are followed; each comes twice, half of them elsewhere too."""
    slots = Slots()
    for times in range(2):
        for row, filling in enumerate(_hashes(5000)):
            if filling < slots.below:
                slots.note(row if times == 0 or row % 2 else row + 1, filling)
    assert len(slots.fillings) < 512
    assert slots.below < ALL
    assert 4000 < slots.distinct < 6000
    assert 0.4 < slots.elsewhere < 0.6
    assert 0.4 < slots.repeated < 0.6


def test_parties_with_a_subject_of_their_own_resemble_themselves() -> None:
    """Their own fillings are alike, those of others are not; with one list of work there is no such difference."""
    own, pool = Slots(), Slots()
    write = np.random.default_rng(2)
    everything = write.integers(1, 2**62, 400, dtype=np.uint64)
    for party in range(10):
        subject = write.integers(1, 2**62, 40, dtype=np.uint64)
        for filling in range(6):
            own.compare(party, filling, signature_of(write.choice(subject, 30, replace=False)))
            pool.compare(party, filling, signature_of(write.choice(everything, 30, replace=False)))
    assert own.resemblance().within > 0.3
    assert own.resemblance().across < 0.1
    assert abs(pool.resemblance().within - pool.resemblance().across) < 0.05
