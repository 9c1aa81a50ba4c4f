"""Jacobian matrices and characteristic polynomials, factored over the rational functions of the parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sympy import Abs, Add, DiracDelta, Dummy, Expr, Heaviside, Matrix, Max, Min, Mul, Piecewise, S, Symbol, sign, tanh
from sympy.utilities.iterables import strongly_connected_components

from dynamics.errors import DerivationError
from dynamics.symbolic.determinants import determinant
from dynamics.symbolic.factors import cleared, factored, layout
from dynamics.symbolic.kernels import RationalForm, powers_of, rational_form

__all__ = [
    "CharacteristicFactor",
    "characteristic_polynomial",
    "factor_characteristic",
    "jacobian_matrix",
    "roots_numeric",
    "structural_zeros",
]


@dataclass(frozen=True)
class CharacteristicFactor:
    """A monic irreducible factor of a characteristic polynomial.

    Attributes
    ----------
    coefficients : tuple of Expr
        From the leading one (1) to the constant.
    multiplicity : int
    """

    coefficients: tuple[Expr, ...]
    multiplicity: int = 1

    @property
    def degree(self) -> int:
        """Number of eigenvalues of the factor, each counted once."""
        return len(self.coefficients) - 1

    def expression(self, symbol: Symbol) -> Expr:
        """The factor as a polynomial in ``symbol``."""
        return Add(
            *(coefficient * symbol ** (self.degree - power) for power, coefficient in enumerate(self.coefficients))
        )


def jacobian_matrix(equations: Sequence[Expr], states: Sequence[Symbol]) -> Any:
    """Return the matrix of partial derivatives of the equations.

    Parameters
    ----------
    equations : sequence of Expr, length m
    states : sequence of Symbol, length n

    Returns
    -------
    Matrix, shape (m, n)
        One-sided derivatives of nonsmooth parts appear as ``Piecewise``.

    Examples
    --------
    >>> from sympy import Abs, Symbol
    >>> x = Symbol("x")
    >>> jacobian_matrix([Abs(x) + x**2], [x])
    Matrix([[2*x + sign(x)]])
    """
    return Matrix([[_derivative(equation, state) for state in states] for equation in equations])


def _derivative(equation: Expr, state: Symbol) -> Expr:
    if equation.has(tanh):
        return _through_tanh(equation, state)
    if not equation.has(Abs, Max, Min, sign, Piecewise):
        return equation.diff(state)
    # SymPy takes a plain symbol as complex: it differentiates Abs into real and imaginary parts
    real = {symbol: Dummy(symbol.name, real=True) for symbol in equation.free_symbols | {state}}
    plain = {dummy: symbol for symbol, dummy in real.items()}
    return _regular(equation.xreplace(real).diff(real[state])).xreplace(plain)


def _through_tanh(equation: Expr, state: Symbol) -> Expr:
    """By the chain rule: SymPy asks whether factors vanish, and divides the argument of tanh by pi*i for minutes."""
    names: dict[Expr, Expr] = {node: Dummy("tanh") for node in equation.atoms(tanh)}
    outer = equation.xreplace(names)
    result = _derivative(outer, state)
    for node, name in names.items():
        if outer.has(name) and node.has(state):
            result += _derivative(outer, name) * (1 - name**2) * _derivative(node.args[0], state)
    return result.xreplace({name: node for node, name in names.items()})


def _regular(expression: Expr) -> Expr:
    """Without the distributions that SymPy puts at switches."""
    if not expression.has(Heaviside, DiracDelta):
        return expression
    steps: dict[Expr, Expr] = {
        node: Piecewise((S.One, node.args[0] > 0), (S.Zero, True)) for node in expression.atoms(Heaviside)
    }
    return expression.xreplace({**steps, **dict.fromkeys(expression.atoms(DiracDelta), S.Zero)})


def factor_characteristic(matrix: Any) -> tuple[CharacteristicFactor, ...]:
    """Factor the characteristic polynomial of a square matrix over the rational functions of its symbols.

    Parameters
    ----------
    matrix : Matrix, shape (n, n)
        Entries in the parameters; radicals and exponentials count as further symbols.

    Returns
    -------
    tuple of CharacteristicFactor
        By degree; the degrees times the multiplicities add up to n.

    Raises
    ------
    DerivationError
        If the matrix is not square.

    Examples
    --------
    >>> from sympy import Matrix, Symbol
    >>> a = Symbol("a")
    >>> [factor.coefficients for factor in factor_characteristic(Matrix([[0, 1, 5], [-1, a, 0], [0, 0, -a]]))]
    [(1, a), (1, -a, 1)]
    """
    rows, columns = matrix.shape
    if rows != columns:
        raise DerivationError(
            f"A characteristic polynomial needs a square matrix; this one has shape {rows} x {columns}."
        )
    form = rational_form(list(matrix))
    found: dict[tuple[Any, ...], int] = {}
    # strongly connected blocks: a polynomial of a block is far smaller than that of the whole
    links = [(row, column) for row in range(rows) for column in range(rows) if form.elements[row * rows + column]]
    for block in strongly_connected_components((list(range(rows)), links)):
        part = [[form.elements[row * rows + column] for column in block] for row in block]
        for coefficients, multiplicity in _factors(form, _characteristic_coefficients(form.field, part)):
            found[coefficients] = found.get(coefficients, 0) + multiplicity
    factors = [
        CharacteristicFactor(tuple(form.put_back(layout(item)) for item in coefficients), multiplicity)
        for coefficients, multiplicity in found.items()
    ]
    return tuple(sorted(factors, key=lambda factor: (factor.degree, str(factor.coefficients))))


def _characteristic_coefficients(over: Any, rows: Sequence[Sequence[Any]]) -> list[Any]:
    """Coefficients of det(z - J), the leading one 1.

    The rows are cleared of denominators first: in a field of fractions every product would look for common divisors.
    """
    eigenvalue = Dummy("eigenvalue")
    ring = over.ring.clone(symbols=(eigenvalue, *over.ring.symbols))
    grid, divisors = [], dict[Any, None]()
    for index, row in enumerate(rows):
        denominator, *entries = (item.set_ring(ring) for item in cleared([over.one, *row]))
        divisors.update(dict.fromkeys(factor for factor, _ in factored(denominator)[1]))
        grid.append([-item for item in entries])
        grid[-1][index] += denominator * ring.gens[0]
    parts = powers_of(determinant(grid, ring), 0)
    coefficients = [parts.get(power, ring.zero) for power in range(len(rows), -1, -1)]
    for divisor in divisors:
        divided = [item.div(divisor) for item in coefficients]
        while not any(remainder for _, remainder in divided):
            coefficients = [quotient for quotient, _ in divided]
            divided = [item.div(divisor) for item in coefficients]
    elements = [over(item.set_ring(over.ring)) for item in coefficients]
    return [item / elements[0] for item in elements]


def _factors(form: RationalForm, polynomial: list[Any]) -> list[tuple[tuple[Any, ...], int]]:
    over = form.field
    coefficients = [form.reduce(over(item)) for item in polynomial]
    if len(coefficients) == 2:
        return [(tuple(coefficients), 1)]
    eigenvalue = Dummy("eigenvalue")
    ring = over.ring.clone(symbols=(eigenvalue, *over.ring.symbols))
    degree = len(coefficients) - 1
    whole = ring.zero
    for power, item in enumerate(cleared(coefficients)):
        whole += item.set_ring(ring) * ring.gens[0] ** (degree - power)
    result = []
    for factor, multiplicity in factored(whole)[1]:
        size = factor.degree(0)
        if size <= 0:
            continue
        parts: list[Any] = [ring.zero] * (size + 1)
        for monomial, coefficient in factor.terms():
            parts[size - monomial[0]] += ring({(0, *monomial[1:]): coefficient})
        elements = [over(part.set_ring(over.ring)) for part in parts]
        result.append((tuple(form.reduce(item / elements[0]) for item in elements), multiplicity))
    return result


def characteristic_polynomial(matrix: Any, symbol: Symbol) -> Expr:
    """Return the monic characteristic polynomial of a square matrix as a product of its factors.

    Parameters
    ----------
    matrix : Matrix, shape (n, n)
    symbol : Symbol
        The eigenvalue.

    Returns
    -------
    Expr

    Raises
    ------
    DerivationError
        If the matrix is not square.

    Examples
    --------
    >>> from sympy import Matrix, Symbol
    >>> a, z = Symbol("a"), Symbol("z")
    >>> characteristic_polynomial(Matrix([[a, 1], [0, -2]]), z)
    (-a + z)*(z + 2)
    """
    return Mul(*(factor.expression(symbol) ** factor.multiplicity for factor in factor_characteristic(matrix)))


def structural_zeros(factors: Sequence[CharacteristicFactor]) -> int:
    """Return how many eigenvalues vanish for all parameters (conserved quantities, lines of fixed points).

    Parameters
    ----------
    factors : sequence of CharacteristicFactor

    Returns
    -------
    int

    Examples
    --------
    >>> from sympy import Matrix
    >>> structural_zeros(factor_characteristic(Matrix([[-1, 1], [1, -1]])))
    1
    """
    return sum(factor.multiplicity for factor in factors if factor.degree == 1 and factor.coefficients[1] == 0)


def roots_numeric(matrix: Any, values: Mapping[Symbol, Any] | None = None, digits: int = 30) -> tuple[complex, ...]:
    """Return the eigenvalues of a matrix at given parameter values.

    Parameters
    ----------
    matrix : Matrix, shape (n, n)
    values : mapping of Symbol to number, optional
    digits : int
        Working precision; a k-fold eigenvalue keeps about 1/k of it.

    Returns
    -------
    tuple of complex
        Length n, by real part, then imaginary part.

    Raises
    ------
    DerivationError
        If an entry has no finite value.

    Examples
    --------
    >>> from sympy import Matrix
    >>> roots_numeric(Matrix([[0, 1], [-4, 0]]))
    (-2j, 2j)
    """
    import mpmath

    at = {symbol: S.One * value for symbol, value in (values or {}).items()}
    rows, columns = matrix.shape
    if rows != columns:
        raise DerivationError(f"Eigenvalues need a square matrix; this one has shape {rows} x {columns}.")
    with mpmath.workdps(digits):
        entries = mpmath.matrix(rows, rows)
        for row in range(rows):
            for column in range(rows):
                number = matrix[row, column].xreplace(at).evalf(digits)
                if not number.is_number or not number.is_finite:
                    raise DerivationError(
                        f"Entry ({row + 1}, {column + 1}) of the Jacobian has no finite value ({number}); "
                        "give a value for each of its symbols."
                    )
                real, imaginary = number.as_real_imag()
                entries[row, column] = mpmath.mpc(real._to_mpmath(mpmath.mp.prec), imaginary._to_mpmath(mpmath.mp.prec))
        # mpmath returns something else for a single entry
        found = [entries[0, 0]] if rows == 1 else mpmath.eig(entries, left=False, right=False)
        scale = max((abs(item) for item in found), default=mpmath.mpf(1)) or mpmath.mpf(1)
        # rounding noise is cut off so that conjugate pairs sort next to each other
        noise = scale * mpmath.mpf(10) ** (8 - digits)
        values_found = [complex(mpmath.chop(item, tol=noise)) for item in found]
    return tuple(sorted(values_found, key=lambda item: (item.real, item.imag)))
