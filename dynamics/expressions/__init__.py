"""The model language: text -> SymPy by whitelist, SymPy -> text, LaTeX and MathML."""

from dynamics.expressions.functions import (
    FUNCTIONS,
    elementary,
    expm1,
    hill,
    lag,
    log1p,
    logistic,
    product,
    ramp,
    softplus,
    total,
)
from dynamics.expressions.markup import mathml
from dynamics.expressions.names import check_name
from dynamics.expressions.parser import parse
from dynamics.expressions.printing import latex, text

__all__ = ["FUNCTIONS", "check_name", "elementary", "expm1", "hill", "lag", "latex", "log1p", "logistic", "mathml",
           "parse", "product", "ramp", "softplus", "text", "total"]
