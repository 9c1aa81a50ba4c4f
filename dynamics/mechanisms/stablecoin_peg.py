r"""Stablecoin peg: the money of account leaves par while holders deleverage.

Three kinds of coin, each with the log z of its price over par.

``"collateralised"``: holders owe the coin and buy it back to repay. Buying shrinks supply, so the coin trades at a
premium and the debt grows while holders deleverage. With the share :math:`\beta_z` of debt owed in the coin,

.. math:: \dot z = -\varphi/(1 - u) - \kappa_z z, \qquad \dot u = \ldots - \beta_z (1 - u)\,\dot z .

``"fiat"``: redeemed at par through a backlog L; a premium or discount draws creations or redemptions, and forced sales
take coins off the market (:math:`\lambda_s`). The share :math:`\psi` of equity is posted in the coin,

.. math:: \dot z = \gamma L/\tau_L - \lambda_s q, \qquad \dot L = -a z - L/\tau_L, \qquad
          \dot u = \ldots + \psi\,u\,\dot z .

``"algorithmic"``: swapped into a volatile token through a virtual pool B + delta, with d = delta/B replenished at the
rate 1/n; the price is that of the pool, and holders run from a discount at the rate :math:`\rho_z` and from forced
sales at :math:`\lambda_s`,

.. math:: z = -2 \ln(1 + d), \qquad \dot d = -\rho_z z + \lambda_s q - d/n, \qquad
          \dot u = \ldots + \psi\,u\,\dot z .

Stability of the peg at rest: collateralised always with :math:`\beta_z` small, see the table of
``dynamics.mechanisms``; fiat always (damped oscillation iff :math:`1 < 4 \gamma a \tau_L`); algorithmic iff :math:`2
\rho_z n < 1`: a run ends the peg where holders react faster than the pool replenishes.

Sources: supply and price of a collateralised coin Z = D/L, A. Klages-Mundt and A. Minca, (In)Stability for the
blockchain (2019), arXiv:1906.02152, and While stability lasts (2022), doi:10.1111/mafi.12357; redemption backlog after
arXiv:2601.18991; virtual pool, the source of the Terra market module. The couplings to leverage, the continuous time
and all defaults are our reduction.

=====================  ========  =======  =====  =======================================================
parameter              symbol    default  unit   meaning
=====================  ========  =======  =====  =======================================================
coin_debt_share        beta_z    0.1      1      collateralised: share of debt owed in the coin
coin_reversion         kappa_z   2        1/day  collateralised: speed at which demand adapts
redemption_impact      gamma     1        1      fiat: rise of the log price per unit redeemed
redemption_time        tau_L     1        day    fiat: time in which a redemption is served
redemption_response    a         4        1/day  fiat: redemptions per unit of discount
run_from_sales         lambda_s  0.05     1      coins leaving per unit of forced sales
coin_equity_share      psi       0.5      1      share of equity posted in the coin
run_speed              rho_z     0.2      1/day  algorithmic: run per unit of discount
replenishment_time     n         1        day    algorithmic: time in which the pool is replenished
=====================  ========  =======  =====  =======================================================

Ports: reads ``net_flow``, ``forced_sales``, ``equity_ratio``; changes the equation of ``equity_ratio``.
"""

from __future__ import annotations

import math

from dynamics.errors import SpecificationError, did_you_mean
from dynamics.mechanisms import extend
from dynamics.systems import Measure, Parameter, State, System

__all__ = ["apply", "provides", "requires", "sustained_capacity"]

requires = ("net_flow", "forced_sales", "equity_ratio")
provides = ("peg_gap",)
_PARAMETERS = {
    "coin_debt_share": Parameter(0.1, "1", (0, 1), "beta_z", "share of debt owed in the coin", "assumption"),
    "coin_reversion": Parameter(2, "1/day", (0, None), "kappa_z", "speed at which demand adapts", "assumption"),
    "redemption_impact": Parameter(1, "1", (0, None), "gamma", "rise of the log price per unit redeemed", "assumption"),
    "redemption_time": Parameter(1, "day", (0, None), "tau_L", "time in which a redemption is served", "assumption"),
    "redemption_response": Parameter(4, "1/day", (0, None), "a", "redemptions per unit of discount", "assumption"),
    "run_from_sales": Parameter(0.05, "1", (0, None), "lambda_s", "coins leaving per unit of forced sales", "assumption"),
    "coin_equity_share": Parameter(0.5, "1", (0, 1), "psi", "share of equity posted in the coin", "assumption"),
    "run_speed": Parameter(0.2, "1/day", (0, None), "rho_z", "run per unit of discount", "assumption"),
    "replenishment_time": Parameter(1, "day", (0, None), "n", "time in which the pool is replenished", "assumption"),
}
_KINDS = {
    "collateralised": ("coin_debt_share", "coin_reversion"),
    "fiat": ("redemption_impact", "redemption_time", "redemption_response", "run_from_sales", "coin_equity_share"),
    "algorithmic": ("run_from_sales", "coin_equity_share", "run_speed", "replenishment_time"),
}


def apply(system: System, *, prefix: str = "", kind: str = "collateralised") -> System:
    """Add a coin that leaves par while holders deleverage, and what that does to their equity.

    Parameters
    ----------
    system : System
        With the ports ``net_flow`` and ``forced_sales`` and the state ``equity_ratio``.
    prefix : str
        Put before the names of new parts.
    kind : {"collateralised", "fiat", "algorithmic"}
        What holds the coin at par.

    Returns
    -------
    System

    Raises
    ------
    SpecificationError
        For another kind.

    Examples
    --------
    >>> import dynamics as dy
    >>> coin = dy.compose(dy.models.load("deleveraging"), "stablecoin_peg")
    >>> coin.equations["peg_gap"]
    'peg_change'
    """
    if kind not in tuple(_KINDS):
        raise SpecificationError(f"kind must be one of {', '.join(_KINDS)}, not {kind!r}.{did_you_mean(str(kind), _KINDS)}")
    n = {name: f"{prefix}{name}" for name in (*_PARAMETERS, "peg_gap", "peg_change", "redemption_backlog", "pool_gap")}
    definitions = {}
    gap = State(0, "1", (None, None), "z", "log price of the coin over par")
    if kind == "collateralised":
        states = {n["peg_gap"]: gap}
        equations = {n["peg_gap"]: n["peg_change"]}
        change = f"-net_flow/(1 - equity_ratio) - {n['coin_reversion']}*{n['peg_gap']}"
        felt = f" - {n['coin_debt_share']}*(1 - equity_ratio)*{n['peg_change']}"
    elif kind == "fiat":
        backlog = n["redemption_backlog"]
        states = {n["peg_gap"]: gap, backlog: State(0, "1", (None, None), "L", "redemptions waiting; negative: creations")}
        equations = {n["peg_gap"]: n["peg_change"],
                     backlog: f"-{n['redemption_response']}*{n['peg_gap']} - {backlog}/{n['redemption_time']}"}
        change = f"{n['redemption_impact']}*{backlog}/{n['redemption_time']} - {n['run_from_sales']}*forced_sales"
        felt = f" + {n['coin_equity_share']}*equity_ratio*{n['peg_change']}"
    else:
        pool = n["pool_gap"]
        states = {pool: State(0, "1", (-1, None), "d", "coins in the virtual pool above its base, relative")}
        definitions[n["peg_gap"]] = f"-2*log(1 + {pool})"
        equations = {pool: f"-{n['run_speed']}*{n['peg_gap']} + {n['run_from_sales']}*forced_sales"
                           f" - {pool}/{n['replenishment_time']}"}
        change = f"-2*({equations[pool]})/(1 + {pool})"
        felt = f" + {n['coin_equity_share']}*equity_ratio*{n['peg_change']}"
    return extend(
        system, "stablecoin_peg",
        add={
            "states": states, "equations": equations,
            "parameters": {n[name]: _PARAMETERS[name] for name in _KINDS[kind]},
            "definitions": {**definitions, n["peg_change"]: change},
            "measures": {f"{prefix}lowest_peg": Measure(f"exp({n['peg_gap']})", "min", meaning="lowest price of the coin"),
                         f"{prefix}highest_peg": Measure(f"exp({n['peg_gap']})", "max",
                                                         meaning="highest price of the coin")},
        },
        override={"equations": {"equity_ratio": f"{system.equations['equity_ratio']}{felt}"}},
    )


def sustained_capacity(base_pool: float, replenishment: float, spread: float) -> float:
    """sustained_capacity(base_pool, replenishment, spread): redemptions per block that a virtual pool bears at a spread.

    Parameters
    ----------
    base_pool : float
        B, in the unit of account.
    replenishment : float
        Blocks n in which the pool is replenished.
    spread : float
        Between 0 and 1.

    Returns
    -------
    float
        (B/n) (1/sqrt(1 - spread) - 1).

    Examples
    --------
    >>> sustained_capacity(100, 18, 0.1) / sustained_capacity(50, 36, 0.1)      # twice the pool, half the time
    4.0
    """
    return base_pool / replenishment * (1 / math.sqrt(1 - spread) - 1)
