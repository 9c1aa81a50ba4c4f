r"""Distressed selling of Cont and Wagalath: correlation that a fund's own liquidation puts into prices.

A fund holds :math:`\alpha_i` units of :math:`n` assets, worth :math:`V = \sum_i \alpha_i S^i`, in markets of depth
:math:`D_i`. It holds :math:`f(V/V_0)` more or less of its positions, and what it sells moves prices. In a step

.. math::

    S^i_{k+1} = S^i_k\Big[1 + m_i\Delta t + \sqrt{\Delta t}\,\xi^i_{k+1}
    + \frac{\alpha_i}{D_i}\Big(f\big(\tfrac{V^*_{k+1}}{V_0}\big) - f\big(\tfrac{V_k}{V_0}\big)\Big)\Big], \qquad
    V^*_{k+1} = \sum_i \alpha_i S^i_k (1 + m_i\Delta t + \sqrt{\Delta t}\,\xi^i_{k+1}), \quad \mathrm{Cov}\,\xi = \Sigma .

Here :math:`f(v) = f'\,[\min(v, v_0) - \min(1, v_0)]`: nothing is sold above the trigger :math:`v_0`; a trigger far above
1 makes it linear. For small steps, with :math:`\pi_i = \alpha_i S^i`, :math:`\Lambda_i = \alpha_i/D_i`, the covariance of
returns is

.. math::

    C = \Sigma + \frac{f'}{V_0}(\Lambda\pi'\Sigma + \Sigma\pi\Lambda') + \frac{f'^2}{V_0^2}(\pi'\Sigma\pi)\Lambda\Lambda' .

Known results: for :math:`n` equal, independent assets the correlation is :math:`c/(1 + c)` with
:math:`c = (2f'\Lambda + f'^2\Lambda^2)/n`, and the volatility of the fund is multiplied by :math:`1 + f'\Lambda`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.errors import SpecificationError
from dynamics.systems import DeclaredProcess, Parameter, Reference, State

__all__ = ["system"]

_SOURCE = "assumption; the paper's example was not read"


class _DistressedSelling(DeclaredProcess):
    def step(self, state: Mapping[str, Any], parameters: Mapping[str, Any], generator: np.random.Generator
             ) -> dict[str, Any]:
        """One step of all prices."""
        prices = np.asarray(state["price"], dtype=float)
        returns = self.returns(prices, 1, parameters, generator)[0]
        return {"price": prices*(1 + returns), "fund_value": float(parameters["holdings"] @ (prices*(1 + returns)))}

    def returns(self, prices: NDArray[Any], draws: int, parameters: Mapping[str, Any], generator: np.random.Generator
                ) -> NDArray[Any]:
        """Return independent draws of the next step's returns at given prices, shape (draws, assets)."""
        step, holdings = parameters["time_step"], parameters["holdings"]
        root = np.linalg.cholesky(parameters["fundamental_covariance"])
        noise = math.sqrt(step)*(generator.standard_normal((draws, prices.size)) @ root.T)
        alone = parameters["drift"]*step + noise
        first = parameters["initial_value"]
        before, after = holdings @ prices/first, (1 + alone) @ (holdings*prices)/first
        slope, trigger = parameters["liquidation_slope"], parameters["trigger"]
        sold = slope*(np.minimum(after, trigger) - min(before, trigger))
        return np.asarray(alone + sold[:, None]*(holdings/parameters["depth"]))

    def covariance(self, prices: NDArray[Any]) -> NDArray[Any]:
        """Return the covariance of returns (per year) at prices, shape (..., assets, assets) for (..., assets)."""
        p = {name: np.array(value, dtype=float) for name, value in self.parameter_values.items()}
        weights = p["holdings"]*np.asarray(prices, dtype=float)/p["initial_value"]
        alone, impact = p["fundamental_covariance"], p["holdings"]/p["depth"]
        slope = np.where(weights.sum(axis=-1) < p["trigger"], p["liquidation_slope"], 0.0)[..., None, None]
        shared = (weights @ alone)[..., None, :]*impact[:, None]
        own = np.einsum("...i,ij,...j->...", weights, alone, weights)[..., None, None]
        return np.asarray(alone + slope*(shared + np.swapaxes(shared, -1, -2)) + slope**2*own*np.outer(impact, impact))

    def statistics_of(self, orbit: Any) -> dict[str, float]:
        """Realised and predicted mean correlation and variance of an orbit."""
        prices = orbit["price"].transpose("time", "asset").values
        if len(prices) < 3 or prices.shape[1] < 2:
            return dict.fromkeys(self.statistics, math.nan)
        realised = np.cov(np.diff(prices, axis=0)/prices[:-1], rowvar=False)/self.parameter_values["time_step"]
        predicted = self.covariance(prices[:-1]).mean(axis=0)
        found: dict[str, float] = {}
        for name, matrix in (("realised", realised), ("predicted", predicted)):
            deviations = np.sqrt(np.diag(matrix))
            correlations = (matrix/np.outer(deviations, deviations))[np.triu_indices(len(matrix), 1)]
            found |= {f"{name}_correlation": float(correlations.mean()), f"{name}_variance": float(np.diag(matrix).mean())}
        return found


def system(*, assets: int = 20, volatility: float = 0.2, impact: float = 0.2) -> DeclaredProcess:
    """Make the model with equal and independent assets, to be changed by parameters.

    Parameters
    ----------
    assets : int
    volatility : float
        Of each asset, per square root of a year.
    impact : float
        Holdings / market depth of each asset.

    Returns
    -------
    DeclaredProcess
        Its ``covariance(prices)`` is the formula, its ``returns(prices, draws, parameters, generator)`` one step.

    Raises
    ------
    SpecificationError
        For fewer than one asset, or numbers that are not positive.

    Examples
    --------
    >>> import dynamics as dy
    >>> selling = dy.models.load("distressed_selling", assets=3)
    >>> selling.covariance([1, 1, 1]).round(4).tolist()[0]
    [0.08, 0.04, 0.04]
    """
    if isinstance(assets, bool) or not isinstance(assets, int) or assets < 1:
        raise SpecificationError(f"assets must be a whole number of at least 1, not {assets!r}")
    for name, number in (("volatility", volatility), ("impact", impact)):
        if not isinstance(number, (int, float)) or not number > 0:
            raise SpecificationError(f"{name} must be a positive number, not {number!r}")
    covariance = tuple(tuple(volatility**2 if i == j else 0 for j in range(assets)) for i in range(assets))
    positive = (0, None)
    return _DistressedSelling(
        name="distressed_selling",
        states={
            "price": State((1,)*assets, "USD", positive, "S", "price of the asset", over=("asset",)),
            "fund_value": State("initial_value", "USD", (None, None), "V", "value of the fund's first positions"),
        },
        parameters={
            "holdings": Parameter((1,)*assets, "1", positive, "alpha", "units held by the fund", _SOURCE, over=("asset",)),
            "depth": Parameter((1/impact,)*assets, "1", positive, "D", "units that move the price by its size", _SOURCE,
                               over=("asset",)),
            "fundamental_covariance": Parameter(covariance, "1/year", (None, None), "Sigma", "covariance without selling",
                                                _SOURCE, over=("asset", "other_asset")),
            "drift": Parameter((0,)*assets, "1/year", (None, None), "m", "fundamental drift", _SOURCE, over=("asset",)),
            "liquidation_slope": Parameter(5, "1", positive, "f_prime", "share sold per relative loss", _SOURCE),
            "trigger": Parameter(100, "1", positive, "v_0", "relative fund value above which none is sold", _SOURCE),
            "initial_value": Parameter(assets, "USD", positive, "V_0", "value of the fund that losses are measured from",
                                       _SOURCE),
            "time_step": Parameter("1/252", "year", positive, "Delta_t", "length of a step", _SOURCE),
        },
        statistics={"realised_correlation": ("1", "mean correlation of returns"),
                    "predicted_correlation": ("1", "mean correlation by the formula, averaged over time"),
                    "realised_variance": ("1/year", "mean variance of returns"),
                    "predicted_variance": ("1/year", "mean variance by the formula, averaged over time")},
        options={"assets": assets, "volatility": volatility, "impact": impact},
        indices={"asset": assets, "other_asset": assets}, time_unit="1",
        references=(
            Reference("R. Cont, L. Wagalath", 2013, "Running for the exit: distressed selling and endogenous correlation in "
                      "financial markets", "Mathematical Finance 23, 718-741", "10.1111/j.1467-9965.2011.00510.x"),
            Reference("R. Cont, L. Wagalath", 2016, "Fire sales forensics: measuring endogenous risk",
                      "Mathematical Finance 26, 835-866", "10.1111/mafi.12071"),
        ),
    )
