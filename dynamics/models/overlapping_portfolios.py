r"""Contagion through overlapping portfolios on a random network of banks and assets, after Caccioli and others.

:math:`N` banks and :math:`M` assets are joined at random; a bank joined to :math:`k` assets holds :math:`A/k` of each and
has equity :math:`E = A/\lambda_r`. One bank, drawn at random, fails. A failed bank sells everything; the price of an asset
of which the fraction :math:`x_j` is sold is :math:`p_j = e^{-\alpha x_j}`, and bank :math:`i` fails when its loss exceeds
its equity:

.. math::

    x_j = \frac{\sum_{i\ \mathrm{failed}} W_{ij}}{\sum_i W_{ij}}, \qquad
    \sum_j W_{ij}\,(1 - e^{-\alpha x_j}) > E_i .

Banks do nothing before they fail (passive management). One step of the process is one network with one failed bank and the
whole cascade; its states are the share of banks that failed and the number of rounds, so an orbit is a sample of cascades.

Known results: where every bank holds :math:`k` assets and every asset is held by :math:`l` banks, one sale brings down
another bank iff

.. math:: \lambda_r > \lambda_r^* = \frac{k}{1 - e^{-\alpha/l}}

(`single_hit_threshold`), and the cascade grows if :math:`(k - 1)(l - 1) > 1`. On the Poisson network a failed bank brings
down :math:`R` others on average by its sale alone (`branching_number`); :math:`R > 1` is a sufficient and no necessary
condition, since several sales add up. Diversification first spreads contagion and then stops it: the window in which
cascades occur closes above, but while it is open a cascade takes nearly all banks (robust yet fragile).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.errors import SpecificationError, did_you_mean
from dynamics.systems import DeclaredProcess, Parameter, Reference, State

__all__ = ["branching_number", "single_hit_threshold", "system"]

GRAPHS = ("poisson", "regular")
_FAILS = 1 + 1e-12  # loss over equity; a loss that equals equity but for rounding is no failure
Edges = tuple[NDArray[np.intp], NDArray[np.intp]]


class _OverlappingPortfolios(DeclaredProcess):
    def step(self, state: Mapping[str, Any], parameters: Mapping[str, Any],
             generator: np.random.Generator) -> dict[str, Any]:
        """One network, one failure, one cascade."""
        banks, assets, degree = self.options["banks"], self.options["assets"], parameters["diversification"]
        if self.options["graph"] == "regular":
            holders, held = _regular(banks, assets, degree, generator)
        else:
            holders, held = _poisson(banks, assets, degree, generator)
        weight = 1/np.bincount(holders, minlength=banks)[holders]
        supply = np.bincount(held, weight, assets)
        failed = np.zeros(banks, dtype=bool)
        failed[generator.integers(banks)] = True
        count, rounds = 1, 0
        while True:
            sold = np.bincount(held, weight*failed[holders], assets)
            fall = -np.expm1(-parameters["impact"]*np.divide(sold, supply, out=np.zeros(assets), where=supply > 0))
            failed |= np.bincount(holders, weight*fall[held], banks)*parameters["leverage"] > _FAILS
            now = int(failed.sum())
            if now == count:
                return {"failed": count/banks, "rounds": float(rounds)}
            count, rounds = now, rounds + 1

    def statistics_of(self, orbit: Any) -> Mapping[str, float]:
        """Share of cascades in the sample, and the mean size of those."""
        size = orbit["failed"].isel(time=slice(1, None)).values
        large = size > self.parameter_values["cascade_size"]
        return {"contagion_probability": float(large.mean()) if size.size else math.nan,
                "extent": float(size[large].mean()) if large.any() else math.nan}


def system(*, graph: str = "poisson", banks: int = 400, assets: int = 400) -> DeclaredProcess:
    """Make the model.

    Parameters
    ----------
    graph : {"poisson", "regular"}
        Every pair joined with the same probability; or every bank joined to ``diversification`` different assets and every
        asset to as many banks as any other.
    banks : int
        N.
    assets : int
        M.

    Returns
    -------
    Process

    Raises
    ------
    SpecificationError
        For numbers that are no positive integers, or an unknown graph.

    Examples
    --------
    >>> import dynamics as dy
    >>> banks = dy.models.load("overlapping_portfolios", graph="regular").with_parameters(diversification=3, leverage=10.3)
    >>> sample = dy.iterate(banks, 10, seed=1)
    >>> sample.attrs["measures"]["contagion_probability"]
    1.0
    """
    if graph not in GRAPHS:
        raise SpecificationError(f"graph must be {' or '.join(GRAPHS)}, not {graph!r}.{did_you_mean(str(graph), GRAPHS)}")
    for name, number in (("banks", banks), ("assets", assets)):
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
            raise SpecificationError(f"{name} must be a whole number of at least 1, not {number!r}")
    return _OverlappingPortfolios(
        name="overlapping_portfolios" if graph == "poisson" else f"overlapping_portfolios ({graph})",
        states={
            "failed": State(0, "1", (0, 1), "phi", "share of the banks that failed"),
            "rounds": State(0, "1", (0, None), "r", "rounds of sales that brought down further banks"),
        },
        parameters={
            "leverage": Parameter(20, "1", (1, None), "lambda_r", "risky assets over equity", "our choice"),
            "diversification": Parameter(3, "1", (0, assets), "mu", "assets that a bank holds, on average", "our choice"),
            "impact": Parameter("1.0536051565782628", "1", (0, None), "alpha",
                                "fall of the log price when all of an asset is sold",
                                "10 % sold, 10 % fall: default of a public program"),
            "cascade_size": Parameter("0.05", "1", (0, 1), "phi_c", "share of banks from which it is a cascade",
                                      "our choice"),
        },
        statistics={"contagion_probability": ("1", "share of the draws with a cascade"),
                    "extent": ("1", "mean share of banks that fail in a cascade")},
        options={"graph": graph, "banks": int(banks), "assets": int(assets)},
        references=(
            Reference("F. Caccioli, M. Shrestha, C. Moore, J. D. Farmer", 2014,
                      "Stability analysis of financial contagion due to overlapping portfolios",
                      "Journal of Banking & Finance 46", "10.1016/j.jbankfin.2014.05.021"),
        ),
    )


def single_hit_threshold(degree: float, holders: float, impact: float) -> float:
    """Leverage above which the sale of one bank brings down another that holds one of its assets, on a regular network.

    Parameters
    ----------
    degree, holders : float
        Assets of a bank, and banks that hold an asset.
    impact : float
        Fall of the log price when all of an asset is sold.

    Examples
    --------
    >>> round(single_hit_threshold(3, 3, 1.05360516), 4)
    10.1297
    """
    return degree/-math.expm1(-impact/holders)


def branching_number(leverage: float, diversification: float, impact: float, *, crowding: float = 1.0, draws: int = 400_000,
                     seed: int = 0) -> tuple[float, float]:
    """Mean number of banks that one failed bank brings down by its sale alone, on a large Poisson network.

    The failed bank was itself reached through one of its assets, so it has one more than a Poisson number of them; the
    same is true of the other holders of its assets, and of those assets.

    Parameters
    ----------
    leverage, diversification, impact : float
        The model's parameters.
    crowding : float
        Banks for each asset, N/M.
    draws : int
        Neighbourhoods that are sampled.
    seed : int

    Returns
    -------
    (float, float)
        The mean and its standard error.

    Examples
    --------
    >>> mean, error = branching_number(20, 3, 1.05360516, draws=20_000)
    >>> abs(mean - 3.56) < 4*error
    True
    """
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    onward = generator.poisson(diversification, draws)
    others = generator.poisson(diversification*crowding, draws)
    # one row for each other holder of the asset, whose portfolio is drawn too
    place = np.repeat(np.arange(draws), others)
    share = 1/(1 + generator.poisson(diversification, place.size))
    own = 1/(1 + onward)
    fall = -np.expm1(-impact*own/(own + np.bincount(place, share, draws)))
    down = onward*np.bincount(place, share*fall[place]*leverage > _FAILS, draws)
    return float(down.mean()), float(down.std()/math.sqrt(draws))


def _poisson(banks: int, assets: int, degree: float, generator: np.random.Generator) -> Edges:
    """Every pair with the probability that gives the mean degree."""
    pairs = banks*assets
    count = generator.binomial(pairs, degree/assets)
    holders, held = np.divmod(generator.choice(pairs, count, replace=False), assets)
    return holders, held


def _regular(banks: int, assets: int, degree: float, generator: np.random.Generator) -> Edges:
    """Ends of links joined at random; links that double another are exchanged with random ones until none do."""
    number = round(degree)
    if number != degree or not 1 <= number <= assets or banks*number % assets:
        raise SpecificationError(f"a regular network needs a whole diversification of 1 to {assets}, and {banks} banks times"
                                 f" it a multiple of {assets} assets; {degree:g} will not do")
    if 2*number > assets:
        # drawing what is not held is quicker there
        joined = np.ones((banks, assets), dtype=bool)
        if number < assets:
            joined[_regular(banks, assets, assets - number, generator)] = False
        holders, held = np.nonzero(joined)
        return holders, held
    holders = np.repeat(np.arange(banks), number)
    held = generator.permutation(np.repeat(np.arange(assets), banks*number//assets))
    while True:
        order = np.argsort(holders*assets + held, kind="stable")
        key = (holders*assets + held)[order]
        doubled = order[1:][key[1:] == key[:-1]]
        if not doubled.size:
            return holders, held
        for link in doubled:
            other = generator.integers(held.size)
            held[link], held[other] = held[other], held[link]
