"""Conserved quantities: the declared ones proved, others found among products of powers of the states."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Add, Expr, Mul, Rational, S, Symbol

from dynamics import expressions
from dynamics.analysis import arguments
from dynamics.analysis.linearization import scalar_system
from dynamics.analysis.treatability import drift_note
from dynamics.compiled.functions import functions_of
from dynamics.errors import DerivationError
from dynamics.results import ConservedQuantity, Records, provenance
from dynamics.symbolic.kernels import rational_form
from dynamics.systems import System

__all__ = ["conserved_quantities"]

Array = NDArray[np.float64]
MOST_STATES, LARGEST_PROOF, SEED = 10, 2_000, 20_261_123
TOLERANCE = 1e-9


def conserved_quantities(system: System, parameters: Mapping[str, Any] | None = None) -> Records[ConservedQuantity]:
    """conserved_quantities(system): functions of the state that the dynamics keep constant.

    Each takes one eigenvalue out of play: zero for a flow, one for a map, whatever the parameters.

    Parameters
    ----------
    system : System
        Autonomous; flow or map; at most 10 scalar states.
    parameters : mapping of str to number, optional

    Returns
    -------
    sequence of ConservedQuantity
        Declared invariants first, ``exactness`` "exact" when proved symbolically, else "numeric" (30 digits at random
        points). Then sums of products of powers -1, 0, 1 of the states with rational coefficients, found at the current
        parameter values.

    Raises
    ------
    DerivationError
        For a Process, a system that depends on time, or too many states; and when a declared invariant is not conserved.

    Examples
    --------
    >>> import dynamics as dy
    >>> contacts = dy.System(name="contagion", states={"sound": 0.9, "distressed": 0.1}, parameters={"beta": 2, "gamma": 1},
    ...     equations={"sound": "gamma*distressed - beta*sound*distressed",
    ...                "distressed": "beta*sound*distressed - gamma*distressed"})
    >>> [str(c.expression) for c in dy.conserved_quantities(contacts)]
    ['distressed + sound']
    """
    system = scalar_system(system, "conserved_quantities")
    if not system.autonomous:
        raise DerivationError(f"'{system.name}' depends on time; conserved quantities are looked for in autonomous systems")
    system = arguments.replaced(system, parameters)
    if len(system.states) > MOST_STATES:
        raise DerivationError(f"'{system.name}' has {len(system.states)} states; the search stops at {MOST_STATES}")
    declared = []
    for name, expression in system._parsed.invariants.items():
        resolved = system.resolve(expression)
        declared.append(ConservedQuantity(name, resolved, _proved(system, name, resolved)))
    found = [ConservedQuantity("", e, "numeric") for e in _search(system) if not _among(system, e, declared)]
    return Records([*declared, *found], provenance("conserved_quantities", system,
                                                     note=drift_note(system, "conserved_quantities")))


def _change(system: System, expression: Expr) -> Expr:
    """What one step, or one unit of time, adds to the quantity."""
    states = {Symbol(n): e for n, e in system.field.items()}
    if system.time == "discrete":
        return expression.xreplace(states) - expression
    return Add(*(expression.diff(s) * e for s, e in states.items()))


def _proved(system: System, name: str, expression: Expr) -> str:
    change = _change(system, expression)
    if change.count_ops() <= LARGEST_PROOF:
        # field arithmetic cancels as it goes; expanding first would not end for a large map
        form = rational_form([expressions.elementary(change)])
        if not form.elements[0]:
            return "exact"
    generator = np.random.default_rng(SEED)
    for point in _points(system, generator, 5):
        values = {Symbol(n): Rational(*float(v).as_integer_ratio()) for n, v in zip(system.states, point, strict=True)}
        size = change.xreplace({**system.exact_parameters, **values}).evalf(30)
        if abs(size) > 1e-20 * (1 + abs(expression.xreplace({**system.exact_parameters, **values}).evalf(30))):
            where = dict(zip(system.states, point.tolist(), strict=True))
            raise DerivationError(f"invariants.{name}: not conserved; at {where} it changes by {float(size):.3g}")
    return "numeric"


def _points(system: System, generator: np.random.Generator, count: int) -> Array:
    """Random states around the initial one, inside the bounds."""
    columns = []
    for name, start in system.initial_state().items():
        low, high = (None if b is None else float(b) for b in system.states[name].bounds)
        if low is not None and high is not None:
            columns.append(low + (high - low) * generator.uniform(0.15, 0.85, count))
        elif low is not None:
            columns.append(low + (abs(start - low) or 1.0) * generator.uniform(0.5, 1.5, count))
        elif high is not None:
            columns.append(high - (abs(high - start) or 1.0) * generator.uniform(0.5, 1.5, count))
        else:
            columns.append(start + (abs(start) or 1.0) * generator.uniform(-0.9, 0.9, count))
    return np.array(columns).T


def _monomials(system: System) -> list[tuple[int, ...]]:
    """Exponents -1, 0, 1; negative only of states that stay away from zero; at most three factors."""
    choices = [(0, 1, -1) if s.bounds[0] is not None and s.bounds[0] >= 0 else (0, 1) for s in system.states.values()]
    return [e for e in itertools.product(*choices) if 0 < sum(map(abs, e)) <= 3]


def _search(system: System) -> list[Expr]:
    functions = functions_of(system)
    monomials = _monomials(system)
    count = 2 * len(monomials) + 20
    states = [Symbol(n) for n in system.states]
    terms = [Mul(*(s**k for s, k in zip(states, e, strict=True))) for e in monomials]
    points = _points(system, np.random.default_rng(SEED), count).T
    p = np.repeat(np.array(functions.parameters(system), dtype=float)[:, None], count, axis=1)
    zero = np.zeros(count)
    values = functions.lane_function(terms)
    if system.time == "discrete":
        change = values(zero, functions.lane_field(zero, points, p), p) - values(zero, points, p)
    else:
        slopes = functions.lane_function([t.diff(s) for t in terms for s in states])(zero, points, p)
        change = np.sum(slopes.reshape(len(terms), len(states), count) * functions.lane_field(zero, points, p)[None], axis=1)
    usable = np.all(np.isfinite(change), axis=0)
    if usable.sum() < len(terms) + 5:
        return []
    matrix = change[:, usable].T
    scale = np.linalg.norm(values(zero, points, p)[:, usable].T, axis=0) + np.linalg.norm(matrix, axis=0)
    null = _null_space(matrix / scale) / scale
    return [e for e in (_rational(row, terms) for row in _reduced(null)) if e is not None and _holds(system, e)]


def _null_space(matrix: Array) -> Array:
    _, singular, right = np.linalg.svd(matrix, full_matrices=True)
    rank = int(np.sum(singular > TOLERANCE * singular[0])) if singular.size and singular[0] > 0 else 0
    return right[rank:]


def _reduced(rows: Array) -> Array:
    """Row echelon form: the sparse combinations of a null space."""
    rows = rows.copy()
    pivot = 0
    for column in range(rows.shape[1]):
        if pivot == len(rows):
            break
        best = pivot + int(np.argmax(np.abs(rows[pivot:, column])))
        if abs(rows[best, column]) < 1e-8 * np.max(np.abs(rows[pivot:])):
            continue
        rows[[pivot, best]] = rows[[best, pivot]]
        rows[pivot] /= rows[pivot, column]
        others = np.arange(len(rows)) != pivot
        rows[others] -= np.outer(rows[others, column], rows[pivot])
        pivot += 1
    return rows[:pivot]


def _rational(row: Array, terms: Sequence[Expr]) -> Expr | None:
    """The combination with rational coefficients; None when they are not rational to the accuracy found."""
    kept = []
    for coefficient, term in zip(row, terms, strict=True):
        if abs(coefficient) < 1e-7 * np.max(np.abs(row)):
            continue
        fraction = Fraction(float(coefficient)).limit_denominator(10_000)
        if abs(float(fraction) - coefficient) > 1e-6 * max(1.0, abs(coefficient)):
            return None
        kept.append(Rational(fraction.numerator, fraction.denominator) * term)
    return Add(*kept) if kept else None


def _holds(system: System, expression: Expr) -> bool:
    """Check the rational combination in 30 digits at new points."""
    change = _change(system, expression).xreplace(system.exact_parameters)
    for point in _points(system, np.random.default_rng(SEED + 1), 3):
        values = {Symbol(n): Rational(*float(v).as_integer_ratio()) for n, v in zip(system.states, point, strict=True)}
        if abs(change.xreplace(values).evalf(30)) > 1e-20 * (1 + abs(expression.xreplace(values).evalf(30))):
            return False
    return True


def _among(system: System, expression: Expr, known: Sequence[ConservedQuantity]) -> bool:
    """Whether a quantity is a multiple of one that is known already (up to a constant)."""
    states = [Symbol(n) for n in system.states]
    point = {Symbol(n): Rational(*float(v).as_integer_ratio()) for n, v in zip(
        system.states, _points(system, np.random.default_rng(SEED + 2), 1)[0], strict=True)}
    here = {**system.exact_parameters, **point}
    gradient = [expression.diff(s).xreplace(here) for s in states]
    for quantity in known:
        other = [quantity.expression.diff(s).xreplace(here) for s in states]
        if all(abs((a * d - b * c).evalf(20)) < 1e-12 for (a, b), (c, d) in itertools.combinations(
                list(zip(gradient, other, strict=True)), 2)) and any(o != S.Zero for o in other):
            return True
    return False
