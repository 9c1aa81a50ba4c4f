"""Expressions as elements of a field of rational functions, radicals and transcendental parts being generators.

SymPy's general simplification is slow and unpredictable; arithmetic in a sparse fraction field is fast and canonical.
Whatever is not rational (``sqrt(K)``, ``exp(-r*T)``, ``k**n``) becomes a generator, with its algebraic relation
``generator**degree = base`` where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sympy import QQ, Add, Dummy, Expr, Float, Integer, Mul, Poly, Pow, Rational, S, Symbol, exp
from sympy.polys.fields import FracField

__all__ = [
    "Bounds",
    "RationalForm",
    "cleared",
    "composed",
    "evaluate_at",
    "exact_rational",
    "factored",
    "factors_of",
    "layout",
    "powers_of",
    "rational_form",
    "replace_kernels",
]

_SHORT = 4  # terms up to which a general factorisation costs little
_ABSENT = Dummy("absent")  # one symbol for all fields of numbers, so that SymPy builds that field once

Bounds = Mapping[Symbol, tuple[Any, Any]]


@dataclass(frozen=True)
class RationalForm:
    """Expressions as elements of one fraction field.

    Attributes
    ----------
    field : FracField
        Rational functions in the symbols and kernels, over the rational numbers.
    elements : tuple of FracElement
        One per expression, reduced by the relations.
    kernels : dict of Symbol to Expr
        Generator and the non-rational expression it stands for.
    relations : dict of Symbol to (int, FracElement)
        ``generator**degree`` and what it equals.
    """

    field: Any
    elements: tuple[Any, ...]
    kernels: dict[Symbol, Expr] = field(default_factory=dict)
    relations: dict[Symbol, tuple[int, Any]] = field(default_factory=dict)

    def reduce(self, element: Any) -> Any:
        """Return ``element`` with every power of a radical below its degree."""
        # later kernels contain earlier ones, so the relations are applied from the outermost inwards
        for symbol, (degree, base) in reversed(self.relations.items()):
            numerator, denominator = element.numer, element.denom
            index = self.field.symbols.index(symbol)
            if numerator.degree(index) >= degree or denominator.degree(index) >= degree:
                element = _lower(numerator, index, degree, base, self.field) / _lower(
                    denominator, index, degree, base, self.field
                )
        return element

    def expression(self, element: Any) -> Expr:
        """Return an element of the field, or a polynomial of its ring, as a SymPy expression with kernels put back."""
        return self.put_back(element.as_expr())

    def put_back(self, expression: Expr) -> Expr:
        """Return an expression in the generators with kernels in place of their generators."""
        # a kernel may contain generators of inner kernels: newest first
        for symbol in reversed(self.kernels):
            expression = expression.xreplace({symbol: self.kernels[symbol]})
        return expression


def _lower(polynomial: Any, index: int, degree: int, base: Any, over: Any) -> Any:
    result = over.zero
    generator = over.gens[index]
    for power, coefficient in powers_of(polynomial, index).items():
        result += (
            over.field_new(coefficient)
            * (base ** (power // degree) if power >= degree else over.one)
            * generator ** (power % degree)
        )
    return result


def powers_of(polynomial: Any, index: int) -> dict[int, Any]:
    """Return the coefficients of a ring element as polynomials in its other generators, by power of one generator.

    Parameters
    ----------
    polynomial : PolyElement
    index : int
        Position of the generator in the ring.

    Returns
    -------
    dict of int to PolyElement
    """
    ring = polynomial.ring
    parts: dict[int, Any] = {}
    for monomial, coefficient in polynomial.terms():
        power = monomial[index]
        rest = (*monomial[:index], 0, *monomial[index + 1 :])
        part = parts.get(power)
        if part is None:
            part = parts[power] = ring.zero
        part[rest] = coefficient
    return parts


def evaluate_at(polynomial: Any, index: int, numerator: Any, denominator: Any) -> Any:
    """Return ``denominator**degree * polynomial`` with one generator replaced by ``numerator/denominator``.

    Parameters
    ----------
    polynomial, numerator, denominator : PolyElement
    index : int
        Position of the generator that is replaced.

    Returns
    -------
    PolyElement
    """
    parts = powers_of(polynomial, index)
    degree = max(parts, default=0)
    if not degree:
        return polynomial
    result = polynomial.ring.zero
    for power, coefficient in parts.items():
        # a zero numerator has no zeroth power in SymPy's rings
        above = numerator**power if power else polynomial.ring.one
        result += coefficient * above * (denominator ** (degree - power) if power < degree else polynomial.ring.one)
    return result


def composed(element: Any, index: int, value: Any) -> Any:
    """Return an element of a fraction field with one generator replaced by another element.

    Parameters
    ----------
    element, value : FracElement
    index : int
        Position of the generator.

    Returns
    -------
    FracElement
        If the denominator vanishes, ZeroDivisionError is raised.
    """
    over = element.field
    parts = []
    for polynomial in (element.numer, element.denom):
        total = over.zero
        for power, coefficient in powers_of(polynomial, index).items():
            total += over(coefficient) * (value**power if power else over.one)
        parts.append(total)
    return parts[0] / parts[1]


def exact_rational(value: Any) -> Any:
    """Return a finite number as a SymPy rational, ``None`` for infinite, absent or irrational ones."""
    if value is None:
        return None
    if isinstance(value, (int, Integer)) and not isinstance(value, bool):
        return Integer(int(value))
    if isinstance(value, Rational):
        return value
    if isinstance(value, (float, Float)):
        return Rational(value) if abs(value) != S.Infinity and value == value else None
    return None


@dataclass
class _Replacement:
    kernels: dict[Symbol, Expr] = field(default_factory=dict)
    bases: dict[Symbol, tuple[int, Expr]] = field(default_factory=dict)
    known: dict[Expr, Symbol] = field(default_factory=dict)

    def symbol_for(self, kernel: Expr, degree: int = 0, base: Expr | None = None) -> Symbol:
        symbol = self.known.get(kernel)
        if symbol is None:
            symbol = Dummy(f"kernel{len(self.known)}")
            self.known[kernel] = symbol
            self.kernels[symbol] = kernel
            if base is not None:
                self.bases[symbol] = (degree, base)
        return symbol

    def walk(self, expression: Expr) -> Expr:
        if expression.is_Rational or expression.is_Symbol:
            return expression
        if expression.is_Float:
            return Rational(expression)
        if isinstance(expression, (Add, Mul)):
            return expression.func(*[self.walk(argument) for argument in expression.args])
        if isinstance(expression, exp):
            return self.power(None, expression.args[0])
        if isinstance(expression, Pow):
            return self.power(expression.base, expression.exp)
        return self.symbol_for(expression)

    def power(self, base: Expr | None, exponent: Expr) -> Expr:
        """Split ``base**(a + 2*b)`` into ``base**a * (base**b)**2``, so that related powers share generators."""
        factors = []
        for term in Add.make_args(exponent.expand()):
            coefficient, rest = term.as_coeff_Mul()
            if not coefficient.is_Rational:
                coefficient, rest = S.One, term
            if rest is S.One and base is not None:
                inner = self.walk(base)
                if coefficient.q == 1:
                    factors.append(inner**coefficient)
                    continue
                kernel = Pow(base, Rational(1, coefficient.q))
                factors.append(self.symbol_for(kernel, int(coefficient.q), inner) ** coefficient.p)
                continue
            root = rest / coefficient.q
            kernel = exp(root) if base is None else Pow(base, root)
            factors.append(self.symbol_for(kernel) ** coefficient.p)
        return Mul(*factors)


def replace_kernels(
    expressions: Iterable[Expr],
) -> tuple[tuple[Expr, ...], dict[Symbol, Expr], dict[Symbol, tuple[int, Expr]]]:
    """Return expressions rational in their symbols, the kernels introduced, and the relations of the radicals."""
    replacement = _Replacement()
    rational = tuple(replacement.walk(expression) for expression in expressions)
    return rational, replacement.kernels, replacement.bases


def rational_form(expressions: Iterable[Expr], symbols: Iterable[Symbol] = ()) -> RationalForm:
    """Write expressions as elements of one field of rational functions.

    Parameters
    ----------
    expressions : iterable of Expr
    symbols : iterable of Symbol
        Generators to have in any case.

    Returns
    -------
    RationalForm

    Examples
    --------
    >>> from sympy import Symbol, sqrt
    >>> x = Symbol("x")
    >>> form = rational_form([1 / (sqrt(x) - 1) - (sqrt(x) + 1) / (x - 1)])
    >>> form.reduce(form.elements[0])
    0
    """
    rational, kernels, bases = replace_kernels(expressions)
    found: set[Symbol] = set(symbols)
    for expression in (*rational, *[base for _, base in bases.values()]):
        found |= expression.free_symbols
    generators = sorted(found - set(kernels), key=lambda symbol: symbol.name) + list(kernels)
    if not generators:
        generators = [_ABSENT]
    over = FracField(generators, QQ, "lex")
    relations = {symbol: (degree, over.from_expr(base)) for symbol, (degree, base) in bases.items()}
    form = RationalForm(over, (), kernels, relations)
    return RationalForm(
        over, tuple(form.reduce(over.from_expr(expression)) for expression in rational), kernels, relations
    )


def cleared(elements: Sequence[Any]) -> tuple[Any, ...]:
    """Multiply elements of a fraction field by their common denominator.

    Parameters
    ----------
    elements : sequence of FracElement
        Not empty.

    Returns
    -------
    tuple of PolyElement
    """
    over = elements[0].field
    common = over.ring.one
    for element in elements:
        common = common.lcm(element.denom)
    products = [element * over(common) for element in elements]
    # over the rationals the least common multiple is free of numbers; what is left below is a number
    return tuple(product.numer.quo_ground(product.denom.LC) for product in products)


@lru_cache(maxsize=4096)
def factored(polynomial: Any) -> tuple[Any, tuple[tuple[Any, int], ...]]:
    """Factor a ring element over the rational numbers.

    Parameters
    ----------
    polynomial : PolyElement
        Not zero.

    Returns
    -------
    content : rational number of the ring's domain
    factors : tuple of (PolyElement, int)
        Irreducible, with coprime integer coefficients, the leading one positive.
    """
    ring = polynomial.ring
    if polynomial.is_ground:
        return polynomial.LC, ()
    # A general factorisation costs milliseconds; almost everything a model yields is linear in some symbol after
    # monomials are taken out, and then only a content remains to be found.
    monomials = list(polynomial.keys())
    common = tuple(map(min, zip(*monomials, strict=True)))
    factors = [(ring.gens[index], power) for index, power in enumerate(common) if power]
    if any(common):
        polynomial = ring.from_dict(
            {tuple(a - b for a, b in zip(key, common, strict=True)): value for key, value in polynomial.items()}
        )
    if polynomial.is_ground:
        return polynomial.LC, tuple(factors)
    content, polynomial = polynomial.primitive()
    if polynomial.LC < 0:
        content, polynomial = -content, -polynomial
    linear = [
        min(((parts[1], parts.get(0, ring.zero)) for parts in [powers_of(polynomial, index)]), key=len)
        for index in range(len(ring.gens))
        if polynomial.degree(index) == 1
    ]
    if linear:
        slope, offset = min(linear, key=lambda pair: min(len(pair[0]), len(pair[1])))
        # one term in either part: the common factor could only be a monomial, and those are out already
        divisor = ring.one if min(len(slope), len(offset)) == 1 else slope.gcd(offset)
        if divisor.is_ground:
            return content, (*factors, (polynomial, 1))
        rest = polynomial.exquo(divisor)
        scale, inner = factored(divisor)
        other, last = rest.primitive()
        if last.LC < 0:
            other, last = -other, -last
        counts = dict(inner)
        counts[last] = counts.get(last, 0) + 1
        return content * scale * other, (*factors, *counts.items())
    if len(polynomial) > _SHORT and _proved_irreducible(polynomial):
        return content, (*factors, (polynomial, 1))
    scale, general = polynomial.factor_list()
    for factor, power in general:
        inner_content, factor = factor.primitive()
        if factor.LC < 0:
            inner_content, factor = -inner_content, -factor
        scale *= inner_content**power
        factors.append((factor, power))
    return content * scale, tuple(factors)


def _proved_irreducible(polynomial: Any) -> bool:
    """Whether one specialisation to a single symbol proves that there are no factors; cheap, and usually succeeds.

    If all coefficients in one symbol are coprime and the polynomial stays irreducible, at full degree, when the other
    symbols are numbers, then it has no factors at all.
    """
    degrees = {index: polynomial.degree(index) for index in range(len(polynomial.ring.gens))}
    main = min((index for index in degrees if degrees[index] > 0), key=lambda index: degrees[index])
    coefficients = sorted(powers_of(polynomial, main).values(), key=len)
    content = coefficients[0]
    for coefficient in coefficients[1:]:
        if content.is_ground:
            break
        content = content.gcd(coefficient)
    if not content.is_ground:
        return False
    variable = Dummy()
    for start in (2, -3):
        point = [start + (index * (index + 3)) // 2 for index in range(len(degrees))]
        image = [polynomial.ring.domain.zero] * (degrees[main] + 1)
        for monomial, coefficient in polynomial.terms():
            value = coefficient
            for index, power in enumerate(monomial):
                if power and index != main:
                    value *= point[index] ** power
            image[degrees[main] - monomial[main]] += value
        if image[0] and Poly(image, variable, domain=QQ).is_irreducible:
            return True
    return False


def factors_of(element: Any) -> tuple[Any, tuple[tuple[Any, int], ...]]:
    """Factor an element of a fraction field over the rational numbers.

    Parameters
    ----------
    element : FracElement
        Not zero.

    Returns
    -------
    content : rational number of the field's domain
    factors : tuple of (PolyElement, int)
        As in `factored`; exponents are negative in the denominator.
    """
    content, factors = factored(element.numer)
    below, divisors = factored(element.denom)
    return content / below, (*factors, *((factor, -power) for factor, power in divisors))


def layout(element: Any) -> Expr:
    """Write an element of a fraction field in the shortest of four ways.

    Factored; with the numerator expanded; as a sum of terms, each over the denominator and cancelled; or nested, as
    in ``1 + (1 + kappa/theta)/eta``.

    Parameters
    ----------
    element : FracElement

    Returns
    -------
    Expr
    """
    if not element:
        return S.Zero
    over = element.field
    content, factors = factors_of(element)
    number = Rational(int(content.numerator), int(content.denominator))
    candidates = [Mul(number, *(factor.as_expr() ** power for factor, power in factors))]
    if len(element.numer) > 1:
        below = over(element.denom)
        candidates.append(
            Add(
                *(
                    (over(element.numer.ring.from_dict({monomial: coefficient})) / below).as_expr()
                    for monomial, coefficient in element.numer.terms()
                )
            )
        )
        candidates.append(element.as_expr())
        if len(element.denom) == 1:
            ((shift, scale),) = element.denom.terms()
            candidates.append(
                _nested(
                    over.symbols,
                    {
                        tuple(a - b for a, b in zip(monomial, shift, strict=True)): coefficient / scale
                        for monomial, coefficient in element.numer.terms()
                    },
                )
            )
    return min(candidates, key=lambda candidate: candidate.count_ops())


def _nested(symbols: Sequence[Symbol], terms: dict[tuple[int, ...], Any]) -> Expr:
    """A sum of monomials (negative powers allowed), the most frequent factor taken out again and again."""
    frequency: dict[tuple[int, int], int] = {}
    for monomial in terms:
        for index, power in enumerate(monomial):
            if power:
                key = (index, 1 if power > 0 else -1)
                frequency[key] = frequency.get(key, 0) + 1
    best = max(frequency, key=lambda key: frequency[key], default=None)
    if len(terms) == 1 or best is None or frequency[best] < 2:
        return Add(
            *(
                Mul(
                    Rational(int(coefficient.numerator), int(coefficient.denominator)),
                    *(symbol**power for symbol, power in zip(symbols, monomial, strict=True)),
                )
                for monomial, coefficient in terms.items()
            )
        )
    index, step = best
    inner = {
        (*monomial[:index], monomial[index] - step, *monomial[index + 1 :]): coefficient
        for monomial, coefficient in terms.items()
        if monomial[index] * step > 0
    }
    rest = {monomial: coefficient for monomial, coefficient in terms.items() if monomial[index] * step <= 0}
    return Add(_nested(symbols, rest), Mul(symbols[index] ** step, _nested(symbols, inner)))
