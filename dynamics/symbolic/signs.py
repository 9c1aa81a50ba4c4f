"""Signs of expressions under bounds of their symbols: never wrong, sometimes undecided.

A polynomial whose coefficients, after each symbol is written as its bound plus a positive shift, all have one sign
has that sign. Products are factored first, so that ``a*b - a`` is decided by ``b - 1``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sympy import Abs, Expr, Max, Min, Pow, Symbol, atan, exp, log, tanh

from dynamics.symbolic.factors import factored, factors_of
from dynamics.symbolic.kernels import (
    Bounds,
    RationalForm,
    composed,
    evaluate_at,
    exact_rational,
    powers_of,
    rational_form,
)
from dynamics.symbolic.sampled_signs import takes_both_signs, value_at

__all__ = ["has_long_factor", "polynomial_sign", "sign_of", "weak_sign_of"]

_POSITIVE, _NEGATIVE, _NONNEGATIVE, _REAL = "positive", "negative", "nonnegative", "real"
_FACTORABLE = 12  # terms; the discriminant of anything longer rarely factors, and trying takes long
_PLACES, _GOLDEN = 4, 0.6180339887498949
_LONG = 24  # terms from which points that refute a sign cost less than an attempt to prove it
_HOPELESS = 1000  # terms beyond which nothing but the signs of the coefficients proves a sign
_DEPTH = 3  # nested discriminants and radicals beyond this are never decided by hand either


def sign_of(expression: Expr, bounds: Bounds, known: Sequence[Expr] = ()) -> int | None:
    """Return the sign that an expression has everywhere in the interior of the bounds.

    Parameters
    ----------
    expression : Expr
        Real where it is defined; symbols are plain.
    bounds : mapping of Symbol to (lower, upper)
        SymPy numbers or ``None`` for unbounded. Bounds are taken as strict: a parameter with lower bound 0 counts as
        strictly positive (generic). A symbol that is missing is any real number.
    known : sequence of Expr
        Further expressions known to be positive (a regime's conditions, taken in the regime's interior); those that
        are linear in some symbol are used, one at a time.

    Returns
    -------
    {1, -1, 0} or None
        ``None`` when the sign changes or could not be decided. Radicals and logarithms are supposed real: the sign
        holds where the expression is defined.

    Examples
    --------
    >>> from sympy import Symbol
    >>> kappa, theta = Symbol("kappa"), Symbol("theta")
    >>> sign_of(-kappa * (theta + 1), {kappa: (0, None), theta: (0, None)})
    -1
    >>> sign_of(kappa - 1, {kappa: (0, None)}) is None
    True
    """
    sign, strict = _sign(expression, bounds, known, _DEPTH)
    return sign if strict else None


def weak_sign_of(expression: Expr, bounds: Bounds, known: Sequence[Expr] = ()) -> int | None:
    """Return 1 if the expression is nowhere negative, -1 if nowhere positive, 0 if zero, else ``None``.

    Parameters
    ----------
    expression, bounds, known
        As for `sign_of`.

    Returns
    -------
    {1, -1, 0} or None

    Examples
    --------
    >>> from sympy import Symbol
    >>> weak_sign_of(Symbol("x") ** 2, {})
    1
    """
    return _sign(expression, bounds, known, _DEPTH)[0]


def polynomial_sign(form: RationalForm, polynomial: Any, bounds: Bounds, known: Sequence[Expr] = ()) -> int | None:
    """Return the sign of a polynomial of a form's ring, as `sign_of` does for an expression.

    Parameters
    ----------
    form : RationalForm
    polynomial : PolyElement
        Irreducible, not constant.
    bounds, known
        As for `sign_of`.

    Returns
    -------
    {1, -1} or None
    """
    if len(polynomial) > _LONG and takes_both_signs(form, polynomial, bounds, known):
        return None
    sign, strict = _factor_sign(form, polynomial, bounds, _DEPTH)
    if sign is not None and strict:
        return sign
    if len(polynomial) > _HOPELESS:
        return None
    return sign_of(form.expression(polynomial), bounds, known) if known else None


def has_long_factor(form: RationalForm, element: Any, terms: int, bounds: Bounds, known: Sequence[Expr] = ()) -> bool:
    """Whether an element has a factor of odd power, of undecided sign, and of more than so many terms.

    Parameters
    ----------
    form : RationalForm
        Without radicals; with them the answer is False.
    element : FracElement
    terms : int
    bounds, known
        As for `sign_of`.

    Returns
    -------
    bool
    """
    if form.relations or len(element.numer) <= terms:
        return False
    return any(len(factor) > terms and power % 2 and polynomial_sign(form, factor, bounds, known) is None
               for factor, power in factors_of(element)[1])


_Sign = tuple[int | None, bool]  # (weak sign, whether it is strict)
_UNDECIDED: _Sign = (None, False)


def _sign(expression: Expr, bounds: Bounds, known: Sequence[Expr], depth: int) -> _Sign:
    if expression.is_Rational:
        return (int(expression.p > 0) - int(expression.p < 0), True)
    if not expression.free_symbols:
        return _number_sign(expression)
    form = rational_form([expression])
    found = _element_sign(form, form.elements[0], bounds, depth)
    if found[0] is None or not found[1]:
        for condition in known:
            better = _sign_under(form, condition, bounds, depth)
            if better[0] is not None and better[1]:
                return better
    return found


def _number_sign(expression: Expr) -> _Sign:
    form = rational_form([expression])
    if not form.elements[0]:
        return (0, True)
    value = expression.evalf(40)
    if value.is_Float and abs(value) > 1e-25:
        return (1 if value > 0 else -1, True)
    return _UNDECIDED


def _element_sign(form: RationalForm, element: Any, bounds: Bounds, depth: int) -> _Sign:
    if not element:
        return (0, True)
    content, factors = factors_of(element)
    sign, strict = (1 if content > 0 else -1), True
    for factor, power in factors:
        weak, surely = _factor_sign(form, factor, bounds, depth)
        if power % 2 == 0:
            # the square of a real number; zero only where the factor is, and in a denominator that is excluded
            weak, surely = 1, surely or power < 0
        if weak is None:
            return _UNDECIDED
        sign, strict = sign * weak, strict and surely
    return (sign, strict)


def _factor_sign(form: RationalForm, polynomial: Any, bounds: Bounds, depth: int) -> _Sign:
    kinds: dict[int, str] = {}
    shifted = polynomial
    for index, symbol in enumerate(form.field.symbols):
        if polynomial.degree(index) <= 0:
            continue
        if symbol in form.kernels:
            kinds[index] = _kernel_kind(form.kernels[symbol], bounds, depth)
        else:
            shifted, kinds[index] = _shift(shifted, index, *bounds.get(symbol, (None, None)))
    found = _coefficient_sign(shifted, kinds)
    if found[0] is not None or depth <= 0 or len(shifted) > _HOPELESS:
        return found
    return _radical_sign(form, polynomial, bounds, depth) or _quadratic_sign(form, shifted, kinds, depth) or _UNDECIDED


def _shift(polynomial: Any, index: int, lower: Any, upper: Any) -> tuple[Any, str]:
    """Write a symbol as its bound plus a positive number; the same generator then means that number."""
    low, high = exact_rational(lower), exact_rational(upper)
    ring = polynomial.ring
    shift, one = ring.gens[index], ring.one
    if low is not None and high is not None:
        # low + (high - low)/(1 + t); the polynomial is multiplied by a power of 1 + t > 0
        return evaluate_at(polynomial, index, ring(_q(ring, high)) + _q(ring, low) * shift, one + shift), _POSITIVE
    if low is not None:
        return (evaluate_at(polynomial, index, shift + _q(ring, low), one) if low else polynomial), _POSITIVE
    if high is not None:
        return evaluate_at(polynomial, index, -shift + _q(ring, high), one), _POSITIVE
    return polynomial, _REAL


def _q(ring: Any, number: Any) -> Any:
    return ring.domain(int(number.p), int(number.q))


def _coefficient_sign(polynomial: Any, kinds: dict[int, str]) -> _Sign:
    signs, strict = set(), False
    for monomial, coefficient in polynomial.terms():
        sign, surely = (1 if coefficient > 0 else -1), True
        for index, power in enumerate(monomial):
            if not power:
                continue
            kind = kinds[index]
            if kind == _REAL and power % 2:
                return _UNDECIDED
            if kind == _NEGATIVE and power % 2:
                sign = -sign
            surely = surely and kind in (_POSITIVE, _NEGATIVE)
        signs.add(sign)
        strict = strict or surely
        if len(signs) > 1:
            return _UNDECIDED
    return (signs.pop(), strict) if signs else (0, True)


def _kernel_kind(kernel: Expr, bounds: Bounds, depth: int) -> str:
    if isinstance(kernel, exp):
        return _POSITIVE
    if isinstance(kernel, Pow):
        base = _sign(kernel.base, bounds, (), depth - 1) if depth > 0 else _UNDECIDED
        if base == (1, True):
            return _POSITIVE
        # an even root is nonnegative wherever it is real at all
        return _NONNEGATIVE if kernel.exp.is_Rational and kernel.exp.q % 2 == 0 else _REAL
    if isinstance(kernel, Abs):
        return _NONNEGATIVE
    if depth <= 0:
        return _REAL
    if isinstance(kernel, (log, tanh, atan)):
        argument = kernel.args[0] - 1 if isinstance(kernel, log) else kernel.args[0]
        return _kind_of(_sign(argument, bounds, (), depth - 1))
    if isinstance(kernel, (Max, Min)):
        signs = [_sign(argument, bounds, (), depth - 1) for argument in kernel.args]
        decisive = 1 if isinstance(kernel, Max) else -1
        if (decisive, True) in signs:
            return _POSITIVE if decisive == 1 else _NEGATIVE
        if decisive == 1 and any(sign in (0, 1) for sign, _ in signs):
            return _NONNEGATIVE
    return _REAL


def _kind_of(found: _Sign) -> str:
    if found[1] and found[0] in (1, -1):
        return _POSITIVE if found[0] == 1 else _NEGATIVE
    return _NONNEGATIVE if found[0] == 1 else _REAL


def _radical_sign(form: RationalForm, polynomial: Any, bounds: Bounds, depth: int) -> _Sign | None:
    """Sign of ``a + b*sqrt(c)``: that of ``a``, of ``b``, or of ``a**2 - b**2*c`` times that of ``a``."""
    for symbol, (degree, base) in form.relations.items():
        index = form.field.symbols.index(symbol)
        if degree != 2 or polynomial.degree(index) != 1:
            continue
        parts = powers_of(polynomial, index)
        a = form.field(parts.get(0, polynomial.ring.zero))
        b = form.field(parts[1])
        sign_a, sign_b = (_element_sign(form, part, bounds, depth - 1) for part in (a, b))
        if sign_a[0] is None or sign_b[0] is None or not (sign_a[1] and sign_b[1]):
            continue
        if sign_a[0] == 0 or sign_a[0] == sign_b[0]:
            return (sign_a[0] or sign_b[0], sign_a[0] != 0)
        difference, strict = _element_sign(form, form.reduce(a**2 - b**2 * base), bounds, depth - 1)
        if difference is not None and strict:
            return (sign_a[0] * difference, True)
    return None


def _quadratic_sign(form: RationalForm, polynomial: Any, kinds: dict[int, str], depth: int) -> _Sign | None:
    """Sign of a quadratic without real zeros in one of its symbols."""
    for index in kinds:
        if polynomial.degree(index) != 2:
            continue
        parts = powers_of(polynomial, index)
        zero = polynomial.ring.zero
        a, b, c = parts[2], parts.get(1, zero), parts.get(0, zero)
        leading = _coefficient_sign(a, kinds)
        if leading[0] is None or not leading[1]:
            continue
        if _has_zeros_somewhere(a, b, c, kinds):
            continue
        discriminant = b**2 - 4 * a * c
        if not discriminant:
            continue
        sign, strict = _product_sign(discriminant, kinds)
        if sign == -1:
            return (leading[0], strict)
    return None


def _has_zeros_somewhere(a: Any, b: Any, c: Any, kinds: dict[int, str]) -> bool:
    """Whether a quadratic has two real zeros at one of a few places: numbers cost nothing beside its discriminant."""
    for place in range(1, _PLACES + 1):
        values = {index: 2.0 ** (6 * (position * place * _GOLDEN % 1) - 3) * (-1 if kind == _NEGATIVE else 1)
                  for position, (index, kind) in enumerate(kinds.items(), 1)}
        try:
            first, second, third = (value_at(part, values)[0] for part in (a, b, c))
            if second * second - 4 * first * third > 1e-6 * (second * second + abs(4 * first * third)):
                return True
        except OverflowError:
            continue
    return False


def _product_sign(polynomial: Any, kinds: dict[int, str]) -> _Sign:
    found = _coefficient_sign(polynomial, kinds)
    if found[0] is not None or len(polynomial) > _FACTORABLE:
        return found
    content, factors = factored(polynomial)
    sign, strict = (1 if content > 0 else -1), True
    for factor, power in factors:
        weak, surely = _coefficient_sign(factor, kinds)
        if power % 2 == 0:
            weak = 1
        if weak is None:
            return _UNDECIDED
        sign, strict = sign * weak, strict and surely
    return (sign, strict)


def _independent(form: RationalForm, symbol: Symbol) -> bool:
    """Whether a generator occurs in no kernel, or is a root of a symbol that occurs nowhere else."""
    others = [kernel for name, kernel in form.kernels.items() if name != symbol]
    if symbol not in form.kernels:
        return not any(kernel.has(symbol) for kernel in others)
    inner = form.kernels[symbol].free_symbols
    indices = [index for index, name in enumerate(form.field.symbols) if name in inner]
    return symbol in form.relations and not any(kernel.free_symbols & inner for kernel in others) and not any(
        part.degree(index) > 0 for item in form.elements for part in (item.numer, item.denom) for index in indices
    )


def _sign_under(form: RationalForm, condition: Expr, bounds: Bounds, depth: int) -> _Sign:
    """Sign where ``condition > 0``, by writing one symbol through the condition, which is linear in it."""
    joint = rational_form([condition, form.expression(form.elements[0])])
    over = joint.field
    for index, symbol in enumerate(over.symbols):
        content = joint.elements[0]
        if not _independent(joint, symbol):
            continue
        if content.numer.degree(index) != 1 or content.denom.degree(index) > 0:
            continue
        parts = powers_of(content.numer, index)
        slope = over(parts[1])
        offset = over(parts.get(0, over.ring.zero))
        slope_sign, strict = _element_sign(joint, slope / over(content.denom), bounds, depth - 1)
        if slope_sign is None or not strict:
            continue
        # symbol = (t - offset)/slope with a shift t whose sign is that of condition's denominator: use t > 0 times it
        shift = over.gens[index] * over(content.denom)
        target = joint.elements[1]
        replaced = composed(target, index, (shift - offset) / slope)
        rest: dict[Symbol, tuple[Any, Any]] = {**bounds, symbol: (0, None)}
        found = _element_sign(joint, replaced, rest, depth - 1)
        if found[0] is not None and found[1]:
            return found
    return _UNDECIDED
