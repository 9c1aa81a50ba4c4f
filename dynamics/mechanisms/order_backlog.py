r"""Order backlog: the venue executes no faster than it can, and the rest waits.

Forced orders arrive at the rate :math:`q_{\mathrm{in}}` and are executed at a finite rate: a fluid queue whose backlog
b (in units of current holdings) is served within :math:`\tau_b` while it is short and at the service rate :math:`\mu`
while it is long,

.. math:: \dot b = q_{\mathrm{in}} - s - b\,\varphi, \qquad s = \min(\mu,\, b/\tau_b),

where :math:`-b\varphi` is exact bookkeeping: holdings shrink under the orders. Executed flow s takes the place of the
forced sales, so holders leave late. At rest b = 0 and the ordinary fixed point and its stability are unchanged: the
queue adds the eigenvalue :math:`-1/\tau_b`. The margin-call equilibrium needs :math:`q_e \le \mu`; above that the
backlog grows without end. A delay in a destabilising loop does not move an onset at a zero eigenvalue, but it moves a
Hopf onset.

With :math:`\varphi = 0` and :math:`\tau_b \to 0`, inflow a for a time T and service :math:`\mu < a` give a peak of
:math:`(a - \mu) T`, empty at :math:`a T/\mu`.

Sources: fluid queue, textbook (L. Kleinrock, Queueing Systems II, 1976, chapter 2); real rate limits: see
``dynamics.data.venues``. The service law near an empty queue and the defaults are assumptions.

================  ======  =======  =====  =====================================================  ==========
parameter         symbol  default  unit   meaning                                                source
================  ======  =======  =====  =====================================================  ==========
service_rate      mu      2        1/day  most that is executed per day, of current holdings     assumption
service_time      tau_b   0.02     day    time in which a short queue is served                  assumption
================  ======  =======  =====  =====================================================  ==========

Ports: reads ``net_flow``; changes ``forced_sales``.
"""

from __future__ import annotations

from dynamics.mechanisms import extend
from dynamics.systems import Measure, Parameter, State, System

__all__ = ["apply", "backlog_of_a_burst", "provides", "requires"]

requires = ("forced_sales", "net_flow")
provides = ("backlog", "ordered_sales")


def apply(system: System, *, prefix: str = "") -> System:
    """Put a queue between forced orders and forced sales.

    Parameters
    ----------
    system : System
        With the ports ``forced_sales`` and ``net_flow``.
    prefix : str
        Put before the names of new parts.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> queued = dy.compose(dy.models.load("deleveraging"), "order_backlog")
    >>> queued.definitions["forced_sales"]
    'min(service_rate, backlog/service_time)'
    """
    backlog, ordered, rate, time = (f"{prefix}{n}" for n in ("backlog", "ordered_sales", "service_rate", "service_time"))
    return extend(
        system, "order_backlog",
        add={
            "states": {backlog: State(0, "1", (0, None), "b", "forced orders not yet executed, per unit of holdings")},
            "parameters": {
                rate: Parameter(2, "1/day", (0, None), "mu", "most that is executed, per unit of holdings", "assumption"),
                time: Parameter(0.02, "day", (0, None), "tau_b", "time in which a short queue is served", "assumption"),
            },
            "definitions": {ordered: system.definitions["forced_sales"]},
            "equations": {backlog: f"{ordered} - forced_sales - {backlog}*net_flow"},
            "measures": {f"{prefix}longest_backlog": Measure(backlog, "max", meaning="longest queue of forced orders")},
        },
        override={"definitions": {"forced_sales": f"min({rate}, {backlog}/{time})"}},
    )


def backlog_of_a_burst(inflow: float, duration: float, service: float) -> tuple[float, float]:
    """backlog_of_a_burst(inflow, duration, service): peak of the queue and the time at which it is empty.

    Parameters
    ----------
    inflow, service : float
        Orders per unit of time, arriving and executed at most.
    duration : float
        Time for which they arrive.

    Returns
    -------
    peak, cleared : float

    Examples
    --------
    >>> backlog_of_a_burst(5, 1, 2)
    (3, 2.5)
    """
    return max(0, inflow - service) * duration, max(duration, inflow * duration / service)
