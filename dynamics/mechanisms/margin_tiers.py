r"""Margin tiers: the maintenance requirement grows with the size of the position.

A venue asks a larger maintenance rate of a larger position. In tier k, which starts at the notional :math:`f_k`, the
rate is :math:`m_k`; with the cumulative offset :math:`c_k = f_k (m_k - m_{k-1}) + c_{k-1}` the margin :math:`N m_k -
c_k` is continuous in the notional N, and the requirement as a share of the position is

.. math:: m(N) = m_1 + \sum_{k \ge 2} (m_k - m_{k-1}) \max(0,\, 1 - f_k/N).

Here two tiers act on the aggregate position, :math:`N = N_0 e^{x}` (times holdings where another mechanism has them),
and :math:`m(N)` takes the place of the maintenance margin in the margin call. A falling price shrinks the notional and
eases the requirement. With ``margin="cross"`` an account has spare collateral besides the position (a share c of the
initial position value), and the venue sees the equity ratio :math:`u + c\,e^{-x}`. With ``crowd="uniform"`` holders'
equity ratios are spread evenly within :math:`\pm w` of the aggregate, and the venue closes the share that is below the
limit,

.. math:: H = Q F(u), \qquad F(u) = \min\bigl(1, \max(0, (m - u + w)/(2 w))\bigr).

With ``initial="cap"`` a new position needs the initial margin, so that holders steer to at most its inverse, whatever their
target: :math:`\min(\lambda_{\mathrm{target}}, 1/m_0)`.

Isolated positions, closed form (entry :math:`p_0`, margin c, size Q, maintenance rate m): a long is closed at
:math:`(p_0 - c/Q)/(1 - m)`, a short at :math:`(p_0 + c/Q)/(1 + m)`.

Sources: liquidation prices, T. Chitra, Autodeleveraging (2025), section 2.2, arXiv:2512.01112; offsets, the published
margin tables of derivatives venues (see ``dynamics.data.venues``). The aggregate position as one account, the evenly
spread crowd and the defaults are assumptions of this package.

========================  ======  =======  ===========================================================  ==========
parameter                 symbol  default  meaning                                                      source
========================  ======  =======  ===========================================================  ==========
position_size             N_0     2        initial position over the notional where tier 2 starts       assumption
tier_step                 dm      0.025    maintenance rate of tier 2 minus that of tier 1              venue table
spare_collateral          c       0.02     cross margin: other equity over the initial position         assumption
crowd_width               w       0.02     half-width of the spread of equity ratios                    assumption
initial_margin            m_0     0.1      margin of a new position                                     venue table
========================  ======  =======  ===========================================================  ==========

Ports: reads ``price_gap``, ``equity_ratio``; changes ``margin_call_rate``, the events of the margin call and, on request,
``effective_target``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dynamics.errors import SpecificationError
from dynamics.mechanisms import extend, redirected
from dynamics.systems import Parameter, System

__all__ = ["apply", "closed_share", "cumulative_offsets", "liquidation_price", "maintenance_margin", "provides", "requires"]

requires = ("margin_call_rate", "price_gap", "equity_ratio")
provides = ("required_margin",)
_LIMITS = ("governed_margin", "maintenance_margin", "critical_margin")


def apply(system: System, *, prefix: str = "", margin: str = "isolated", crowd: str = "none", initial: str = "none",
          limit: str = "") -> System:
    """Let the maintenance margin grow with the position.

    Parameters
    ----------
    system : System
        With the port ``margin_call_rate`` and the states ``price_gap`` and ``equity_ratio``.
    prefix : str
        Put before the names of new parts.
    margin : {"isolated", "cross"}
        Whether the venue counts spare collateral besides the position.
    crowd : {"none", "uniform"}
        Whether holders' equity ratios are spread around the aggregate; the margin call is then a share of a crowd.
    initial : {"none", "cap"}
        Whether an initial margin limits the leverage that holders steer to; needs the port ``effective_target``.
    limit : str
        Name of the quantity that is the venue's limit; empty: ``maintenance_margin`` or ``critical_margin``.

    Returns
    -------
    System

    Raises
    ------
    SpecificationError
        For another option, or if the system has no such limit.

    Examples
    --------
    >>> import dynamics as dy
    >>> tiered = dy.compose(dy.models.load("deleveraging"), "margin_tiers")
    >>> tiered.definitions["required_margin"]
    'maintenance_margin + tier_step*max(0, 1 - 1/(position_size*exp(price_gap)))'
    """
    if margin not in ("isolated", "cross"):
        raise SpecificationError(f"margin must be 'isolated' or 'cross', not {margin!r}")
    if crowd not in ("none", "uniform"):
        raise SpecificationError(f"crowd must be 'none' or 'uniform', not {crowd!r}")
    if initial not in ("none", "cap"):
        raise SpecificationError(f"initial must be 'none' or 'cap', not {initial!r}")
    if initial == "cap" and "effective_target" not in system.definitions:
        raise SpecificationError(f"the initial margin of 'margin_tiers' caps the definition 'effective_target', which "
                                 f"'{system.name}' does not have; leave initial=\"none\"")
    call = system.definitions["margin_call_rate"]
    found = [name for name in ([limit] if limit else _LIMITS) if redirected(call, name, "") != call]
    if not found:
        raise SpecificationError(f"the mechanism 'margin_tiers' raises the venue's limit, but the margin call of "
                                 f"'{system.name}' has no '{limit or _LIMITS[1]}'; name its limit with limit=\"...\"")
    required, size, step = f"{prefix}required_margin", f"{prefix}position_size", f"{prefix}tier_step"
    holdings = next((f" + {name}" for name in ("log_holdings", "log_open_interest") if name in system.states), "")
    definitions = {required: f"{found[0]} + {step}*max(0, 1 - 1/({size}*exp(price_gap{holdings})))"}
    parameters = {
        size: Parameter(2, "1", (0, None), "N_0", "initial position over the notional where tier 2 starts", "assumption"),
        step: Parameter(0.025, "1", (0, 0.5), "Delta_m", "maintenance rate of tier 2 minus that of tier 1", "venue tables"),
    }
    # behind a liquidation engine the venue sees equity at the oracle price
    position = next((name for name in system.definitions if name.endswith("seen_equity_ratio")
                     and redirected(call, name, "") != call), "equity_ratio")
    seen = position
    if margin == "cross":
        seen, spare = f"{prefix}account_equity", f"{prefix}spare_collateral"
        definitions[seen] = f"{position} + {spare}*exp(-(price_gap{holdings}))"
        parameters[spare] = Parameter(0.02, "1", (0, None), "c", "other equity of the account over the initial position",
                                      "assumption")

    def at_venue(expression: str) -> str:
        raised = redirected(expression, found[0], required)
        return redirected(raised, position, seen) if seen != position else raised

    rate = at_venue(call)
    if crowd == "uniform":
        width = f"{prefix}crowd_width"
        parameters[width] = Parameter(0.02, "1", (0, None), "w", "half-width of the spread of equity ratios", "assumption")
        rate = f"liquidation_rate*min(1, max(0, ({required} - {seen} + {width})/(2*{width})))"
    events = {name: replace(event, expression=at_venue(event.expression)) for name, event in system.events.items()
              if at_venue(event.expression) != event.expression and name.startswith("margin_call")}
    changed = {"margin_call_rate": rate}
    if initial == "cap":
        entry = f"{prefix}initial_margin"
        parameters[entry] = Parameter(0.1, "1", (0, 1), "m_0", "margin of a new position", "venue tables")
        changed["effective_target"] = f"min({system.definitions['effective_target']}, 1/{entry})"
    return extend(system, "margin_tiers", add={"parameters": parameters, "definitions": definitions},
                  override={"definitions": changed, "events": events})


def liquidation_price(side: str, entry_price: float, margin: float, size: float, maintenance_rate: float) -> float:
    """liquidation_price("long", entry_price, margin, size, maintenance_rate): where an isolated position is closed.

    Parameters
    ----------
    side : {"long", "short"}
    entry_price : float
        Currency per unit.
    margin : float
        Collateral of the position, currency.
    size : float
        Units held or owed, positive.
    maintenance_rate : float
        Maintenance margin over notional.

    Returns
    -------
    float

    Raises
    ------
    SpecificationError
        For another side.

    References
    ----------
    T. Chitra (2025). Autodeleveraging, section 2.2. arXiv:2512.01112

    Examples
    --------
    >>> round(liquidation_price("long", 100, 10, 1, 0.01), 4)      # leverage 10
    90.9091
    """
    if side not in ("long", "short"):
        raise SpecificationError(f"side must be 'long' or 'short', not {side!r}")
    sign = 1 if side == "long" else -1
    return (entry_price - sign * margin / size) / (1 - sign * maintenance_rate)


def cumulative_offsets(floors: Sequence[float], rates: Sequence[float]) -> tuple[float, ...]:
    """cumulative_offsets(floors, rates): the amounts that make the margin continuous from tier to tier.

    Parameters
    ----------
    floors, rates : sequences of float
        Notional at which each tier starts (the first is 0) and its maintenance rate.

    Returns
    -------
    tuple of float

    Examples
    --------
    >>> cumulative_offsets((0, 50, 250), (0.025, 0.05, 0.1))
    (0.0, 1.25, 13.75)
    """
    offsets = [0.0]
    for floor, rate, lower in zip(floors[1:], rates[1:], rates[:-1], strict=True):
        offsets.append(floor * (rate - lower) + offsets[-1])
    return tuple(offsets)


def maintenance_margin(notional: float, floors: Sequence[float], rates: Sequence[float]) -> float:
    """maintenance_margin(notional, floors, rates): the required margin, currency.

    Parameters
    ----------
    notional : float
    floors, rates : sequences of float
        As in :func:`cumulative_offsets`.

    Returns
    -------
    float

    Examples
    --------
    >>> maintenance_margin(100, (0, 50, 250), (0.025, 0.05, 0.1))
    3.75
    """
    tier = max(k for k, floor in enumerate(floors) if floor <= notional)
    return notional * rates[tier] - cumulative_offsets(floors, rates)[tier]


def closed_share(fall: float, leverages: Sequence[float], weights: Sequence[float], maintenance_rate: float) -> float:
    """closed_share(fall, leverages, weights, maintenance_rate): F(D), the open interest closed by a fall.

    Parameters
    ----------
    fall : float
        Fall D of the log price since the longs were opened.
    leverages, weights : sequences of float
        Leverage at entry and share of open interest of each group of longs.
    maintenance_rate : float

    Returns
    -------
    float
        Between 0 and 1: the share of the weights whose liquidation distance is at most ``fall``.

    Examples
    --------
    >>> closed_share(0.05, (5, 10, 20, 50), (4, 3, 2, 2), 0.01)
    0.36363636363636365
    """
    import math

    below = math.exp(-fall)
    closed = [weight for leverage, weight in zip(leverages, weights, strict=True)
              if below <= liquidation_price("long", 1, 1 / leverage, 1, maintenance_rate)]
    return math.fsum(closed) / math.fsum(weights)
