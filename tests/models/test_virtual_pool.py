"""Virtual pool: capacity against the published comparisons of proposals."""

import numpy as np
import pytest
from scipy.optimize import brentq

import dynamics as dy


def pool(size, blocks, **values):
    return dy.models.load("virtual_pool").with_parameters(base_pool=size, recovery_blocks=blocks, **values)


def capacity(size, blocks, spread=0.05):
    """The offset at which an infinitesimal swap pays the spread is what the replenishment takes back each block."""
    marginal = pool(size, blocks, inflow=1.0, least_spread=0)
    offset = brentq(lambda d: float(dy.iterate(marginal, 0, {"offset": d})["spread"][0]) - spread, 0, size)
    # outflow of the equation while nothing comes in
    after = dy.iterate(pool(size, blocks, inflow=0.0 + 1e-9), 1, {"offset": offset})["offset"].values[-1]
    return offset - after


def test_capacity_of_the_proposals():
    # proposal 1164: 50 -> 100 million and 36 -> 18 blocks, "293m -> about 1200m"; emergency: 1 billion and one block, "720x"
    before = capacity(50e6, 36)
    assert before == pytest.approx(50e6/36*(1/np.sqrt(0.95) - 1), rel=1e-5)
    assert capacity(100e6, 18)/before == pytest.approx(4, rel=1e-5)
    assert 293*capacity(100e6, 18)/before == pytest.approx(1172, rel=1e-4)
    assert capacity(1000e6, 1)/before == pytest.approx(720, rel=1e-5)


def test_the_offset_settles_at_the_inflow_of_the_replenishment_time():
    system = pool(50e6, 36, inflow=20_000)
    offsets = dy.iterate(system, 1500)["offset"].values
    assert offsets[-1] == pytest.approx(35*20_000, rel=1e-12)
    distance = 35*20_000 - offsets[:100]
    assert distance[1:]/distance[:-1] == pytest.approx(np.full(99, 35/36), rel=1e-10)
    point = dy.fixed_points(system)[0]
    assert point.values["offset"] == 700_000
    assert point.stability == "stable"


def test_the_product_of_the_pools_is_kept_by_a_swap():
    run = dy.iterate(pool(50e6, 36, inflow=3e6, least_spread=0), 20)
    terra, sister = 50e6 + run["offset"].values, run["sister_pool"].values
    received = 3e6*(1 - run["spread"].values)
    assert (terra + 3e6)*(sister - received) == pytest.approx(np.full(21, 2.5e15), rel=1e-12)
    assert float(dy.iterate(pool(50e6, 36, least_spread=0.02), 3)["spread"][0]) == 0.02
