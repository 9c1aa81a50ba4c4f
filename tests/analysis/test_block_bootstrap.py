"""The circular block bootstrap: whole blocks, equal weights, and reproducible draws."""

from __future__ import annotations

import numpy as np
import pytest

from dynamics.analysis.block_bootstrap import block_counts, block_length, block_positions


@pytest.mark.parametrize("block", [1, 5, 103])
def test_counts_are_those_of_the_resampled_series(block: int) -> None:
    reached = np.random.default_rng(0).random((103, 2)) < 0.2
    positions = np.concatenate(block_positions(103, block, 130, seed=7))
    np.testing.assert_array_equal(block_counts(reached, block, 130, seed=7), reached[positions].sum(axis=1))


def test_replicates_consist_of_whole_blocks_and_weigh_all_alike() -> None:
    positions = np.concatenate(block_positions(20, 4, 5000, seed=1))
    within = np.diff(positions.reshape(5000, 5, 4), axis=2) % 20
    assert np.all(within == 1)
    shares = np.bincount(positions.ravel(), minlength=20) / positions.size
    # 25 000 blocks of four, one in twenty starts at each place: standard error of a share about 0.0007.
    np.testing.assert_allclose(shares, 0.05, atol=0.004)


def test_draws_depend_on_the_seed_alone_and_extend() -> None:
    few, many = (np.concatenate(block_positions(50, 4, size, seed=3)) for size in (100, 250))
    np.testing.assert_array_equal(few, many[:100])
    assert not np.array_equal(few, np.concatenate(block_positions(50, 4, 100, seed=4)))
    assert not np.array_equal(many[:100], many[100:200])


def test_block_length_is_the_cube_root_rounded_up() -> None:
    assert [block_length(n) for n in (2, 8, 9, 125, 126, 10**6)] == [2, 2, 3, 5, 6, 100]
