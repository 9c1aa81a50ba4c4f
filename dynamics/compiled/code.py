"""From SymPy expressions to Python functions, with primitives that stay finite where the formula would not.

Symbols are renamed before code is made, so no name of a model can meet a name of the generated code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from sympy import Add, Expr, Mul, Pow, S, Symbol, lambdify
from sympy.printing.numpy import NumPyPrinter

__all__ = ["joined_powers", "scalar_function", "vector_function"]

Function = Callable[..., Any]


def _exp(x: float) -> float:
    return math.exp(x) if x < 709.7 else math.inf


def _log(x: float) -> float:
    return math.log(x) if x > 0 else (-math.inf if x == 0 else math.nan)


def _log1p(x: float) -> float:
    return math.log1p(x) if x > -1 else (-math.inf if x == -1 else math.nan)


def _expm1(x: float) -> float:
    return math.expm1(x) if x < 709.7 else math.inf


def _sqrt(x: float) -> float:
    return math.sqrt(x) if x >= 0 else math.nan


def _logistic(z: float) -> float:
    if z >= 0:
        return 1.0 / (1.0 + math.exp(-z))
    e = math.exp(z)
    return e / (1.0 + e)


def _softplus(z: float, scale: float = 1.0) -> float:
    # log(1 + exp(z)) without overflow; the literal formula overflows long before leverage does
    z = z / scale
    return scale * (max(z, 0.0) + math.log1p(math.exp(-abs(z))))


def _hill(x: float, k: float, n: float) -> float:
    if x <= 0 or k <= 0:
        return 0.0 if x == 0 else x**n / (k**n + x**n)
    return _logistic(n * (math.log(x) - math.log(k)))


def _sign(x: float) -> float:
    return float((x > 0) - (x < 0))


def _heaviside(x: float, at_zero: float = 0.5) -> float:
    return 1.0 if x > 0 else (0.0 if x < 0 else at_zero)


_SCALAR = {"exp": _exp, "log": _log, "log1p": _log1p, "expm1": _expm1, "sqrt": _sqrt, "logistic": _logistic,
           "softplus": _softplus, "hill": _hill, "sign": _sign, "Heaviside": _heaviside, "erf": math.erf, "Abs": abs}


def _vector_modules() -> dict[str, Function]:
    import numpy as np

    # SciPy is imported where one of these is called: most systems need none, and a cold start waits for it
    def logistic(z: Any) -> Any:
        from scipy.special import expit

        return expit(z)

    def erf(z: Any) -> Any:
        from scipy.special import erf as function

        return function(z)

    def softplus(z: Any, scale: Any = 1.0) -> Any:
        return scale * np.logaddexp(0.0, np.asarray(z) / scale)

    def hill(x: Any, k: Any, n: Any) -> Any:
        x = np.asarray(x, dtype=float)
        safe = np.where(x > 0, x, 1.0)
        return np.where(x > 0, logistic(n * (np.log(safe) - np.log(k))),
                        np.where(x == 0, 0.0, x**n / (k**n + x**n)))

    def select(conditions: Any, choices: Any, default: Any = np.nan) -> Any:
        # NumPy's own broadcasts and copies every case, which costs more than the cases themselves
        result = default
        for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
            result = np.where(condition, choice, result)
        return result

    def total(values: Any, axis: Any) -> Any:
        return np.sum(values, axis=int(axis), keepdims=True)

    def product(matrix: Any, vector: Any, axis: Any, transposed: Any, target: Any) -> Any:
        flat = np.asarray(vector).reshape(-1)
        result = (matrix.T if transposed else matrix) @ flat
        shape = [1] * np.ndim(vector)
        shape[int(target)] = result.size
        return result.reshape(shape)

    return {"exp": np.exp, "log": np.log, "log1p": np.log1p, "expm1": np.expm1, "sqrt": np.sqrt,
            "logistic": logistic, "softplus": softplus, "hill": hill, "sign": np.sign, "erf": erf,
            "Heaviside": np.heaviside, "Abs": np.abs, "total": total, "product": product, "select": select}


def _renamed(arguments: Sequence[Sequence[Symbol]]) -> tuple[dict[Symbol, Symbol], list[tuple[Symbol, ...]]]:
    renaming = {symbol: Symbol(f"a{group}_{place}") for group, symbols in enumerate(arguments)
                for place, symbol in enumerate(symbols)}
    return renaming, [tuple(renaming[s] for s in symbols) for symbols in arguments]


def _coded(expression: Expr, renaming: dict[Symbol, Symbol]) -> Expr:
    renamed = expression.xreplace(renaming)
    # 1/0 has no value, whatever is done with it afterwards, and no spelling in code
    return S.NaN if renamed.has(S.ComplexInfinity) else renamed


def joined_powers(expression: Expr) -> Expr:
    """Write x**n/x as x**(n - 1), which has a value at zero: so SymPy differentiates x**n.

    Examples
    --------
    >>> from sympy import symbols
    >>> x, n = symbols("x n")
    >>> joined_powers((x**n).diff(x))
    n*x**(n - 1)
    """
    if not any(power.exp.free_symbols for power in expression.atoms(Pow)):
        return expression
    return expression.replace(lambda node: isinstance(node, Mul), _joined)


def _joined(product: Expr) -> Expr:
    exponents: dict[Expr, list[Expr]] = {}
    for factor in product.args:
        base, exponent = factor.as_base_exp()
        exponents.setdefault(base, []).append(exponent)
    return Mul(*(base ** Add(*found) for base, found in exponents.items()))


def scalar_function(expressions: Sequence[Expr], arguments: Sequence[Sequence[Symbol]]) -> Callable[..., list[float]]:
    """Return a function of one tuple of floats for each group in ``arguments``; it returns a list of floats.

    Values that overflow are inf or nan; ZeroDivisionError and ValueError may be raised at poles.
    """
    renaming, groups = _renamed(arguments)
    return lambdify(groups, [_coded(e, renaming) for e in expressions], modules=[_SCALAR, "math"], cse=True)


def vector_function(expressions: Sequence[Expr], arguments: Sequence[Sequence[Symbol]]) -> Callable[..., list[Any]]:
    """Return a function of one sequence of arrays for each group in ``arguments``; it returns a list of arrays.

    Arrays broadcast; an expression without variables comes out as a plain number.
    """
    renaming, groups = _renamed(arguments)
    functions = _vector_modules()
    # named as a module, NumPy would be imported with its test tools and f2py; the printer fetches what is used
    printer = NumPyPrinter({"fully_qualified_modules": False, "inline": True, "allow_unknown_functions": True,
                            "user_functions": {name: name for name in functions}})
    return lambdify(groups, [_coded(e, renaming) for e in expressions], modules=[functions], printer=printer, cse=True)
