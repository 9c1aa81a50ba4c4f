r"""Endogenous risk of Danielsson-Shin-Zigrand type: volatility as a function of the capital of risk-constrained traders.

A risk-neutral sector with capital :math:`V` holds as much as its value at risk allows, :math:`\alpha\sigma D = V`, so its
leverage is :math:`1/(\alpha\sigma)`; value investors demand :math:`\delta\sigma^{-2}(z - \ln P)`, where the fundamental
moves as :math:`dz = r^* dt + s\,dW`. Demands add up to nothing, :math:`\ln P = z + \sigma V/(\alpha\delta)`, and
:math:`dV = rV\,dt + D(dP/P - r\,dt)`. That volatility is what both expect it to be means

.. math::

    V^2 \sigma'(V) = \alpha^2\delta(\sigma - s) - V\sigma, \qquad
    \sigma(V) = s\,w e^{-w} \mathrm{Ei}(w), \quad w = \alpha^2\delta/V ,

with the constant of integration at which :math:`\sigma \to s` without capital, and Ito's rule gives the drift

.. math::

    \mu = r + \frac{\sigma}{2\alpha s}\Big\{2\alpha(r^* - r) + \alpha\sigma^2 - s
    + (s - \sigma)\Big[2 - 2\alpha^2 r - \frac{\alpha^2\delta}{V}\Big]\Big\} .

The structure is from memory of the papers and everything else derived from it, hence "type".

Known results: volatility has a hump in capital, at most :math:`1.48408\,s` at :math:`w = 3.06577`; it is :math:`s` again at
:math:`w = 1.34716` and zero at :math:`w = 0.37251`, beyond which the solution has no meaning. Between the last two and the
hump a loss of capital raises volatility and cuts leverage: the traders sell into the fall.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.results import solution
from dynamics.systems import DeclaredProcess, Parameter, Reference, State

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["system"]

POINTS = 600
_SOURCE = "assumption"


def amplification(w: Any) -> Any:
    """Return sigma/s at w = alpha^2 delta / V; w at most 700, where Ei ends."""
    from scipy.special import expi

    return w*np.exp(-w)*expi(w)


class _EndogenousRisk(DeclaredProcess):
    def solve(self, parameters: Mapping[str, Any] | None = None) -> xr.Dataset:
        """Return volatility, leverage and drifts over the capital at which the solution has a meaning."""
        from scipy.optimize import brentq

        here = self.with_parameters(parameters) if parameters else self
        p = here.parameter_values
        alpha, s, r, trend = p["risk_constraint"], p["fundamental_volatility"], p["interest"], p["fundamental_drift"]
        scale = alpha**2*p["value_demand"]
        # the slope of w exp(-w) Ei(w) is (1/w - 1) times it, and 1
        hump = brentq(lambda w: (1/w - 1)*amplification(w) + 1, 2.0, 5.0, xtol=1e-15)
        neutral = brentq(lambda w: amplification(w) - 1, 1.0, 2.0, xtol=1e-15)
        last = brentq(amplification, 0.3, 0.5, xtol=1e-15)
        w = 1/np.linspace(1/200, 1/last, POINTS, endpoint=False)
        capital, sigma = scale/w, s*amplification(w)
        bracket = (2*alpha*(trend - r) + alpha*sigma**2 - s + (s - sigma)*(2 - 2*alpha**2*r - w))
        drift = r + sigma/(2*alpha*s)*bracket
        profiles = {
            "volatility": (sigma, "1/year**0.5", "volatility of the price"),
            "leverage": (1/(alpha*sigma), "1", "position / capital of the traders"),
            "price_drift": (drift, "1/year", "expected return of the asset"),
            "capital_drift": (r + (drift - r)/(alpha*sigma), "1/year", "expected growth of the traders' capital"),
        }
        numbers = {"largest_amplification": float(amplification(hump)), "hump_capital": scale/hump,
                   "neutral_capital": scale/neutral, "largest_capital": scale/last,
                   "largest_volatility": s*float(amplification(hump)), "lowest_leverage": 1/(alpha*s*amplification(hump))}
        coordinate = {"capital": ("capital", capital, {"units": "USD", "long_name": "capital of the traders"})}
        described = {n: ("capital", v, {"units": unit, "long_name": meaning}) for n, (v, unit, meaning) in profiles.items()}
        return solution(here, numbers, described, coordinate, method="closed form")


def system() -> DeclaredProcess:
    """Make the model.

    Returns
    -------
    DeclaredProcess
        ``solve()`` returns profiles over ``capital`` and where the hump is.

    Examples
    --------
    >>> import dynamics as dy
    >>> solved = dy.models.load("endogenous_risk").solve()
    >>> round(float(solved["largest_amplification"]), 6)
    1.484081
    """
    positive = (0, None)
    return _EndogenousRisk(
        name="endogenous_risk",
        states={
            "largest_amplification": State(1, "1", positive, None, "largest volatility / fundamental volatility"),
            "hump_capital": State(1, "USD", positive, None, "capital at the largest volatility"),
            "neutral_capital": State(1, "USD", positive, None, "capital at which volatility is fundamental again"),
            "largest_capital": State(1, "USD", positive, None, "capital at which the solution ends"),
            "largest_volatility": State(1, "1/year**0.5", positive, None, "largest volatility"),
            "lowest_leverage": State(1, "1", positive, None, "leverage at the largest volatility"),
        },
        parameters={
            "risk_constraint": Parameter(1, "year**0.5", positive, "alpha", "value at risk / its volatility", _SOURCE),
            "value_demand": Parameter(1, "USD/year", positive, "delta", "strength of value investors", _SOURCE),
            "fundamental_volatility": Parameter("0.2", "1/year**0.5", positive, "s", "fundamental volatility", _SOURCE),
            "fundamental_drift": Parameter("0.05", "1/year", (None, None), "r_star", "fundamental drift", _SOURCE),
            "interest": Parameter("0.01", "1/year", (None, None), "r", "interest rate", _SOURCE),
        },
        time_unit="year",
        references=(
            Reference("J. Danielsson, H. S. Shin, J.-P. Zigrand", 2009, "Risk appetite and endogenous risk",
                      "working paper, Financial Markets Group, London School of Economics"),
            Reference("J. Danielsson, H. S. Shin, J.-P. Zigrand", 2012,
                      "Endogenous extreme events and the dual role of prices", "Annual Review of Economics 4"),
        ),
    )
