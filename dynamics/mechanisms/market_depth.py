r"""Market depth: liquidity that forced sales consume and that comes back.

Depth y is relative to its normal level. Resting orders return with time constant :math:`\tau_y`, forced sales q consume
them, and impact is inverse to depth,

.. math:: \dot y = (1 - y)/\tau_y - c\,q\,y, \qquad \eta_{\mathrm{effective}} = \eta\,\ell / y .

At rest y = 1: the ordinary fixed point and its stability are those without the mechanism. While the venue sells at rate
q depth settles at :math:`y = 1/(1 + c\,\tau_y q)`, so the margin-call equilibrium and the critical shock suffer. The
factor :math:`\ell` is the law of impact:

- ``"linear"``: 1.
- ``"exponential"``: :math:`1 + x/b`: the log price falls exponentially with the volume sold towards the floor
  :math:`-b` (the differential form of :math:`\Psi = (1 - B/S)(1 - e^{-q/\delta})`, in log prices to stay algebraic).
- ``"square_root"``: :math:`(1 + (\varphi/\varphi_c)^2)^{-1/4}`: impact is linear in small flows and grows with the
  square root of large ones; a pure square root has infinite slope at zero, and with it an infinite cascade number.
- ``"constant_product"``: :math:`e^{x/2}`: a pool with reserves XY = k that arbitrage keeps at the market price holds
  :math:`X \propto e^{-x/2}` units, and :math:`d \ln P = -2\,dX/X`.
- ``"propagator"``: the impact of past flow decays at the rate :math:`\rho` besides the buyers' reversion: :math:`\dot J
  = \eta_{\mathrm{effective}} \varphi - \rho J`, and the price changes by :math:`\dot J - \kappa x`.

Sources: recovery and consumption, our reduction of order-book resilience (A. Obizhaeva and J. Wang, Optimal trading
strategy and supply/demand dynamics, 2013, doi:10.1016/j.finmar.2012.09.001); floor-exponential law, R. Cont and E.
Schaanning, Fire sales, indirect contagion and systemic stress testing (2017), doi:10.2139/ssrn.2541114 (in prices, not
in logs); propagator, J.-P. Bouchaud et al., Fluctuations and response in financial markets (2004),
doi:10.1080/14697680400000022, here with an exponential kernel; the constant-product pool is derived. Defaults are
assumptions.

====================  ======  =======  ====  ===========================================================  ==========
parameter             symbol  default  unit  meaning                                                      source
====================  ======  =======  ====  ===========================================================  ==========
depth_recovery        tau_y   0.5      day   time in which depth comes back                               assumption
depth_consumption     c       1        1     share of depth that a unit of forced sales consumes          assumption
largest_fall          b       0.7      1     exponential law: largest fall of the log price               assumption
flow_scale            phi_c   1        1/day square-root law: flow at which impact bends                  assumption
impact_decay          rho     1        1/day propagator: rate at which past impact decays                 assumption
====================  ======  =======  ====  ===========================================================  ==========

Ports: reads ``forced_sales``, ``net_flow``; changes ``effective_impact`` (and ``price_change`` with the propagator).
"""

from __future__ import annotations

import math

from dynamics.errors import SpecificationError, did_you_mean
from dynamics.mechanisms import extend
from dynamics.systems import Measure, Parameter, State, System

__all__ = ["apply", "constant_product_price", "equity_while_exiting", "provides", "requires"]

requires = ("effective_impact", "forced_sales", "net_flow", "price_change", "price_gap")
provides = ("depth",)
_LAWS = ("linear", "exponential", "square_root", "constant_product", "propagator")


def apply(system: System, *, prefix: str = "", law: str = "linear") -> System:
    """Add depth as a state, and the law of impact.

    Parameters
    ----------
    system : System
        With the ports ``effective_impact``, ``forced_sales``, ``net_flow`` and ``price_change``.
    prefix : str
        Put before the names of new parts.
    law : {"linear", "exponential", "square_root", "constant_product", "propagator"}
        How impact depends on flow, price or past flow.

    Returns
    -------
    System

    Raises
    ------
    SpecificationError
        For another law.

    Examples
    --------
    >>> import dynamics as dy
    >>> deep = dy.compose(dy.models.load("deleveraging"), ("market_depth", {"law": "constant_product"}))
    >>> deep.definitions["effective_impact"]
    '(price_impact)*exp(price_gap/2)/depth'
    """
    if law not in _LAWS:
        raise SpecificationError(f"law must be one of {', '.join(_LAWS)}, not {law!r}.{did_you_mean(str(law), _LAWS)}")
    depth, recovery, consumption = f"{prefix}depth", f"{prefix}depth_recovery", f"{prefix}depth_consumption"
    floor, scale, decay, past = (f"{prefix}{n}" for n in ("largest_fall", "flow_scale", "impact_decay", "transient_impact"))
    states = {depth: State(1, "1", (0, 1), "y", "market depth relative to its normal level")}
    equations = {depth: f"(1 - {depth})/{recovery} - {consumption}*forced_sales*{depth}"}
    parameters = {
        recovery: Parameter(0.5, "day", (0, None), "tau_y", "time in which depth comes back", "assumption"),
        consumption: Parameter(1, "1", (0, None), "c", "share of depth that a unit of forced sales consumes", "assumption"),
    }
    impact, changed = f"({system.definitions['effective_impact']})", {}
    if law == "exponential":
        parameters[floor] = Parameter(0.7, "1", (0, None), "b", "largest fall of the log price that impact makes",
                                      "assumption")
        impact += f"*(1 + price_gap/{floor})"
    elif law == "square_root":
        parameters[scale] = Parameter(1, "1/day", (0, None), "phi_c", "flow at which impact bends", "assumption")
        impact += f"*(1 + (net_flow/{scale})**2)**(-1/4)"
    elif law == "constant_product":
        impact += "*exp(price_gap/2)"
    elif law == "propagator":
        parameters[decay] = Parameter(1, "1/day", (0, None), "rho", "rate at which past impact decays", "assumption")
        states[past] = State(0, "1", (None, None), "J", "impact of past flow that has not decayed")
        equations[past] = f"effective_impact*net_flow - {decay}*{past}"
        changed["price_change"] = f"{system.definitions['price_change']} - {decay}*{past}"
    changed["effective_impact"] = f"{impact}/{depth}"
    return extend(
        system, "market_depth",
        add={"states": states, "equations": equations, "parameters": parameters,
             "measures": {f"{prefix}least_depth": Measure(depth, "min", meaning="smallest market depth")}},
        override={"definitions": changed},
    )


def constant_product_price(sold_share: float, fee: float = 0.0) -> tuple[float, float]:
    """constant_product_price(sold_share, fee=0): price after a sale into a constant-product pool, and the average paid.

    Parameters
    ----------
    sold_share : float
        Units sold over the pool's reserve of them.
    fee : float
        Share of the units that the pool keeps as its fee; it goes to the reserve.

    Returns
    -------
    after, average : float
        1/((1 + s) (1 + (1 - fee) s)) and (1 - fee)/(1 + (1 - fee) s), relative to the price before.

    Raises
    ------
    SpecificationError
        For a sale of -1 or less: the pool has no more than its reserve. For a fee that is no share below one.

    Examples
    --------
    >>> constant_product_price(0.25)
    (0.64, 0.8)
    """
    if not sold_share > -1:
        raise SpecificationError(f"sold_share must be above -1, not {sold_share}: a pool cannot give more than its reserve")
    if not 0 <= fee < 1:
        raise SpecificationError(f"fee must be at least 0 and below 1, not {fee}")
    swapped = (1 - fee) * sold_share
    return 1 / ((1 + sold_share) * (1 + swapped)), (1 - fee) / (1 + swapped)


def equity_while_exiting(sold_share: float, leverage: float, impact: float) -> float:
    """equity_while_exiting(sold_share, leverage, impact): equity over initial assets while a book with square-root impact
    is sold.

    1/lambda - I sqrt(x) + I x**1.5/3: leverage rises first whatever it was, and who sells all is insolvent iff it was above
    3/(2 I).

    Parameters
    ----------
    sold_share : float
        x, between 0 and 1.
    leverage : float
        Before the first sale.
    impact : float
        I, the relative fall of the price when all is sold.

    Returns
    -------
    float
        What is left is marked at the last price.

    References
    ----------
    F. Caccioli, J.-P. Bouchaud and J. D. Farmer (2012), A proposal for impact-adjusted valuation; derived again here.

    Examples
    --------
    >>> round(equity_while_exiting(1, 10, 0.1), 6), round(equity_while_exiting(1, 15, 0.1), 6) == 0
    (0.033333, True)
    """
    return 1 / leverage - impact * math.sqrt(sold_share) + impact * sold_share**1.5 / 3
