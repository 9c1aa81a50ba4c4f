"""Where the formula of a field changes: the quantities whose signs decide between the cases of max, min and if.

A sign has three values: a quantity may be exactly zero, at a start on a border or in a region where it vanishes
identically, and then ``<=`` holds and ``<`` does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sympy import Abs, Expr, Function, Heaviside, Integer, Max, Min, Symbol, preorder_traversal, sign
from sympy.core.relational import Relational

__all__ = ["Switches", "compared", "find_switches", "gap", "normalised", "pairs"]


class gap(Function):
    """gap(a, b): a less b, each computed by itself, so that it is zero exactly where the two numbers are equal.

    A simplified difference is not: 100*x - 57 is no zero at x = 0.57, and x - 0.57 is.
    """

    nargs = 2


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
    """The switching quantities of some expressions; their signs decide the case.

    Attributes
    ----------
    quantities : tuple of Expr
        As they are computed: one side less the other.
    forms : tuple of (Expr, bool)
        One per quantity: what ``normalised`` makes of it, by which it is recognised.
    """

    quantities: tuple[Expr, ...] = ()
    forms: tuple[tuple[Expr, bool], ...] = ()

    def place(self, difference: Expr) -> tuple[int, bool] | None:
        """Return the number of the quantity that decides a sign, and whether it is turned round; None for none."""
        form, turned = normalised(difference)
        for number, (other, other_turned) in enumerate(self.forms):
            if form == other:
                return number, turned != other_turned
        return None


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
    moving, found = frozenset(varying), dict[Expr, tuple[Expr, bool]]()
    for expression in expressions:
        for node in preorder_traversal(expression):
            for one, other in compared(node):
                if not (one - other).free_symbols & moving:
                    continue
                form, turned = normalised(one - other)
                found.setdefault(form, _quantity(one, other, turned))
    return Switches(tuple(q for q, _ in found.values()), tuple((f, turned) for f, (_, turned) in found.items()))


def compared(node: Expr) -> list[tuple[Expr, Expr]]:
    """Return the pairs of which a node needs to know the larger."""
    if isinstance(node, Max | Min):
        return list(pairs(node))
    if isinstance(node, Relational):
        return [(node.lhs, node.rhs)]
    if isinstance(node, Abs | sign | Heaviside):
        return [(node.args[0], Integer(0))]
    return []


def _quantity(one: Expr, other: Expr, turned: bool) -> tuple[Expr, bool]:
    """Return one less other, or what is left where a side is zero, and whether that is turned round."""
    if other.is_zero:
        return one, turned
    if one.is_zero:
        return other, not turned
    return gap(one, other), turned
