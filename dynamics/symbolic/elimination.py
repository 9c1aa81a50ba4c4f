"""All solutions of a system of equations in closed form, with generic parameters.

Equations are cleared of denominators, factored, and solved one unknown at a time; what no branch of this reaches is
reported, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from random import Random

from sympy import Abs, Expr, Integer, Max, Min, Mul, Piecewise, Pow, Symbol, exp, log, preorder_traversal, sign

from dynamics.errors import DerivationError
from dynamics.symbolic.budgets import check_expansion
from dynamics.symbolic.factors import factored
from dynamics.symbolic.inversion import Inversion, without_kernels
from dynamics.symbolic.kernels import Bounds, rational_form, replace_kernels
from dynamics.symbolic.radicals import denested, is_radical, without_radicals
from dynamics.symbolic.real_solutions import solve_numeric
from dynamics.symbolic.root_branches import RootBranches
from dynamics.symbolic.signs import sign_of, weak_sign_of
from dynamics.symbolic.stability import reduce_condition
from dynamics.symbolic.triangular import Branch
from dynamics.symbolic.verification import distinct, satisfies

__all__ = ["Derivation", "Solution", "derive", "solve_numeric", "solve_system"]


@dataclass(frozen=True)
class Solution:
    """One solution, or one family of solutions, of a system.

    Attributes
    ----------
    values : dict of Symbol to Expr
        Each unknown in the parameters; a free unknown stands for itself.
    free : tuple of Symbol
        Unknowns that may take any value (a line, surface, ... of solutions).
    nonzero : tuple of Expr
        Expressions in the parameters (and free unknowns) that must not vanish for this to be a solution.
    nonnegative : tuple of Expr
        Expressions that must not be negative: values that roots in the equations take, where bounds do not decide.
    """

    values: dict[Symbol, Expr]
    free: tuple[Symbol, ...] = ()
    nonzero: tuple[Expr, ...] = ()
    nonnegative: tuple[Expr, ...] = ()


@dataclass(frozen=True)
class Derivation:
    """All solutions for generic parameters, and what generic means.

    Attributes
    ----------
    solutions : tuple of Solution
    assumed : tuple of Expr
        Expressions in the parameters that were taken not to be zero: where one of them is, there may be other solutions.
    """

    solutions: tuple[Solution, ...]
    assumed: tuple[Expr, ...] = ()


def solve_system(
    equations: Sequence[Expr], unknowns: Sequence[Symbol], *, bounds: Bounds | None = None
) -> tuple[Solution, ...]:
    """Solve equations exactly; the other symbols are generic real parameters.

    Parameters
    ----------
    equations : sequence of Expr
        Each is to vanish; smooth.
    unknowns : sequence of Symbol
    bounds : mapping of Symbol to (lower, upper), optional
        Of the parameters: complex solutions are dropped where the bounds prove them complex. A lower bound 0 counts as
        strictly positive. Bounds of unknowns do not filter: a solution outside of them is returned.

    Returns
    -------
    tuple of Solution
        All real solutions for generic parameters, verified by substitution, each once.

    Raises
    ------
    DerivationError
        If there is no closed form (degree above 2 without a decomposition, transcendental equations), or the
        equations are not smooth.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x, y, r, k = (Symbol(name) for name in ("x", "y", "r", "k"))
    >>> for solution in solve_system([r * x * (1 - x / k) - x * y, y * (x - 1)], [x, y]):
    ...     print(solution.values)
    {x: 0, y: 0}
    {x: k, y: 0}
    {x: 1, y: r - r/k}
    """
    return derive(equations, unknowns, bounds=bounds).solutions


def derive(equations: Sequence[Expr], unknowns: Sequence[Symbol], *, bounds: Bounds | None = None) -> Derivation:
    """Solve equations as `solve_system` does, and keep what was taken not to be zero.

    Parameters
    ----------
    equations, unknowns, bounds
        As for `solve_system`.

    Returns
    -------
    Derivation

    Raises
    ------
    DerivationError
        As `solve_system`.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x, a = Symbol("x"), Symbol("a")
    >>> derive([a * (1 - x)], [x]).assumed
    (a,)
    """
    from dynamics import expressions

    bounds = dict(bounds or {})
    given = tuple(expressions.elementary(equation) for equation in equations)
    if any(item.has(Max, Min, Abs, sign, Piecewise) for item in given):
        raise DerivationError("The equations are not smooth; split them into regimes and solve in each of them.")
    check_expansion(given)
    # a denominator as written may cancel; where it is zero the equation has no value
    assumed = dict.fromkeys(item for item in _denominators(given) if not item.free_symbols & set(unknowns))
    found = [item for system in _alternatives(given, unknowns)
             for item in _solutions(system, given, unknowns, bounds, assumed)]
    kept = distinct([(item.values, item.free, item.nonnegative) for item in found], bounds)
    return Derivation(tuple(found[position] for position in kept), _in_parameters(assumed, unknowns))


def _in_parameters(assumed: Iterable[Expr], unknowns: Sequence[Symbol]) -> tuple[Expr, ...]:
    return tuple(item for item in assumed if item.free_symbols and not item.free_symbols & set(unknowns))


def _alternatives(equations: tuple[Expr, ...], unknowns: Sequence[Symbol]) -> Iterator[tuple[Expr, ...]]:
    """Systems of factors, where factors separate an unknown from a transcendental function of it: x*(exp(x) - a)."""
    open_names = set(unknowns)
    _, kernels, _ = replace_kernels(equations)
    if not any(kernel.free_symbols & open_names for kernel in kernels.values()):
        yield equations
        return
    choices: list[list[Expr]] = []
    for equation, splits in zip(equations, _may_factor(equations, unknowns, kernels.values()), strict=True):
        factors = _open_factors(equation, unknowns) if splits else []
        choices.append(factors if len(factors) > 1 else [equation])
    yield from product(*choices)


def _open_factors(equation: Expr, unknowns: Sequence[Symbol]) -> list[Expr]:
    form, open_names = rational_form([equation], unknowns), set(unknowns)
    element = form.elements[0]
    factors = [form.expression(factor) for factor, _ in factored(element.numer)[1]] if element else []
    return [factor for factor in factors if factor.free_symbols & open_names]


def _may_factor(equations: Sequence[Expr], unknowns: Sequence[Symbol], kernels: Iterable[Expr]) -> list[bool]:
    """Whether equations factor with numbers for the parameters; what does not has no factors with symbols either."""
    kept = {symbol for kernel in kernels for symbol in kernel.free_symbols} | set(unknowns)
    parameters = {symbol for equation in equations for symbol in equation.free_symbols} - kept
    generator = Random(20240611)
    numbers = {symbol: Integer(generator.randint(1000, 9999)) for symbol in sorted(parameters, key=lambda s: s.name)}
    return [len(_open_factors(equation.xreplace(numbers), unknowns)) > 1 for equation in equations]


def _solutions(
    equations: tuple[Expr, ...], given: tuple[Expr, ...], unknowns: Sequence[Symbol], bounds: Bounds,
    assumed: dict[Expr, None]
) -> Iterator[Solution]:
    roots: tuple[Symbol, ...] = ()
    try:
        rational, names, inversions = without_kernels(equations, unknowns)
    except DerivationError as transcendental:
        equations, roots = without_radicals(equations, unknowns)
        try:
            rational, names, inversions = without_kernels(equations, (*unknowns, *roots))
        except DerivationError:
            raise transcendental from None
    form = rational_form([*rational, *_denominators(rational)], names)
    solver = RootBranches(form, bounds, roots)
    elements = form.elements
    start = Branch(
        form.field.ring,
        tuple(element.numer for element in elements[: len(rational)]),
        names,
        nonzero=(
            *(element.denom for element in elements[: len(rational)]),
            *(element.numer for element in elements[len(rational) :]),
        ),
        relations={symbol: (degree, base.numer, base.denom) for symbol, (degree, base) in form.relations.items()},
    )
    exact = equations is given and not inversions and not form.kernels
    assumed.update(dict.fromkeys(inversion.slope for inversion in inversions))
    for branch in solver.complete(solver.with_parameters_as_powers(start)):
        found = solver.solution(branch)
        whole = found and _undo(Solution(*found), inversions, (*unknowns, *roots), bounds, assumed)
        whole = whole and _with_roots(whole, roots, bounds, assumed)
        # substitution in the fraction field is exact; kernels and radicals have branches, hence the check by numbers
        if whole is not None and (
            (exact and not branch.relations)
            or satisfies(given, whole.values, bounds, whole.free, whole.nonnegative)
        ):
            yield whole
    # all branches have been followed: the collection is complete
    assumed.update(dict.fromkeys(solver.assumed(start)))


def _denominators(equations: Sequence[Expr]) -> list[Expr]:
    """Bases of negative powers as written, before cancellation hides them."""
    return list(
        dict.fromkeys(
            node.base
            for equation in equations
            for node in preorder_traversal(equation)
            if isinstance(node, Pow) and node.exp.is_Integer and node.exp.is_negative
        )
    )


def _undo(
    solution: Solution, inversions: tuple[Inversion, ...], unknowns: tuple[Symbol, ...], bounds: Bounds,
    assumed: dict[Expr, None]
) -> Solution | None:
    values, free, nonnegative = dict(solution.values), list(solution.free), list(solution.nonnegative)
    for inversion in reversed(inversions):
        value = values[inversion.replacement]
        sign_here = sign_of(value, bounds)
        if (inversion.positive and sign_here == -1) or (inversion.nonzero and sign_here == 0):
            assumed[value] = None
            return None
        if inversion.positive and sign_here is None and inversion.replacement not in free:
            nonnegative.append(value)
        if inversion.replacement in free:
            free[free.index(inversion.replacement)] = inversion.unknown
            values = {
                name: _put_back(item, inversion) for name, item in values.items() if name != inversion.replacement
            }
            values[inversion.unknown] = inversion.unknown
        else:
            back = inversion.inverse.xreplace(values)
            # SymPy keeps log(exp(a)) because its symbols may be complex; here they are real
            logarithms = [node for node in back.atoms(log) if isinstance(node.args[0], exp)]
            values[inversion.unknown] = back.xreplace({node: node.args[0].args[0] for node in logarithms})
    return Solution({name: values[name] for name in unknowns}, tuple(free), solution.nonzero, tuple(nonnegative))


def _essential(condition: Expr, bounds: Bounds) -> Expr:
    """A product without the factors whose sign is known wherever they are real."""
    kept, direction = [], 1
    for factor in Mul.make_args(condition):
        weak = weak_sign_of(factor, bounds)
        if weak is None:
            kept.append(factor)
        else:
            direction *= weak
    return Mul(direction, *kept)


def _with_roots(solution: Solution, roots: tuple[Symbol, ...], bounds: Bounds, assumed: dict[Expr, None]
                ) -> Solution | None:
    """The solution without the unknowns that stood for radicals; ``None`` where one of them would be negative."""
    conditions = [_essential(item, bounds) for item in (*solution.nonnegative, *(solution.values[root] for root in roots))]
    signs = {condition: weak_sign_of(condition, bounds) for condition in conditions}
    # nowhere positive and not zero throughout: zero at most for special parameters
    negative = [condition for condition, weak in signs.items() if weak == -1]
    if negative:
        assumed.update(dict.fromkeys(negative))
        return None
    # wherever the solution is real, its even roots have radicands that are not negative
    real = _radicands(solution.values.values(), bounds)
    inside = {condition: sign_of(condition, bounds, real) for condition, weak in signs.items() if weak is None}
    if any(strict == -1 for strict in inside.values()):
        return None
    undecided = [condition for condition, strict in inside.items() if strict is None]
    # two roots of opposite sign, whatever the sign of each
    if any(sign_of(first / second, bounds) == -1 for first, second in combinations(undecided, 2)):
        return None
    values = {name: denested(value, bounds) for name, value in solution.values.items() if name not in roots}
    free = tuple(name for name in solution.free if name not in roots)
    shown = _radicands(values.values(), bounds)
    hidden = [condition for condition in real if condition not in shown and condition not in undecided]
    return Solution(values, free, solution.nonzero, (*undecided, *hidden))


def _radicands(values: Iterable[Expr], bounds: Bounds) -> list[Expr]:
    """What must not be negative for the even roots in expressions to be real, where the bounds do not decide."""
    bases = {node.base for value in values for node in value.atoms(Pow) if is_radical(node) and node.exp.q % 2 == 0}
    conditions = dict.fromkeys(reduce_condition(base, bounds) for base in sorted(bases, key=str))
    return [condition for condition in conditions if not condition.is_number]


def _put_back(value: Expr, inversion: Inversion) -> Expr:
    if value.has(inversion.replacement):
        raise DerivationError(
            f"The solutions form a family in {inversion.unknown} that is not rational; fix one state or a conserved "
            "quantity and solve again."
        )
    return value
