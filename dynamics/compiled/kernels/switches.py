"""Where the formula of a field changes: the quantities whose signs decide between the cases of max, min and if."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sympy import Abs, Expr, Heaviside, Max, Min, Piecewise, Symbol, preorder_traversal, sign
from sympy.core.relational import Equality, Relational, Unequality

__all__ = ["Switches", "find_switches", "normalised", "pairs"]


def normalised(difference: Expr) -> tuple[Expr, bool]:
    """Return the quantity up to a factor, and whether its sign was turned round.

    Examples
    --------
    >>> from sympy import Symbol
    >>> normalised(2 - 2 * Symbol("x"))
    (x - 1, True)
    """
    content, rest = difference.as_content_primitive()
    turned = bool(content.is_negative)
    if rest.could_extract_minus_sign():
        return -rest, not turned
    return rest, turned


def pairs(node: Expr) -> Iterator[tuple[Expr, Expr]]:
    """Return what Max and Min compare, two at a time from the left: (all before, next)."""
    before = node.args[0]
    for argument in node.args[1:]:
        yield before, argument
        before = node.func(before, argument)


@dataclass(frozen=True)
class Switches:
    """The switching quantities of some expressions; the case is decided by whether each is positive.

    Attributes
    ----------
    quantities : tuple of Expr
    """

    quantities: tuple[Expr, ...] = ()

    def place(self, difference: Expr) -> tuple[int, bool] | None:
        """Return the number of the quantity that decides a sign, and whether it is turned round; None for none."""
        quantity, turned = normalised(difference)
        return (self.quantities.index(quantity), turned) if quantity in self.quantities else None


def find_switches(expressions: Sequence[Expr], varying: Iterable[Symbol]) -> Switches:
    """Return the quantities on whose signs the expressions depend, as far as they vary along a trajectory.

    Parameters
    ----------
    expressions : sequence of Expr
    varying : iterable of Symbol
        States and time.

    Examples
    --------
    >>> from sympy import Integer, Max, Symbol
    >>> x, a = Symbol("x"), Symbol("a")
    >>> find_switches([Max(Integer(0), a - x), Max(a, Integer(0))], [x]).quantities
    (a - x,)
    """
    moving, found = frozenset(varying), dict[Expr, None]()
    for expression in expressions:
        for node in preorder_traversal(expression):
            if isinstance(node, Max | Min):
                differences = [a - b for a, b in pairs(node)]
            elif isinstance(node, Relational) and not isinstance(node, Equality | Unequality):
                differences = [node.lhs - node.rhs]
            elif isinstance(node, Abs | sign | Heaviside):
                differences = [node.args[0]]
            else:
                continue
            found.update((normalised(d)[0], None) for d in differences if d.free_symbols & moving)
    return Switches(tuple(found))


def has_switches(expression: Expr) -> bool:
    """Whether the expression has cases."""
    return bool(expression.has(Max, Min, Piecewise, Abs, sign, Heaviside))
