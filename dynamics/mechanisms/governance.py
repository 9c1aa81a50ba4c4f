r"""Governance: the venue's limit is changed by vote, late and in small steps.

A new maintenance margin has been proposed. It takes effect with a delay and no faster than a step cap allows:

.. math:: \dot m = \min\bigl(s,\, \max(-s,\, (m^* - m)/T)\bigr),

and m takes the place of the maintenance margin in the margin call. Voters are not modelled: no identified equation
exists. At rest m = m*: the ordinary fixed point keeps its stability (the eigenvalue -1/T is added), and the border
between ordinary and margin-call equilibrium moves to target leverage 1/m*. A cautious step towards a larger margin can
force sales that the old margin would not have.

Source: delays and caps are protocol rules; the law of motion and the defaults are assumptions.

===================  ======  =======  =====  =====================================================  ==========
parameter            symbol  default  unit   meaning                                                source
===================  ======  =======  =====  =====================================================  ==========
proposed_margin      m*      0.08     1      maintenance margin that has been voted                 assumption
governance_delay     T       2        day    time in which it takes effect                          assumption
step_cap             s       0.02     1/day  largest change per day                                 assumption
===================  ======  =======  =====  =====================================================  ==========

Ports: changes ``margin_call_rate`` and the events of the margin call.
"""

from __future__ import annotations

from dataclasses import replace

from dynamics.errors import SpecificationError
from dynamics.mechanisms import extend, redirected
from dynamics.systems import Parameter, State, System

__all__ = ["apply", "provides", "requires"]

requires = ("margin_call_rate",)
provides = ("governed_margin",)
_LIMITS = ("maintenance_margin", "critical_margin")


def apply(system: System, *, prefix: str = "") -> System:
    """Let the venue's limit move to a proposed value.

    Parameters
    ----------
    system : System
        With the port ``margin_call_rate`` and a parameter ``maintenance_margin`` or ``critical_margin``.
    prefix : str
        Put before the names of new parts.

    Returns
    -------
    System

    Raises
    ------
    SpecificationError
        If the system has no such limit.

    Examples
    --------
    >>> import dynamics as dy
    >>> governed = dy.compose(dy.models.load("deleveraging"), "governance")
    >>> governed.definitions["margin_call_rate"]
    'liquidation_rate*max(0, 1 - equity_ratio/(governed_margin))'
    """
    found = [name for name in _LIMITS if name in system.parameters]
    if not found:
        raise SpecificationError(f"the mechanism 'governance' moves the venue's limit, but '{system.name}' has no parameter "
                                 f"{' or '.join(map(repr, _LIMITS))}; give its limit one of these names")
    (limit, *_) = found
    margin, proposed, delay, cap = (f"{prefix}{n}" for n in (
        "governed_margin", "proposed_margin", "governance_delay", "step_cap"))
    inside = {name: text for name, text in system.definitions.items() if redirected(text, limit, margin) != text}
    events = {name: replace(event, expression=redirected(event.expression, limit, margin))
              for name, event in system.events.items() if redirected(event.expression, limit, margin) != event.expression}
    return extend(
        system, "governance",
        add={
            "states": {margin: State(limit, "1", (0, 1), "m", "maintenance margin in force")},
            "parameters": {
                proposed: Parameter(0.08, "1", (0, 1), "m_star", "maintenance margin that has been voted", "assumption"),
                delay: Parameter(2, "day", (0, None), "T", "time in which it takes effect", "assumption"),
                cap: Parameter(0.02, "1/day", (0, None), "s", "largest change per day", "assumption"),
            },
            "equations": {margin: f"min({cap}, max(-{cap}, ({proposed} - {margin})/{delay}))"},
        },
        override={"definitions": {name: redirected(text, limit, margin) for name, text in inside.items()}, "events": events},
    )
