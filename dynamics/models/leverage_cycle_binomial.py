r"""Geanakoplos' leverage cycle: heterogeneous beliefs, collateral and two dates of trade.

Agents :math:`h \in [0, 1]`, uniform, own one unit of a good and one of an asset that pays 1, or :math:`R` after two pieces
of bad news; :math:`h` is the chance of good news that agent :math:`h` believes in at each step. They can borrow only what
the asset is worth at the worst next date, so nobody defaults. After one piece of bad news (date :math:`D`) the optimists
:math:`h > h_0`, who held the asset on credit, have lost everything, and loans are smaller: the price falls by far more than
the news is worth to anyone.

.. math::

    p_D = h_D + (1 - h_D) R, \qquad
    p_D = \frac{(1 + p_D)(h_0 - h_D)}{h_0} + R, \qquad
    p_0 = (1 - h_0)(1 + p_0) + p_D,

.. math::

    \frac{h_0 (1 - p_D)}{p_0 - p_D} = h_0 + (1 - h_0) \frac{h_0 (1 - R)}{p_D - R} .

The first two say who is indifferent at :math:`D` and that the others' wealth buys the asset there; the third that the wealth
of :math:`h > h_0` with the loan :math:`p_D` buys it at the beginning; the last that agent :math:`h_0` is indifferent between
the asset on credit and keeping wealth for date :math:`D`. With one date of trade: :math:`p = h + (1 - h)R` and
:math:`1 - h = hp` without borrowing, :math:`1 - h + R = hp` with it.

Known results: with :math:`R = 0.2` the margin :math:`(p - \text{loan})/p` rises from 26.8 % to 71.1 % and leverage falls
from 3.74 to 1.41 while the price falls from 0.947 to 0.693; with one date borrowing raises the price from 0.677 to 0.749.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dynamics.errors import ConvergenceError, SpecificationError, did_you_mean
from dynamics.results import solution
from dynamics.systems import DeclaredProcess, Parameter, Reference, State

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["system"]

TRADES = ("dynamic", "static", "static_without_borrowing")


class _Dynamic(DeclaredProcess):
    def solve(self, parameters: Mapping[str, Any] | None = None) -> xr.Dataset:
        """Return the equilibrium: three equations give the others in closed form, the last is solved for ``buyer_down``."""
        from scipy.optimize import brentq

        here = self.with_parameters(parameters) if parameters else self
        low = here.parameter_values["low_payoff"]

        def rest(down: float) -> tuple[float, float, float]:
            price_down = down + (1 - down)*low
            # wealth of those between the two buyers, and the loan R, buy the asset at D
            start = (1 + price_down)*down/(1 + low)
            return price_down, start, (1 - start + price_down)/start

        def indifference(down: float) -> float:
            price_down, start, price = rest(down)
            return start*(1 - price_down)/(price - price_down) - start - (1 - start)*start*(1 - low)/(price_down - low)

        most = _first_buyer_is_the_last(low)
        try:
            down, details = brentq(indifference, *_bracket(indifference, most), xtol=1e-16, rtol=1e-15, full_output=True)
        except ValueError:
            raise ConvergenceError(f"low_payoff = {low:g}: no equilibrium with two dates of trade was found") from None
        price_down, start, price = rest(down)
        numbers = {"buyer": start, "price": price, "loan": price_down, "margin": 1 - price_down/price,
                   "leverage": price/(price - price_down), "buyer_down": down, "price_down": price_down, "loan_down": low,
                   "margin_down": 1 - low/price_down, "leverage_down": price_down/(price_down - low),
                   "price_fall": price - price_down}
        return solution(here, numbers, method="brentq", evaluations=details.function_calls)


class _Static(DeclaredProcess):
    def solve(self, parameters: Mapping[str, Any] | None = None) -> xr.Dataset:
        """Return the equilibrium: the root in (0, 1) of a quadratic."""
        here = self.with_parameters(parameters) if parameters else self
        low = here.parameter_values["low_payoff"]
        loan = low if here.options["trade"] == "static" else 0.0
        # (1 - h) + loan = h p with p = h + (1 - h) R
        a, b, c = 1 - low, 1 + low, -(1 + loan)
        buyer = (-b + math.sqrt(b*b - 4*a*c))/(2*a)
        price = buyer + (1 - buyer)*low
        numbers = {"buyer": buyer, "price": price, "loan": loan, "margin": 1 - loan/price, "leverage": price/(price - loan)}
        return solution(here, numbers, method="closed form", exactness="exact")


def _first_buyer_is_the_last(low: float) -> float:
    """The buyer at D for which the first buyer is agent 1: (1 + p_D) h_D = 1 + R."""
    a, b = 1 - low, 1 + low
    return (-b + math.sqrt(b*b + 4*a*b))/(2*a)


def _bracket(function: Any, high: float) -> tuple[float, float]:
    """A sign change below ``high``, where the function has a pole; looked for ever closer to it, as the root moves there."""
    points = [high*(1 - 10**(-k/20)) for k in range(1, 240)]
    for low, up in itertools.pairwise(points):
        if function(low) < 0 <= function(up):
            return low, up
    raise ValueError("no change of sign")


def system(*, trade: str = "dynamic") -> DeclaredProcess:
    """Make the model.

    Parameters
    ----------
    trade : {"dynamic", "static", "static_without_borrowing"}
        Two dates of trade; one; one without borrowing.

    Returns
    -------
    DeclaredProcess
        ``solve()`` returns the equilibrium.

    Raises
    ------
    SpecificationError
        For another trade.

    Examples
    --------
    >>> import dynamics as dy
    >>> cycle = dy.models.load("leverage_cycle_binomial").solve()
    >>> [round(float(cycle[name]), 4) for name in ("price", "price_down", "leverage", "leverage_down")]
    [0.9465, 0.6932, 3.7363, 1.4055]
    """
    if trade not in TRADES:
        raise SpecificationError(f"trade must be one of {', '.join(TRADES)}, not {trade!r}.{did_you_mean(trade, TRADES)}")
    states = {
        "buyer": State("0.8", "1", (0, 1), "h_0", "the least optimistic buyer at the beginning"),
        "price": State("0.8", "1", (0, 1), "p_0", "price of the asset at the beginning, in goods"),
        "loan": State("0.2", "1", (0, 1), None, "loan on one asset at the beginning"),
        "margin": State("0.2", "1", (0, 1), "m_0", "share of the price paid with own wealth at the beginning"),
        "leverage": State(1, "1", (1, None), "lambda_0", "price / own payment at the beginning"),
    }
    if trade == "dynamic":
        states |= {
            "buyer_down": State("0.6", "1", (0, 1), "h_D", "the least optimistic buyer after bad news"),
            "price_down": State("0.7", "1", (0, 1), "p_D", "price of the asset after bad news"),
            "loan_down": State("0.2", "1", (0, 1), None, "loan on one asset after bad news"),
            "margin_down": State("0.7", "1", (0, 1), "m_D", "share of the price paid with own wealth after bad news"),
            "leverage_down": State(1, "1", (1, None), "lambda_D", "price / own payment after bad news"),
            "price_fall": State("0.2", "1", (0, 1), None, "fall of the price at bad news"),
        }
    return (_Dynamic if trade == "dynamic" else _Static)(
        name="leverage_cycle_binomial",
        states=states,
        parameters={"low_payoff": Parameter("0.2", "1", ("0.001", "0.99"), "R", "payoff of the asset in the worst state",
                                            "the worked example, as remembered; all its numbers follow")},
        options={"trade": trade},
        references=(Reference("J. Geanakoplos", 2010, "The leverage cycle", "NBER Macroeconomics Annual 24",
                              "10.1086/648285"),),
    )
