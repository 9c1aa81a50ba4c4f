r"""Recursive leverage loops: borrow against a yielding asset, buy more of it, post it, borrow again.

At loan-to-value l, n loops reach the leverage :math:`\lambda_n = (1 - l^{n+1})/(1 - l)`, at most :math:`1/(1-l)`. The
asset yields s, the debt costs b(U), where U = borrowed / supplied is the lending pool's utilisation and the rate has a
kink:

.. math::
    b(U) &= r^* + \rho_1 (U - U^*) + \rho_2 \max(0, U - U^*), \\
    \dot u &= \ldots + (1-u)\,(s - b), \qquad \dot U = U \varphi/(1 - u), \\
    g &\to g + \gamma\,\bigl(s - (1-u)\,b\bigr).

Yield accrues to the asset and interest to the debt (hence the carry in the equity ratio); debt grows with what is
bought, and the pool's deposits keep pace with interest. Loops are added while they carry and unwound while they cost: s
- (1-u) b is the carry on assets, the equity ratio times the return on equity :math:`s + (\lambda - 1)(s - b)`. In the
terms of lending protocols, :math:`r_0 + r_1 U/U^*` and then :math:`r_0 + r_1 + r_2 (U - U^*)/(1 - U^*)`, the rate at
the kink is :math:`r^* = r_0 + r_1`, and :math:`\rho_1 = r_1/U^*`, :math:`\rho_1 + \rho_2 = r_2/(1 - U^*)`.

At rest utilisation is where the carry is gone, b(U) = s, and loops push leverage beyond the target, :math:`u =
\theta/(\theta \lambda^* + \gamma s)`. A fall of the asset below its peg is the price shock: liquidation starts at a
drop of :math:`1 - l/LT` (liquidation threshold LT), lenders lose beyond :math:`D^* = 1 - (1 + b)\,l`, with the bonus b.

Sources: limit of leverage, carry and kinked rate, L. Baude et al. (2026), arXiv:2601.14005; loss frontier, derived. The
equations of motion and the defaults (rates of a few per cent a year, per day) are assumptions.

====================  ======  ========  =====  =====================================================
parameter             symbol  default   unit   meaning
====================  ======  ========  =====  =====================================================
asset_yield           s       0.0001    1/day  yield of the asset
kink_rate             r*      0.00009   1/day  borrowing rate at the kink
rate_slope            rho_1   0.0001    1/day  rise of the rate per unit of utilisation
steeper_slope         rho_2   0.02      1/day  further rise per unit of utilisation above the kink
kink                  U*      0.9       1      utilisation at the kink
loop_speed            gamma   50        1      growth of loops per unit of carry
====================  ======  ========  =====  =====================================================

With ``target="loops"`` the target leverage becomes :math:`\lambda_n` (parameters ``loan_to_value`` 0.8 and ``loops``
10). Ports: reads ``net_flow``, ``equity_ratio``; changes ``voluntary_flow``, the equation of ``equity_ratio`` and, on
request, ``effective_target``."""

from __future__ import annotations

from dynamics.errors import SpecificationError
from dynamics.mechanisms import extend
from dynamics.systems import Parameter, State, System

__all__ = ["apply", "drop_to_liquidation", "loop_leverage", "loss_frontier", "provides", "requires"]

requires = ("voluntary_flow", "net_flow", "effective_target", "equity_ratio")
provides = ("utilisation", "borrowing_rate")


def apply(system: System, *, prefix: str = "", target: str = "kept") -> System:
    """Add yield, interest, the pool's utilisation and loop growth.

    Parameters
    ----------
    system : System
        With the ports ``voluntary_flow``, ``net_flow``, ``effective_target`` and the state ``equity_ratio``.
    prefix : str
        Put before the names of new parts.
    target : {"kept", "loops"}
        Whether holders keep their target leverage or take that of n loops.

    Returns
    -------
    System

    Raises
    ------
    SpecificationError
        For another target.

    Examples
    --------
    >>> import dynamics as dy
    >>> looped = dy.compose(dy.models.load("deleveraging"), "recursive_loops")
    >>> looped.equations["utilisation"]
    'utilisation*net_flow/(1 - equity_ratio)'
    """
    if target not in ("kept", "loops"):
        raise SpecificationError(f"target must be 'kept' or 'loops', not {target!r}")
    use, rate, earned, at_kink, slope, steeper, kink, speed, ratio, loops = (f"{prefix}{n}" for n in (
        "utilisation", "borrowing_rate", "asset_yield", "kink_rate", "rate_slope", "steeper_slope", "kink", "loop_speed",
        "loan_to_value", "loops"))
    parameters = {
        earned: Parameter(0.0001, "1/day", (0, None), "s", "yield of the asset", "assumption"),
        at_kink: Parameter(0.00009, "1/day", (0, None), "r_star", "borrowing rate at the kink", "assumption"),
        slope: Parameter(0.0001, "1/day", (0, None), "rho_1", "rise of the rate per unit of utilisation", "assumption"),
        steeper: Parameter(0.02, "1/day", (0, None), "rho_2", "further rise per unit of utilisation above the kink",
                           "assumption"),
        kink: Parameter(0.9, "1", (0, 1), "U_star", "utilisation at the kink", "assumption"),
        speed: Parameter(50, "1", (0, None), "gamma", "growth of loops per unit of carry", "assumption"),
    }
    changed = {"voluntary_flow": f"{system.definitions['voluntary_flow']}"
                                 f" + {speed}*({earned} - (1 - equity_ratio)*{rate})"}
    if target == "loops":
        parameters[ratio] = Parameter(0.8, "1", (0, 1), "l", "loan-to-value of each loop", "assumption")
        parameters[loops] = Parameter(10, "1", (0, None), "n", "number of loops", "assumption")
        changed["effective_target"] = f"(1 - {ratio}**({loops} + 1))/(1 - {ratio})"
    return extend(
        system, "recursive_loops",
        add={
            "states": {use: State(kink, "1", (0, None), "U", "borrowed over supplied in the lending pool")},
            "parameters": parameters,
            "definitions": {rate: f"{at_kink} + {slope}*({use} - {kink}) + {steeper}*max(0, {use} - {kink})"},
            "equations": {use: f"{use}*net_flow/(1 - equity_ratio)"},
        },
        override={
            "definitions": changed,
            "equations": {"equity_ratio": f"{system.equations['equity_ratio']} + (1 - equity_ratio)*({earned} - {rate})"},
        },
    )


def loop_leverage(loan_to_value: float, loops: float = float("inf")) -> float:
    """loop_leverage(loan_to_value, loops): leverage after so many loops, or the limit.

    Parameters
    ----------
    loan_to_value : float
        Between 0 and 1, exclusive.
    loops : float

    Returns
    -------
    float

    References
    ----------
    L. Baude et al. (2026), arXiv:2601.14005

    Examples
    --------
    >>> round(loop_leverage(0.825, 5), 4), round(loop_leverage(0.825), 4)
    (3.9126, 5.7143)
    """
    return (1 - loan_to_value ** (loops + 1)) / (1 - loan_to_value)


def drop_to_liquidation(loan_to_value: float, threshold: float) -> float:
    """drop_to_liquidation(loan_to_value, threshold): relative fall of the collateral at which liquidation starts.

    Parameters
    ----------
    loan_to_value, threshold : float

    Returns
    -------
    float

    Examples
    --------
    >>> round(drop_to_liquidation(11 / 12, 0.95), 4)
    0.0351
    """
    return 1 - loan_to_value / threshold


def loss_frontier(loan_to_value: float, bonus: float) -> float:
    """loss_frontier(loan_to_value, bonus): relative fall of the collateral beyond which lenders lose.

    Parameters
    ----------
    loan_to_value, bonus : float

    Returns
    -------
    float

    Examples
    --------
    >>> round(loss_frontier(11 / 12, 0.01), 4)      # leverage 12
    0.0742
    """
    return 1 - (1 + bonus) * loan_to_value
