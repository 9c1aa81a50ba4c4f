r"""News: the price also moves by itself, and holders' equity with it.

Between trades the log price follows a Wiener process with volatility :math:`\sigma`. Along a path the debt does not change,
so that equity over assets obeys :math:`1 - u \propto e^{-x}` exactly; in Ito's calculus that is

.. math::
    dx = \dot x\,dt + \sigma\,dW, \qquad
    du = \dot u\,dt + (1 - u)\,\sigma\,dW - \tfrac12 (1 - u)\,\sigma^2\,dt ,

with :math:`\dot x` and :math:`\dot u` those of the model. The last term is no choice: without it holders would gain equity
from noise alone. With ``jumps=True`` the log price also falls by a fixed size at Poisson times, and u by the model's own
shock map, :math:`u \to 1 - (1 - u) e^{s}`.

The drift of Ito's term moves the fixed point of the flow without noise: leverage rests above its target by about
:math:`(1 - u)\sigma^2/(2 u \theta)` relative to it. At :math:`\sigma = 0` it is the model's own.

Source: accounting; derived here. Volatility and jumps are assumptions, to be replaced by those of the market at hand.

===============  =======  =======  ===============  ============================================  ==========
parameter        symbol   default  unit             meaning                                       source
===============  =======  =======  ===============  ============================================  ==========
news_volatility  sigma    0.02     1/day**0.5       volatility of news                            assumption
jump_rate        lambda_J 0.01     1/day            jumps per day                                 assumption
jump_size        s_J      0.1      1                fall of the log price in a jump               assumption
===============  =======  =======  ===============  ============================================  ==========

Ports: reads ``price_change``; acts on the states ``price_gap`` and ``equity_ratio``.
"""

from __future__ import annotations

from dynamics.mechanisms import extend
from dynamics.systems import Jump, Parameter, System

__all__ = ["apply", "provides", "requires"]

requires = ("price_change", "price_gap", "equity_ratio")
provides = ("news_volatility",)


def apply(system: System, *, prefix: str = "", jumps: bool = False) -> System:
    """Add noise to the price, and to equity with it.

    Parameters
    ----------
    system : System
        With the port ``price_change`` and the states ``price_gap`` and ``equity_ratio``.
    prefix : str
        Put before the names of new parts.
    jumps : bool
        Also falls of a fixed size at Poisson times.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> noisy = dy.compose(dy.models.load("deleveraging"), "news").with_parameters(news_volatility=0.1)
    >>> run = dy.simulate(noisy, duration=30, time_step=0.02, paths=500, seed=1)
    >>> 0 < float(run["event_probability"].sel(event="margin_call_start", bound="estimate")) < 1
    True
    """
    volatility, rate, size = (f"{prefix}{name}" for name in ("news_volatility", "jump_rate", "jump_size"))
    parameters = {volatility: Parameter("0.02", "1/day**0.5", (0, None), "sigma", "volatility of news", "assumption")}
    falls = {}
    if jumps:
        parameters |= {
            rate: Parameter("0.01", "1/day", (0, None), "lambda_J", "jumps per day", "assumption"),
            size: Parameter("0.1", "1", (None, None), "s_J", "fall of the log price in a jump", "assumption")}
        falls = {f"{prefix}news": Jump(rate, {"price_gap": f"price_gap - {size}",
                                              "equity_ratio": f"1 - (1 - equity_ratio)*exp({size})"},
                                       "a fall of the price from outside")}
    return extend(
        system, "news",
        add={"parameters": parameters, "jumps": falls,
             "noise": {f"{prefix}news": {"price_gap": volatility, "equity_ratio": f"(1 - equity_ratio)*{volatility}"}}},
        override={"equations": {"equity_ratio": f"{system.equations['equity_ratio']} "
                                                f"- (1 - equity_ratio)*{volatility}**2/2"}},
    )
