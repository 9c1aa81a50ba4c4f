"""Radicals of unknowns replaced by new unknowns, and nested radicals of parameters taken apart under bounds.

An equation with ``sqrt(f(x))`` is no polynomial, but with ``r = sqrt(f(x))`` as a further unknown it is:
``r**2 = f(x)``, ``r >= 0``. At a fixed point such roots often are roots of squares: written in ``s = sqrt(K)`` instead
of ``K``, the radicand is a rational function whose factors show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import lcm
from typing import Any

from sympy import QQ, Add, Dummy, Expr, Float, Mul, Pow, Rational, S, Symbol
from sympy.polys.fields import FracField

from dynamics.symbolic.factors import factors_of, layout
from dynamics.symbolic.kernels import Bounds, RationalForm, composed, powers_of, rationalized
from dynamics.symbolic.signs import sign_of, weak_sign_of

__all__ = ["denested", "factors_with_roots", "is_radical", "linear_parameter", "without_radicals"]

_DEPTH = 3  # square roots of sums that contain roots, taken apart one inside the other


def is_radical(node: Any) -> bool:
    """Whether an expression is a power with a rational exponent that is no integer."""
    return isinstance(node, Pow) and bool(node.exp.is_Rational) and not node.exp.is_Integer


def without_radicals(
    equations: Sequence[Expr], unknowns: Sequence[Symbol], *, numbers: bool = False
) -> tuple[tuple[Expr, ...], tuple[Symbol, ...]]:
    """Replace every radical of the unknowns, innermost first, by a new unknown that is not negative.

    Parameters
    ----------
    equations : sequence of Expr
    unknowns : sequence of Symbol
    numbers : bool, default False
        Also radicals of numbers, such as ``sqrt(2)``.

    Returns
    -------
    equations : tuple of Expr
        The given ones, then ``r**n - radicand`` for each new unknown.
    roots : tuple of Symbol
        The new unknowns; solutions in which one of them is negative do not solve the given equations.

    Examples
    --------
    >>> from sympy import Symbol, sqrt
    >>> x, a = Symbol("x"), Symbol("a")
    >>> equations, (root,) = without_radicals([sqrt(x**2 + a) - 2 * x], [x])
    >>> equations[1].xreplace({root: Symbol("r")})
    -a + r**2 - x**2
    """
    names = set(unknowns)
    nodes = {node for equation in equations for node in equation.atoms(Pow) if _replaceable(node, names, numbers)}
    degrees: dict[Expr, int] = {}
    for node in nodes:
        degrees[node.base] = lcm(degrees.get(node.base, 1), int(node.exp.q))
    # a base that contains another radical is longer than it, so inner ones are replaced before outer ones
    bases = sorted(degrees, key=lambda base: (base.count_ops(), str(base)))
    replaced: dict[Expr, Expr] = {}
    relations, roots = [], []
    for base in bases:
        root = Dummy("radical")
        for node in nodes:
            if node.base == base:
                replaced[node] = root ** (node.exp * degrees[base])
        relations.append(root ** degrees[base] - _replaced(base, replaced))
        roots.append(root)
    return (*(_replaced(equation, replaced) for equation in equations), *relations), tuple(roots)


def _replaceable(node: Expr, names: set[Symbol], numbers: bool) -> bool:
    inner = node.base.free_symbols
    return is_radical(node) and bool(inner & names or (numbers and not inner))


def _replaced(expression: Expr, replaced: dict[Expr, Expr]) -> Expr:
    # xreplace takes the outermost match, so a radical inside of an integer power or sum is found at its own level
    return expression.xreplace(replaced)


def linear_parameter(polynomial: Any, excluded: Iterable[Symbol]) -> tuple[Symbol, Any, Any] | None:
    """Find the symbol K through which a polynomial is ``slope*K + offset`` with a slope that is a number or monomial.

    Then ``K = (s**n - offset)/slope`` where ``s**n`` is the polynomial: in ``s`` everything is rational.

    Parameters
    ----------
    polynomial : PolyElement
    excluded : iterable of Symbol
        Generators that must not be replaced.

    Returns
    -------
    (Symbol, PolyElement, PolyElement) or None
        The symbol, slope, offset; ``None`` where no symbol will do.
    """
    barred = set(excluded)
    found = None
    for index, symbol in enumerate(polynomial.ring.symbols):
        if symbol in barred or polynomial.degree(index) != 1:
            continue
        parts = powers_of(polynomial, index)
        slope, offset = parts[1], parts.get(0, polynomial.ring.zero)
        if (slope.is_ground or (not offset and len(slope) == 1)) and (found is None or len(slope) < len(found[1])):
            found = (symbol, slope, offset)
            if slope.is_ground and not offset:
                break
    return found


def factors_with_roots(form: RationalForm, element: Any) -> tuple[int, tuple[tuple[Expr, int], ...]]:
    """Factor an element where roots of parameters have factors of their own: ``1 - K = (1 - sqrt(K))*(1 + sqrt(K))``.

    Parameters
    ----------
    form : RationalForm
    element : FracElement
        Not zero.

    Returns
    -------
    sign : {1, -1}
        Of the numerical content.
    factors : tuple of (Expr, int)
        With kernels put back; exponents are negative in the denominator.
    """
    over, relations = form.field, dict(form.relations)
    taken: list[Symbol] = []
    for root, (degree, base) in form.relations.items():
        base = relations[root][1]
        chosen = linear_parameter(base.numer, (*form.kernels, *taken)) if base.denom == 1 else None
        if chosen is None:
            continue
        parameter, slope, offset = chosen
        index = over.symbols.index(parameter)
        value = (over.gens[over.symbols.index(root)] ** degree - over(offset)) / over(slope)
        del relations[root]
        relations = {name: (power, composed(item, index, value)) for name, (power, item) in relations.items()}
        element = composed(element, index, value)
        taken.append(parameter)
    content, factors = factors_of(RationalForm(over, (), {}, relations).reduce(element))
    return (1 if content > 0 else -1), tuple((form.expression(factor), power) for factor, power in factors)


def denested(expression: Expr, bounds: Bounds, known: Sequence[Expr] = ()) -> Expr:
    """Return an equal expression in which radicals are as simple as the bounds allow.

    Squares are taken out of roots where their sign is known (``sqrt(K*a**2) = a*sqrt(K)``), roots of squares disappear
    even where the square shows only in terms of other roots (``sqrt(1 + 2*sqrt(K) + K) = 1 + sqrt(K)``), roots
    ``sqrt(a + b*sqrt(c))`` are taken apart where ``a**2 - b**2*c`` is a square, and common factors such as
    ``1 + sqrt(K)`` in ``(1 - K)/(1 + sqrt(K))`` cancel.

    Parameters
    ----------
    expression : Expr
        Real where it is defined. Without radicals it is returned as it is.
    bounds : mapping of Symbol to (lower, upper)
        As for `dynamics.symbolic.signs.sign_of`.
    known : sequence of Expr, optional
        Expressions known to be positive.

    Returns
    -------
    Expr

    References
    ----------
    A. Borodin, R. Fagin, J. E. Hopcroft and M. Tompa, Journal of Symbolic Computation 1 (1985) 169-188,
    doi:10.1016/S0747-7171(85)80013-4.

    Examples
    --------
    >>> from sympy import Symbol, sqrt
    >>> K, a = Symbol("K"), Symbol("a")
    >>> positive = {K: (0, None), a: (0, None)}
    >>> denested(sqrt(K * (1 + a) ** 2), positive), denested((1 - K) / (1 + sqrt(K)), positive)
    (sqrt(K)*(a + 1), 1 - sqrt(K))
    """
    if not any(is_radical(node) for node in expression.atoms(Pow)):
        return expression
    parts = _Denesting(bounds, known)
    found = parts.written(parts.walk(expression))
    # one spelling for equal radicals lets later steps cancel them; nests that stay are better left as they were
    level = _nesting(found)
    return found if level < max(2, _nesting(expression)) else min(found, expression, key=lambda item: item.count_ops())


def _nesting(expression: Expr) -> int:
    """How many radicals stand inside of each other."""
    inner = max((_nesting(argument) for argument in expression.args), default=0)
    return inner + is_radical(expression)


@dataclass
class _Denesting:
    """Symbols, radicals and other kernels as generators; a radical of a parameter takes the place of the parameter."""

    bounds: Bounds
    known_positive: Sequence[Expr] = ()
    kernels: dict[Symbol, Expr] = field(default_factory=dict)
    relations: dict[Symbol, tuple[int, Expr]] = field(default_factory=dict)
    parametrized: dict[Symbol, Expr] = field(default_factory=dict)
    lowered: dict[Symbol, tuple[int, Expr]] = field(default_factory=dict)
    known: dict[tuple[Expr, int], Symbol] = field(default_factory=dict)

    def walk(self, expression: Expr) -> Expr:
        """The expression in the generators, rational in them."""
        if expression.is_Rational or expression.is_Symbol:
            return expression
        if isinstance(expression, Float):
            return Rational(expression)
        if isinstance(expression, (Add, Mul)):
            return expression.func(*[self.walk(argument) for argument in expression.args])
        if isinstance(expression, Pow) and expression.exp.is_Integer:
            return self.walk(expression.base) ** expression.exp
        if is_radical(expression):
            root = self.root(self.element(self.walk(expression.base)), int(expression.exp.q), _DEPTH)
            return root**expression.exp.p
        return self.generator(expression, 0)

    def generator(self, kernel: Expr, degree: int) -> Symbol:
        symbol = self.known.get((kernel, degree))
        if symbol is None:
            symbol = self.known[kernel, degree] = Dummy(f"kernel{len(self.known)}")
            self.kernels[symbol] = kernel if not degree else Pow(kernel, Rational(1, degree))
        return symbol

    def form(self, expression: Expr, relations: dict[Symbol, tuple[int, Expr]]) -> RationalForm:
        names = set(expression.free_symbols)
        for symbol in reversed(relations):
            if symbol in names:
                names |= relations[symbol][1].free_symbols
        order = sorted(names - set(self.kernels), key=lambda item: item.name)
        order += [symbol for symbol in self.kernels if symbol in names]
        over = FracField(order or [Dummy("absent")], QQ, "lex")
        inside = {s: (degree, over.from_expr(base)) for s, (degree, base) in relations.items() if s in names}
        form = RationalForm(over, (), dict(self.kernels), inside)
        return RationalForm(over, (form.reduce(over.from_expr(expression)),), dict(self.kernels), inside)

    def element(self, expression: Expr) -> RationalForm:
        return self.form(expression.xreplace(self.parametrized), self.relations)

    def put_back(self, expression: Expr) -> Expr:
        for symbol in reversed(self.kernels):
            expression = expression.xreplace({symbol: self.kernels[symbol]})
        return expression

    def root(self, form: RationalForm, degree: int, depth: int) -> Expr:
        """The real root of an element, in the generators; factors of known sign are taken out."""
        (element,) = form.elements
        if not element:
            return S.Zero
        content, factors = factors_of(element)
        outside, inside = S.One, form.field.one
        for factor, power in factors:
            base = form.field(factor)
            whole, rest = divmod(power, degree)
            direction = weak_sign_of(self.put_back(factor.as_expr()), self.bounds, self.known_positive) if whole else 0
            if not whole or (direction not in (1, -1) and (degree % 2 or whole % 2)):
                inside *= base**power
                continue
            outside *= (-1 if direction == -1 else 1) ** whole * factor.as_expr() ** whole
            inside *= base**rest * (-1 if direction == -1 else 1) ** (degree * whole)
        number = Rational(int(content.numerator), int(content.denominator))
        taken, _ = Pow(abs(number), Rational(1, degree)).as_coeff_Mul()
        outside, inside = outside * taken, inside * _number(form, number / taken**degree)
        if inside == form.field.one:
            return outside
        parts = self.two_roots(form, inside, depth) if degree == 2 and depth else None
        return outside * (self.simple_root(inside, degree) if parts is None else parts)

    def two_roots(self, form: RationalForm, inside: Any, depth: int) -> Expr | None:
        """``sqrt(a + b*s)`` as a sum of two roots free of ``s``, where ``a**2 - b**2*s**2`` is a square."""
        over = form.field
        for symbol, (degree, base) in reversed(form.relations.items()):
            index = over.symbols.index(symbol)
            if degree != 2 or inside.numer.degree(index) != 1 or inside.denom.degree(index) > 0:
                continue
            parts = powers_of(inside.numer, index)
            a, b = (over(parts.get(power, over.ring.zero)) / over(inside.denom) for power in (0, 1))
            square = self.square_root(form, form.reduce(a**2 - b**2 * base))
            signs = [sign_of(self.put_back(item.as_expr()), self.bounds, self.known_positive) for item in (a, b)]
            if square is None or signs[0] != 1 or signs[1] is None:
                continue
            halves = [RationalForm(over, ((a + side * square) / 2,), form.kernels, form.relations) for side in (1, -1)]
            first, second = (self.root(half, 2, depth - 1) for half in halves)
            return first + signs[1] * second
        return None

    def square_root(self, form: RationalForm, element: Any) -> Any:
        """A nonnegative square root in the field, or ``None``."""
        if not element:
            return element
        content, factors = factors_of(element)
        number = Pow(Rational(int(content.numerator), int(content.denominator)), Rational(1, 2))
        if not number.is_Rational or any(power % 2 for _, power in factors):
            return None
        root = _number(form, number)
        for factor, power in factors:
            root *= form.field(factor) ** (power // 2)
        direction = weak_sign_of(self.put_back(root.as_expr()), self.bounds, self.known_positive)
        return root * direction if direction in (1, -1) else None

    def simple_root(self, inside: Any, degree: int) -> Expr:
        radicand = layout(inside)
        known = len(self.known)
        symbol = self.generator(self.put_back(radicand), degree)
        if len(self.known) == known:
            return symbol.xreplace(self.parametrized)
        self.relations[symbol] = (degree, inside.as_expr())
        barred = [*self.kernels, *self.parametrized]
        chosen = linear_parameter(inside.numer, barred) if inside.denom == 1 else None
        if chosen is not None:
            parameter, slope, offset = chosen
            self.lowered[symbol] = self.relations.pop(symbol)
            value = {parameter: (symbol**degree - offset.as_expr()) / slope.as_expr()}
            self.parametrized = {name: old.xreplace(value) for name, old in self.parametrized.items()} | value
            self.relations = {name: (power, base.xreplace(value)) for name, (power, base) in self.relations.items()}
        return symbol

    def written(self, expression: Expr) -> Expr:
        """The shorter of two forms: common factors of roots cancelled, or denominators free of roots."""
        whole = self.element(expression)
        (element,) = whole.elements
        short = self.put_back(layout(element))
        if not self.lowered and not self.relations:
            return short
        every = self.relations | self.lowered
        lowered = self.form(element.as_expr(), {name: every[name] for name in self.kernels if name in every})
        plain = self.put_back(layout(rationalized(lowered, lowered.elements[0])))
        return min(short, plain, key=lambda item: item.count_ops())


def _number(form: RationalForm, number: Any) -> Any:
    return form.field(form.field.domain(int(number.p), int(number.q)))
