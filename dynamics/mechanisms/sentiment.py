r"""Sentiment: a crowd that follows itself and the trend.

Sentiment s lies between -1 (all sell) and 1 (all buy) and drifts to what the crowd would think of itself and of the
price,

.. math:: \dot s = \nu \bigl[\tanh(\beta s + h\,\dot x) - s\bigr], \qquad g \to g + c\,s .

Below :math:`\beta = 1` indifference s = 0 is the only opinion; there it loses stability in a pitchfork, and two
self-confirming moods :math:`s^* = \tanh(\beta s^*)` appear. In a mood holders rest at another leverage: with the core,
:math:`u = (1 - c s^*/\theta)/\lambda^*`. Trend following (h) couples sentiment to the price and can destabilise at any
:math:`\beta < 1`.

Source: after T. Lux, Herd behaviour, bubbles and crashes (1995), doi:10.2307/2235156; this mean-field form is our
reduction. The coupling to the voluntary flow and the defaults are assumptions.

=================  ======  =======  =====  =================================================  ==========
parameter          symbol  default  unit   meaning                                            source
=================  ======  =======  =====  =================================================  ==========
opinion_speed      nu      1        1/day  speed of opinion                                   assumption
herding            beta    0.8      1      how much the crowd follows itself                  assumption
trend_following    h       0.5      day    how much the crowd follows the price               assumption
sentiment_flow     c       0.05     1/day  flow of a unit of sentiment                        assumption
=================  ======  =======  =====  =================================================  ==========

Ports: reads ``price_change``; changes ``voluntary_flow``.
"""

from __future__ import annotations

from dynamics.mechanisms import extend
from dynamics.systems import Parameter, State, System

__all__ = ["apply", "provides", "requires"]

requires = ("voluntary_flow", "price_change")
provides = ("sentiment",)


def apply(system: System, *, prefix: str = "") -> System:
    """Add sentiment as a state that adds to the voluntary flow.

    Parameters
    ----------
    system : System
        With the ports ``voluntary_flow`` and ``price_change``.
    prefix : str
        Put before the names of new parts.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> moody = dy.compose(dy.models.load("deleveraging"), "sentiment")
    >>> moody.equations["sentiment"]
    'opinion_speed*(tanh(herding*sentiment + trend_following*price_change) - sentiment)'
    """
    mood, speed, herding, trend, flow = (f"{prefix}{n}" for n in (
        "sentiment", "opinion_speed", "herding", "trend_following", "sentiment_flow"))
    return extend(
        system, "sentiment",
        add={
            "states": {mood: State(0, "1", (-1, 1), "s", "sentiment, from -1 (all sell) to 1 (all buy)")},
            "parameters": {
                speed: Parameter(1, "1/day", (0, None), "nu", "speed of opinion", "assumption"),
                herding: Parameter(0.8, "1", (0, None), "beta", "how much the crowd follows itself", "assumption"),
                trend: Parameter(0.5, "day", (0, None), "h", "how much the crowd follows the price", "assumption"),
                flow: Parameter(0.05, "1/day", (0, None), "c", "flow of a unit of sentiment", "assumption"),
            },
            "equations": {mood: f"{speed}*(tanh({herding}*{mood} + {trend}*price_change) - {mood})"},
        },
        override={"definitions": {"voluntary_flow": f"{system.definitions['voluntary_flow']} + {flow}*{mood}"}},
    )
