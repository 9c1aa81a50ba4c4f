"""The functions of the model language, among them primitives that stay finite where their formula overflows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
from sympy import Expr, Function, Integer, Max, Min, Piecewise, S, atan, cos, erf, exp, log, sin, sqrt, tanh
from sympy.core.function import ArgumentIndexError

from dynamics.errors import DerivationError

__all__ = ["FUNCTIONS", "LANGUAGE", "REDUCTIONS", "elementary", "expm1", "hill", "lag", "log1p", "logistic", "product",
           "ramp", "softplus", "total"]


class log1p(Function):
    """log(1 + x), accurate for small x."""

    nargs = 1

    @classmethod
    def eval(cls, x: Expr) -> Expr | None:
        return Integer(0) if x.is_zero else None

    def fdiff(self, argindex: int = 1) -> Expr:
        return 1 / (1 + self.args[0])

    def _eval_rewrite_as_log(self, x: Expr, **hints: Any) -> Expr:
        return log(1 + x)

    def _eval_mpmath(self) -> tuple[Callable[..., Any], Any]:
        return mpmath.log1p, self.args


class expm1(Function):
    """exp(x) - 1, accurate for small x."""

    nargs = 1

    @classmethod
    def eval(cls, x: Expr) -> Expr | None:
        return Integer(0) if x.is_zero else None

    def fdiff(self, argindex: int = 1) -> Expr:
        return exp(self.args[0])

    def _eval_rewrite_as_exp(self, x: Expr, **hints: Any) -> Expr:
        return exp(x) - 1

    def _eval_mpmath(self) -> tuple[Callable[..., Any], Any]:
        return mpmath.expm1, self.args


class logistic(Function):
    """1/(1 + exp(-z)): the derivative of softplus, finite for every z."""

    nargs = 1

    @classmethod
    def eval(cls, z: Expr) -> Expr | None:
        return Integer(1) / 2 if z.is_zero else None

    def fdiff(self, argindex: int = 1) -> Expr:
        # p*(1 - p) would lose every digit where p is close to 1
        return logistic(self.args[0]) * logistic(-self.args[0])

    def _eval_rewrite_as_exp(self, z: Expr, **hints: Any) -> Expr:
        return 1 / (1 + exp(-z))

    def _eval_mpmath(self) -> tuple[Callable[..., Any], Any]:
        return (lambda z: 1 / (1 + mpmath.exp(-z))), self.args


class softplus(Function):
    """softplus(z) = log(1 + exp(z)); softplus(z, s) = s log(1 + exp(z/s)): a smooth max(0, z) of width s."""

    nargs = (1, 2)

    def fdiff(self, argindex: int = 1) -> Expr:
        z, s = self.args if len(self.args) == 2 else (self.args[0], Integer(1))
        if argindex == 1:
            return logistic(z / s)
        if argindex == 2 and len(self.args) == 2:
            return softplus(z / s) - z / s * logistic(z / s)
        raise ArgumentIndexError(self, argindex)

    def _eval_rewrite_as_exp(self, z: Expr, s: Expr = S.One, **hints: Any) -> Expr:
        return s * log(1 + exp(z / s))

    def _eval_mpmath(self) -> tuple[Callable[..., Any], Any]:
        # log(1 + exp(z)) evaluates to 0 where exp(z) is below the working precision
        return (lambda z, s=1: s * mpmath.log1p(mpmath.exp(mpmath.mpmathify(z) / s))), self.args


class hill(Function):
    """hill(x, k, n) = x**n/(k**n + x**n): rises from 0 to 1 around x = k with steepness n; x, k >= 0."""

    nargs = 3

    @classmethod
    def eval(cls, x: Expr, k: Expr, n: Expr) -> Expr | None:
        # a negative n turns the curve round: then 0 goes to 1
        return Integer(0) if x.is_zero and n.is_positive and not k.is_zero else None

    def fdiff(self, argindex: int = 1) -> Expr:
        x, k, n = self.args
        if argindex == 1:
            # n/x h (1 - h) is 0/0 at x = 0, and k**n + x**n squared overflows. This form does neither, is rational for
            # whole n, and has the right sign for negative x, where an equity ratio goes when it crosses zero.
            return n / k * (x / k) ** (n - 1) * (1 - hill(x, k, n)) ** 2
        if argindex == 2:
            return -n / k * hill(x, k, n) * (1 - hill(x, k, n))
        if argindex == 3:
            return hill(x, k, n) * (1 - hill(x, k, n)) * log(x / k)
        raise ArgumentIndexError(self, argindex)

    def _eval_rewrite_as_exp(self, x: Expr, k: Expr, n: Expr, **hints: Any) -> Expr:
        return x**n / (k**n + x**n)

    def _eval_mpmath(self) -> tuple[Callable[..., Any], Any]:
        return _hill_value, self.args


def _hill_value(x: Any, k: Any, n: Any) -> Any:
    # whole numbers arrive as int, whose powers and quotients are not mpmath's
    x, k, n = (mpmath.mpmathify(number) for number in (x, k, n))
    return x**n / (k**n + x**n)


class lag(Function):
    """lag(expression, time, stages): a gamma-distributed delay; a system replaces it by a chain of states."""

    nargs = 3

    def fdiff(self, argindex: int = 1) -> Expr:
        raise DerivationError("lag(...) has no derivative of its own; a System makes it a chain of states")


class total(Function):
    """total(e, index): the sum of e over an index."""

    nargs = 2

    def fdiff(self, argindex: int = 1) -> Expr:
        raise DerivationError("total(...) has no closed derivative; use system.expand() for the scalar system")


class product(Function):
    """product(A, v): a two-index parameter times an indexed expression."""

    def fdiff(self, argindex: int = 1) -> Expr:
        raise DerivationError("product(...) has no closed derivative; use system.expand() for the scalar system")


def ramp(z: Expr) -> Expr:
    """Return max(0, z)."""
    return Max(Integer(0), z)


def absolute(z: Expr) -> Expr:
    """Return |z| as max(z, -z): SymPy's Abs takes plain symbols for complex and rewrites Abs(exp(x)) with re(x)."""
    return Max(z, -z)


def signum(z: Expr) -> Expr:
    """Return the sign of a real quantity by cases, for the same reason."""
    return Piecewise((1, z > 0), (-1, z < 0), (0, True))


# name -> (SymPy function, smallest and largest number of arguments)
LANGUAGE: dict[str, tuple[Any, int, int]] = {
    "exp": (exp, 1, 1), "log": (log, 1, 1), "log1p": (log1p, 1, 1), "expm1": (expm1, 1, 1), "sqrt": (sqrt, 1, 1),
    "sin": (sin, 1, 1), "cos": (cos, 1, 1), "tanh": (tanh, 1, 1), "atan": (atan, 1, 1), "abs": (absolute, 1, 1),
    "sign": (signum, 1, 1), "min": (Min, 2, 12), "max": (Max, 2, 12), "softplus": (softplus, 1, 2),
    "hill": (hill, 3, 3), "ramp": (ramp, 1, 1), "logistic": (logistic, 1, 1), "erf": (erf, 1, 1), "lag": (lag, 3, 3),
}
REDUCTIONS: dict[str, tuple[Any, int, int]] = {"total": (total, 2, 2), "product": (product, 2, 2)}
FUNCTIONS = tuple(LANGUAGE)


def elementary(expression: Expr) -> Expr:
    """Return the expression with the primitives written out in exp, log and powers, for algebra.

    Examples
    --------
    >>> from sympy import Symbol
    >>> elementary(hill(Symbol("x"), Symbol("k"), 2))
    x**2/(k**2 + x**2)
    """
    if not expression.has(softplus, hill, logistic, log1p, expm1):
        return expression
    return expression.replace(lambda e: isinstance(e, (softplus, hill, logistic, expm1)), lambda e: e.rewrite(exp)) \
        .replace(lambda e: isinstance(e, log1p), lambda e: e.rewrite(log))
