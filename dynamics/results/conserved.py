"""The record of a conserved quantity."""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Expr

from dynamics import expressions
from dynamics.results.record import Record

__all__ = ["ConservedQuantity"]


@dataclass(frozen=True)
class ConservedQuantity(Record):
    """A function of the state that the dynamics keep constant.

    Attributes
    ----------
    name : str
        Of the declared invariant; empty for one that was found.
    expression : SymPy expression
        In the states (and parameters, when declared).
    exactness : {"exact", "numeric"}
        Proved symbolically, or checked in 30 digits at random points.
    """

    name: str
    expression: Expr
    exactness: str

    @property
    def latex(self) -> str:
        """The quantity as LaTeX, in the names of the states."""
        return f"{expressions.latex(self.expression)} = \\text{{const}}"

    @property
    def note(self) -> str:
        """Name and exactness, as LaTeX beside the formula."""
        return f"\\text{{{', '.join(part.replace('_', ' ') for part in (self.name, self.exactness) if part)}}}"

    def __repr__(self) -> str:
        named = f"{self.name} = " if self.name else ""
        return f"ConservedQuantity({named}{expressions.text(self.expression)}; {self.exactness})"
