r"""The static companion: a liquidation cascade as a difference equation.

A crowd holds positions that are force-closed once the log price has fallen by their liquidation distance. Of the open
interest the share :math:`F(D)` is closed at a fall of :math:`D`, and closing all of it moves the log price by
:math:`a`. An initial fall :math:`d` then grows in rounds,

.. math:: D_{k+1} = d + a F(D_k), \qquad D_0 = d.

Each unit of fall causes :math:`R = a F'(D)` further units (the branching ratio); the total amplification of a small
addition is :math:`1/(1-R)`, and at :math:`R = 1` the fall jumps (a fold). With lognormal distances (median :math:`M`,
log-standard deviation :math:`s`) there is no jump for any shock unless :math:`a > a_c = M s \sqrt{2\pi}\,
e^{-s^2/2}`; the cusp lies at :math:`D = M e^{-s^2}`.

Starting at D_0 = d follows the lower branch. The upper branch (a hysteresis loop) starts from an earlier, larger fall
and supposes that closed positions are rebuilt; otherwise the jump is irreversible. The model is a documented
assumption of this package in the form of a branching process; R has the same meaning as the cascade number of the
core model.
"""

from __future__ import annotations

import math

from dynamics.errors import SpecificationError
from dynamics.systems import Parameter, Shock, State, System

__all__ = ["cascade_size_probability", "system"]

_CLOSED = {
    "lognormal": "(1 + erf(log(fall/median_distance)/(spread*sqrt(2))))/2",
    "loglogistic": "hill(fall, median_distance, 1/spread)",
}
_DENSITY = {
    "lognormal": "exp(-(log(fall/median_distance)/spread)**2/2)/(fall*spread*sqrt(8*atan(1)))",
    "loglogistic": "closed_share*(1 - closed_share)/(spread*fall)",
}


def system(*, distances: str = "lognormal") -> System:
    """Make the model.

    Parameters
    ----------
    distances : {"lognormal", "loglogistic"}
        Distribution of liquidation distances; ``spread`` is the scale of its logarithm.

    Returns
    -------
    System

    Raises
    ------
    SpecificationError
        For another distribution.

    Examples
    --------
    >>> import dynamics as dy
    >>> cascade = dy.models.load("liquidation_cascade").with_parameters(initial_fall=0.03)
    >>> round(float(dy.iterate(cascade, 200)["fall"][-1]), 6)
    0.031589
    """
    if distances not in tuple(_CLOSED):
        raise SpecificationError(f"distances must be one of {', '.join(_CLOSED)}, not {distances!r}")
    return System(
        name="liquidation_cascade" if distances == "lognormal" else f"liquidation_cascade ({distances})",
        time="discrete",
        time_unit="1",
        states={"fall": State("initial_fall", "1", (0, None), "D", "total fall of the log price")},
        parameters={
            "initial_fall": Parameter(0.03, "1", (0, None), "d", "fall of the log price before any liquidation"),
            "total_impact": Parameter(0.15, "1", (0, None), "a",
                                      "fall of the log price if all open interest is closed"),
            "median_distance": Parameter(0.1, "1", (0, None), "M", "median liquidation distance"),
            "spread": Parameter(0.5, "1", (0, None), "s", "standard deviation of the log distance"),
        },
        definitions={"closed_share": _CLOSED[distances]},
        equations={"fall": "initial_fall + total_impact*closed_share"},
        observables={
            "branching_ratio": f"total_impact*{_DENSITY[distances]}",
            "amplification": "1/(1 - branching_ratio)",
            "price": "exp(-fall)",
        },
        shocks={"price": Shock({"fall": "fall + magnitude"}, bounds=(None, None),
                               meaning="further fall of the log price")},
    )


def cascade_size_probability(size: int, branching_ratio: float) -> float:
    """cascade_size_probability(size, branching_ratio): chance that a cascade has this many liquidations, the first included.

    Each liquidation causes a Poisson number of further ones with mean R: Borel's distribution exp(-R n) (R n)**(n-1)/n!,
    with mean 1/(1 - R) and variance R/(1 - R)**3.

    Parameters
    ----------
    size : int
        At least 1.
    branching_ratio : float
        R, from 0 to 1.

    Returns
    -------
    float

    Raises
    ------
    SpecificationError
        For another size or ratio.

    Examples
    --------
    >>> round(cascade_size_probability(2, 0.5), 6)
    0.18394
    """
    if size < 1 or not 0 <= branching_ratio <= 1:
        raise SpecificationError("give a size of at least 1 and a branching ratio from 0 to 1, not "
                                 f"{size} and {branching_ratio}")
    mean = branching_ratio * size
    return math.exp(-mean + (size - 1) * math.log(mean) - math.lgamma(size + 1)) if mean else float(size == 1)
