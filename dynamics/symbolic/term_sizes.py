"""How large the terms are that an expression is the sum of: by their rounding a value is told from zero, in any units."""

from __future__ import annotations

from sympy import Abs, Add, Expr, Mul

__all__ = ["term_size"]


def term_size(expression: Expr) -> Expr:
    """term_size(expression): the value the expression would have if none of its terms cancelled another one.

    Parameters
    ----------
    expression : Expr

    Returns
    -------
    Expr
        At least the absolute value of the expression; of a function of a sum the absolute value of the function.

    Examples
    --------
    >>> from sympy.abc import a, x
    >>> term_size(a*x - 2*a).subs({a: 3, x: 2})
    12
    """
    if isinstance(expression, Add):
        return Add(*map(term_size, expression.args))
    if isinstance(expression, Mul):
        return Mul(*map(term_size, expression.args))
    if expression.is_Pow and expression.exp.is_Integer and expression.exp > 0:
        return term_size(expression.base) ** expression.exp
    return Abs(expression)
