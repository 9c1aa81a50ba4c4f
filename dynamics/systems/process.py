"""Process: what is no ODE and no map (market clearing, matching, boundary values)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from dynamics.systems.parts import Parameter, Reference

__all__ = ["Process"]


@runtime_checkable
class Process(Protocol):
    """A model that is stepped or solved as a whole.

    A process has ``step`` (a random or deterministic transition) or ``solve`` (a boundary-value or equilibrium
    problem). ``iterate``, sweeps and saving accept it; symbolic functions raise DerivationError and name what does
    work.

    Attributes
    ----------
    name : str
    parameters : mapping of str to Parameter
    references : tuple of Reference
    """

    name: str
    parameters: Mapping[str, Parameter]
    references: tuple[Reference, ...]

    def with_parameters(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> Process:
        """Return the process with new parameter values."""
        ...
