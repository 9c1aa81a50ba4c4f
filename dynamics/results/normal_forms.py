"""Results on normal forms: a coefficient, and a bifurcation with all of its coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sympy import Expr, S
from sympy.logic.boolalg import Boolean

from dynamics import expressions
from dynamics.errors import SpecificationError, did_you_mean
from dynamics.results.record import Record, hashed

__all__ = ["Coefficient", "NormalForm"]


@dataclass(frozen=True)
class Coefficient(Record):
    """A normal-form coefficient: symbolic where possible, always with a value.

    Attributes
    ----------
    expression : SymPy expression or None
        Factored, on the bifurcation set; None where there are numbers only.
    value : float
        At the current parameters.
    criticality : {"supercritical", "subcritical", "degenerate", ""}
        Empty for a coefficient that does not decide it.
    valid_where : SymPy Boolean
        Where on the bifurcation set ``criticality`` holds; true when it holds for all admissible parameters.
    exactness : {"exact", "numeric"}
    name : str
    decimal : str
        The value to 30 digits.
    eliminated : mapping of str to SymPy expression
        Parameter that the bifurcation condition gives, and its critical value; ``expression`` is free of it.
    """

    expression: Expr | None
    value: float
    criticality: str
    valid_where: Boolean = S.true
    exactness: str = "exact"
    name: str = ""
    decimal: str = ""
    eliminated: Mapping[str, Expr] = field(default_factory=dict)
    symbols: Mapping[str, str] = field(default_factory=dict)

    def __float__(self) -> float:
        return self.value

    @property
    def latex(self) -> str:
        """The expression, or the value, as LaTeX."""
        return f"{self.value:.10g}" if self.expression is None else expressions.latex(self.expression, self.symbols)

    def __repr__(self) -> str:
        formula = "" if self.expression is None or self.expression.is_number else f" = {expressions.text(self.expression)}"
        kind = f"; {self.criticality}" if self.criticality else ""
        return f"Coefficient({self.name or 'value'}{formula} = {self.value:.10g}{kind}; {self.exactness})"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def __hash__(self) -> int:
        return hash(hashed((self.expression, self.value, self.criticality, self.name)))


@dataclass(frozen=True)
class NormalForm(Record):
    """The normal form at a bifurcation: its kind and coefficients by name (``form["l1"]``).

    Attributes
    ----------
    kind : str
        fold, transcritical, pitchfork, branch_point, cusp, hopf, generalized_hopf, bogdanov_takens, ...
    equation : str
        The truncated normal form.
    coefficients : mapping of str to Coefficient
    criticality : {"supercritical", "subcritical", "degenerate", ""}
    distance : float
        Of the critical eigenvalues from where they should be, relative.
    """

    kind: str
    equation: str
    coefficients: Mapping[str, Coefficient] = field(default_factory=dict)
    criticality: str = ""
    distance: float = 0.0

    def __getitem__(self, name: str) -> Coefficient:
        if name not in self.coefficients:
            known = ", ".join(self.coefficients) or "none"
            raise SpecificationError(f"the normal form of a {self.kind} has no coefficient '{name}'; there are {known}."
                                     + did_you_mean(name, self.coefficients))
        return self.coefficients[name]

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name} = {item.value:.10g}" for name, item in self.coefficients.items())
        return f"NormalForm({self.kind}: {self.equation}; {numbers}{'; ' + self.criticality if self.criticality else ''})"

    def __hash__(self) -> int:
        return hash(hashed((self.kind, tuple(self.coefficients.values()))))
