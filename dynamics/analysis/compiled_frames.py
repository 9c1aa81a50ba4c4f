"""Trajectories with frames of tangent vectors, by compiled vector code: one step for the state and all its vectors."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray
from sympy import Add, Symbol

from dynamics.analysis.ensemble_runs import LARGEST_KERNEL
from dynamics.compiled.functions import functions_of
from dynamics.errors import DerivationError, IntegrationError
from dynamics.symbolic.polynomial import jacobian_matrix
from dynamics.systems import System

__all__ = ["CompiledFrames", "compiled_frames"]

Array = NDArray[np.float64]
LOG = logging.getLogger(__name__)
MOST_STATES = 32  # with their vectors: the Jacobian of the stiff method grows by every vector


class CompiledFrames:
    """The variational equations of a flow beside its own.

    Parameters
    ----------
    system : System
        Autonomous, scalar states.
    count : int
        Vectors of each frame.
    """

    def __init__(self, system: System, count: int) -> None:
        from dynamics.compiled.kernels.flow_problems import FlowProblem

        functions = functions_of(system)
        states = [Symbol(n) for n in functions.names]
        field = [system.resolve(system.field[n]) for n in functions.names]
        self.size, self.count = len(states), count
        self.steps = 0  # of the slowest lane, so far
        vectors = [[Symbol(f"_frame_{k}_{state}") for state in states] for k in range(count)]
        slopes = jacobian_matrix(field, states)
        pushed = [Add(*(slopes[i, j] * vector[j] for j in range(self.size))) for vector in vectors for i in range(self.size)]
        self.problem = FlowProblem((*states, *(w for vector in vectors for w in vector)),
                                   tuple(Symbol(n) for n in functions.parameter_names), (*field, *pushed))

    @property
    def suitable(self) -> bool:
        """Whether the problem is small enough to be written out."""
        return len(self.problem.states) <= MOST_STATES and self.problem.operations <= LARGEST_KERNEL

    def prepare(self) -> None:
        """Compile; DerivationError if some function has no instructions, IntegrationError if the compiler refuses them."""
        from dynamics.compiled.kernels.flow_code import flow_code, native_width

        flow_code(self.problem, "tsit5", native_width(len(self.problem.states), 1), True)

    def advance(self, states: Array, frame: Array, p: Array, duration: float, relative: float, absolute: float
                ) -> tuple[Array, Array, bool]:
        """Go on for a time.

        Parameters
        ----------
        states : ndarray, shape (n, lanes)
        frame : ndarray, shape (n, count, lanes)
        p : ndarray, shape (parameters, 1)
        duration, relative, absolute : float

        Returns
        -------
        states, frame : ndarray
        whole : bool
            Whether every lane lasted.
        """
        from dynamics.compiled.kernels.flows import integrate_flows

        lanes = states.shape[1]
        rows = np.concatenate([states, frame.transpose(1, 0, 2).reshape(-1, lanes)])
        result = integrate_flows(self.problem, rows, np.repeat(p, lanes, axis=1), duration, relative_tolerance=relative,
                                 absolute_tolerance=absolute, divergence=1e15, threads=None)
        self.steps += int(result.steps.max(initial=0))
        found = np.asarray(result.final_state)
        turned = found[self.size:].reshape(self.count, self.size, lanes).transpose(1, 0, 2)
        return found[:self.size].copy(), turned.copy(), not result.status.any()


def compiled_frames(system: System, count: int) -> CompiledFrames | None:
    """Return the compiled equations, or None where the system is too large for them or nothing can be compiled."""
    from dynamics.compiled.kernels.jit import available

    if not available() or len(system.states) * (1 + count) > MOST_STATES:
        return None
    found = CompiledFrames(system, count)
    if not found.suitable:
        return None
    try:
        found.prepare()
    except (DerivationError, IntegrationError) as error:
        LOG.warning("no compiled code for the variational equations of '%s' (%s); arrays are used", system.name, error)
        return None
    return found
