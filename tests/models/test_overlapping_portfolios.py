"""Overlapping portfolios: networks, one cascade by hand, thresholds on regular networks, the contagion window."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.errors import SpecificationError
from dynamics.models import overlapping_portfolios
from dynamics.models.overlapping_portfolios import branching_number, single_hit_threshold

IMPACT = -np.log(0.9)/0.1


def sample(draws=40, graph="regular", seed=1, **parameters):
    process = dy.models.load("overlapping_portfolios", graph=graph).with_parameters(parameters)
    return dy.iterate(process, draws, seed=seed).attrs["measures"]


@pytest.mark.parametrize(("degree", "threshold"), [(2, 4.8839), (3, 10.1297), (4, 17.2737), (5, 26.3158), (6, 37.2562),
                                                   (8, 64.8316), (10, 100.0)])
def test_single_hit_threshold(degree, threshold):
    # fire-sales notes, section 6: closed form; 10 % sold is a fall of 10 %, so ten banks for each asset give exactly 100
    assert single_hit_threshold(degree, degree, IMPACT) == pytest.approx(threshold, abs=5e-5)


@pytest.mark.parametrize("degree", [2, 3])
def test_cascades_on_regular_networks_start_within_one_percent_of_the_threshold(degree):
    threshold = single_hit_threshold(degree, degree, IMPACT)
    below, above = (sample(diversification=degree, leverage=factor*threshold) for factor in (0.99, 1.01))
    assert below["contagion_probability"] == 0
    # with two assets for each bank the network falls into rings, and a failure in a short one stays there
    assert above["contagion_probability"] >= 0.9
    if degree == 3:
        assert (above["contagion_probability"], above["extent"]) == (1, 1)


@pytest.mark.parametrize(("leverage", "numbers"), [
    (10, {1: 0.68, 2: 1.07, 3: 0.67, 4: 0.26}), (20, {1: 0.94, 2: 2.74, 3: 3.56, 4: 2.93, 6: 0.82, 8: 0.11})])
def test_branching_numbers_of_the_notes(leverage, numbers):
    for diversification, number in numbers.items():
        mean, error = branching_number(leverage, diversification, IMPACT, draws=100_000)
        assert mean == pytest.approx(number, abs=0.005 + 4*error)


def test_branching_number_by_enumeration():
    """Sums over all neighbourhoods of a sparse network: portfolios and holders with their probabilities."""
    from scipy.stats import poisson

    mean, leverage = 0.8, 8.0
    weight = dict(enumerate(poisson.pmf(np.arange(9), mean).tolist()))
    # what k further holders have of the asset together, each 1/(1 + a Poisson number)
    together = [{0.0: 1.0}]
    for _ in range(6):
        following = {}
        for total, p in together[-1].items():
            for b, q in weight.items():
                place = round(total + 1/(1 + b), 12)
                following[place] = following.get(place, 0) + p*q
        together.append(following)
    exact = sum(weight[a]*a * weight[k]*k * weight[b] * p
                for a in weight if a for k in range(1, 7) for b in weight for total, p in together[k - 1].items()
                if (1 - np.exp(-IMPACT/(1 + a)/(1/(1 + a) + 1/(1 + b) + total)))/(1 + b)*leverage > 1 + 1e-9)
    found, error = branching_number(leverage, mean, IMPACT, draws=400_000)
    assert found == pytest.approx(exact, abs=4*error + 1e-4)


def test_a_cascade_equals_the_same_with_matrices(monkeypatch):
    process = dy.models.load("overlapping_portfolios", banks=60, assets=40)
    rng = np.random.default_rng(8)
    for leverage in (6.0, 12.0, 25.0):
        holdings = (rng.random((60, 40)) < 0.07).astype(float)
        monkeypatch.setattr(overlapping_portfolios, "_poisson", lambda *_, h=holdings: np.nonzero(h))
        for seed in range(8):
            values = process.with_parameters(leverage=leverage, diversification=2).parameter_values
            found = process.step({}, values, np.random.default_rng(seed))
            shares = holdings/np.maximum(holdings.sum(axis=1, keepdims=True), 1)
            failed = np.arange(60) == np.random.default_rng(seed).integers(60)
            for _ in range(61):
                sold = shares[failed].sum(axis=0)/np.maximum(shares.sum(axis=0), 1e-300)
                failed = failed | (shares @ (1 - np.exp(-IMPACT*sold)) > 1/leverage)
            assert found["failed"] == failed.sum()/60


@pytest.mark.parametrize("degree", [1, 3, 7, 12])
def test_regular_networks_are_regular_and_simple(degree):
    network = np.zeros((12, 12))
    np.add.at(network, overlapping_portfolios._regular(12, 12, degree, np.random.default_rng(2)), 1)
    assert network.max() == 1
    assert np.all(network.sum(axis=0) == degree)
    assert np.all(network.sum(axis=1) == degree)


def test_poisson_networks_have_their_mean_degree():
    holders, held = overlapping_portfolios._poisson(300, 200, 5.0, np.random.default_rng(2))
    assert len(set(zip(holders.tolist(), held.tolist(), strict=True))) == holders.size
    assert holders.size/300 == pytest.approx(5, abs=4*np.sqrt(5/300))


def test_the_contagion_window_opens_and_closes():
    # fire-sales notes, section 6: leverage 20: .14 .91 0 at 1, 3 and 14 assets for each bank; leverage 5: never
    probability = {mu: sample(100, "poisson", leverage=20, diversification=mu)["contagion_probability"] for mu in (1, 3, 14)}
    assert 0.02 <= probability[1] <= 0.3
    assert probability[3] > 0.8
    assert probability[14] == 0
    assert sample(60, "poisson", leverage=5, diversification=2)["contagion_probability"] == 0


def test_sweeps_are_independent_of_the_executor_and_options_are_checked():
    process = dy.models.load("overlapping_portfolios", banks=50, assets=50)
    table = dy.sweep(process, {"leverage": [5.0, 30.0]}, measure="contagion_probability", duration=30, seed=4)
    assert table["contagion_probability"].values[0] == 0
    assert table["contagion_probability"].values[1] > 0.5
    with pytest.raises(SpecificationError, match="Did you mean 'regular'"):
        dy.models.load("overlapping_portfolios", graph="regulr")
    with pytest.raises(SpecificationError, match="banks must be a whole number"):
        dy.models.load("overlapping_portfolios", banks=2.5)
    with pytest.raises(SpecificationError, match="whole diversification"):
        sample(diversification=2.5)
