"""The fixed points of a map of one state, solved for its parameters: exact curves for hysteresis and cusp figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynamics.errors import SpecificationError
from dynamics.figures import labels

if TYPE_CHECKING:
    from sympy import Expr

    from dynamics.systems import System

__all__ = ["POINTS", "StateFunction", "check_parameters", "function_of_state", "roots", "solved_for", "symbol_for"]

POINTS = 4001  # of the state, along a curve
StateFunction = Callable[[Any], NDArray[np.float64]]


def symbol_for(name: str) -> Any:
    from sympy import Symbol

    return Symbol(name)


def check_parameters(system: System, names: Sequence[str], caller: str) -> None:
    for name in names:
        labels.checked(name, system.parameters, f"{caller}, parameters of '{system.name}'")
    if len(set(names)) < len(names):
        raise SpecificationError(f"{caller}: the two axes must be different parameters")


def solved_for(system: System, name: str, parameters: Sequence[str]) -> list[Expr] | None:
    """The parameters at a fixed point (and fold, for two) as functions of the state; None where they are not linear."""
    from sympy import Matrix

    symbols = [symbol_for(p) for p in parameters]
    balance = system.field[name] - symbol_for(name)
    equations = [balance, balance.diff(symbol_for(name))][: len(symbols)]
    matrix = Matrix([[e.diff(s) for s in symbols] for e in equations])
    if matrix.free_symbols & set(symbols):
        return None
    constants = Matrix([e.xreplace(dict.fromkeys(symbols, symbols[0] * 0)) for e in equations])
    if (determinant := matrix.det()) == 0:
        return None
    return list(-matrix.adjugate() * constants / determinant)


def function_of_state(system: System, expression: Expr, name: str) -> StateFunction:
    """The expression as a function of an array of states, at the current parameters."""
    from dynamics.compiled.code import vector_function  # NumPy and SciPy only when a figure is drawn

    raw = vector_function([expression], [[symbol_for(name)], list(system.exact_parameters)])
    parameters = [float(v) for v in system.exact_parameters.values()]

    def function(states: Any) -> NDArray[np.float64]:
        with np.errstate(all="ignore"):
            return np.array(np.broadcast_to(np.asarray(raw((states,), parameters)[0], dtype=float), np.shape(states)))

    return function


def roots(function: StateFunction, states: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a function changes its sign on a grid, each refined."""
    from scipy.optimize import brentq

    values = function(states)
    change = np.flatnonzero(np.isfinite(values[1:]) & np.isfinite(values[:-1]) & (values[1:] * values[:-1] < 0))
    return np.array([brentq(lambda s: float(function(np.array([s]))[0]), states[k], states[k + 1], xtol=1e-14)
                     for k in change])
