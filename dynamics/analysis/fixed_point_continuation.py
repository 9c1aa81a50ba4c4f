"""Continuation of fixed points of flows and maps in one parameter, with polished special points."""

from __future__ import annotations

import time as _time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dynamics.analysis import arguments
from dynamics.analysis.arclength import StepControl
from dynamics.analysis.branch_following import Followed, follow, to_branch
from dynamics.analysis.fixed_point_equations import equations_of, limits_of, prepared
from dynamics.analysis.special_points import branch_directions
from dynamics.analysis.starting_points import checked_bounds, checked_box, regular, start_values, started
from dynamics.analysis.treatability import treat
from dynamics.errors import DerivationError, SpecificationError
from dynamics.results import Branch, SpecialPoint, provenance
from dynamics.results.branches import numbered
from dynamics.systems import System

__all__ = ["as_branch", "continue_fixed_points", "control_of"]


def continue_fixed_points(system: System, parameter: str, bounds: tuple[float, float], start: Any = None, *,
                          period: int = 1, box: Mapping[str, tuple[Any, Any]] | None = None, largest_step: float = 0.02,
                          most_steps: int = 5000, ignore: str | Sequence[str] = ()) -> Branch:
    """continue_fixed_points(system, "mu", (0, 1)): the branch of fixed points through a start, with its bifurcations.

    Parameters
    ----------
    system : System
        Flow or map, autonomous; equations with max, min, conditions are followed from regime to regime.
    parameter : str
    bounds : (float, float)
        Of the parameter.
    start : mapping of str to number, FixedPoint or SpecialPoint, optional
        A mapping may hold parameters beside states (``branch.at(step)``). None: the admissible fixed point at current
        parameters, a stable one if there is one. A branch point starts the steeper of its two branches; a period doubling
        starts the doubled points when ``period`` is twice its own.
    period : int
        Maps: continue fixed points of this iterate.
    box : mapping of str to (lower, upper), optional
        Bounds of states, where the branch ends; None: their declared bounds.
    largest_step : float
        In units of the bounds' width and of relative changes of the states.
    most_steps : int
        In either direction.
    ignore : sequence of str
        Parts to leave out that are not treated: "noise", "jumps", "resets" of events; recorded in the result.

    Returns
    -------
    Branch
        ``.table`` with one row per point (special points are rows of their own), ``branch["HB1"]``, ``.ends`` with the name
        of either end: bound reached, closed curve, step underflow, step limit, ...

    Raises
    ------
    SpecificationError
        For unknown names, bounds and starts that do not fit, or noise, jumps and resets.
    ConvergenceError
        If there is no fixed point near the start.
    DerivationError
        For systems without isolated fixed points.

    Notes
    -----
    Every special point solves a defining system (minimally augmented for folds, flips, Hopf and Neimark-Sacker points,
    Moore's for branch points) by Newton's method with exact derivatives; ``digits`` is what rounding leaves of it. A sum of
    two real eigenvalues that vanishes (neutral saddle) is no Hopf point and is not reported; a kink is a border collision.

    References
    ----------
    H. B. Keller, Numerical solution of bifurcation and nonlinear eigenvalue problems, in: Applications of Bifurcation
    Theory (Academic Press 1977) 359-384.
    W. Govaerts, Numerical Methods for Bifurcations of Dynamical Equilibria (SIAM 2000), doi:10.1137/1.9780898719543.

    Examples
    --------
    >>> import dynamics as dy
    >>> branch = dy.continue_fixed_points(dy.models.load("deleveraging"), "target_leverage", (2, 30))
    >>> for point in branch.special_points:
    ...     print(point.label, round(point.parameters["target_leverage"], 9), point.remark.split(";")[-1].strip())
    HB1 11.0 subcritical
    BC1 20.0 persistence
    """
    began = _time.perf_counter()
    purpose = "continue_fixed_points"
    treated = treat(system, purpose, ignore)
    system = prepared(treated.system, (parameter,), purpose, period)
    pair = checked_bounds(system, parameter, bounds, purpose)
    limits_given = checked_box(system, box, purpose)
    control = control_of(largest_step, most_steps)
    system, states, values = start_values(system, (parameter,), (pair,), start, purpose)
    regimes = equations_of(system, (parameter,), (pair[1] - pair[0],), states, period)
    equations, z = started(regimes, np.array([*states.values(), *values.values()]), control, purpose)
    regular(equations, z, purpose)
    limits = limits_of(equations, (pair,), limits_given)
    for limit in limits[1:]:
        if not limit.lower <= z[limit.index] <= limit.upper:
            raise SpecificationError(f"{purpose}: the start has {limit.name} = {z[limit.index]:g}, outside its bounds "
                                     f"{limit.lower:g} to {limit.upper:g}")
    directions = branch_directions(equations, z)
    if not directions:
        raise DerivationError(f"{purpose}: the start is a degenerate point, through which no branch or more than two pass; "
                              "start a little away from it")
    weights, n = equations.weights(z), equations.dimension
    # of two branches the one that leaves more steeply: on a pitchfork's trivial branch one could have started elsewhere
    direction = min(directions, key=lambda d: abs(weights[n] * d[n]))
    if direction[n] < 0:
        direction = -direction
    doubled = isinstance(start, SpecialPoint) and start.kind == "period_doubling" and period == 2 * start.period
    followed = follow(regimes, equations, z, direction, limits, control, both=not doubled,
                      first_end=f"{start.label or 'start'}: period doubling" if doubled else "start")
    return treated.marked(as_branch(followed, system, parameter, began))


def control_of(largest_step: float, most_steps: int, first: float | None = None) -> StepControl:
    """Return the step control of the options of a continuation.

    Raises
    ------
    SpecificationError
        For steps that are not positive.
    """
    largest_step = arguments.between(largest_step, "largest_step", 0, 1)
    most_steps = arguments.whole(most_steps, "most_steps", 1)
    return StepControl(first=first or min(0.005, largest_step), largest=largest_step, most_steps=most_steps)


def as_branch(followed: Followed, system: System, parameter: str, began: float) -> Branch:
    """Return the Branch of a followed curve, with labels and provenance."""
    points = numbered(bifurcation.point for _, bifurcation in followed.bifurcations)
    attributes = provenance("branch", system, method="pseudo-arclength, minimally augmented systems",
                            status="completed", parameter=parameter, wall_time_s=_time.perf_counter() - began)
    return to_branch(followed, points, attributes)
