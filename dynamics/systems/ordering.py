"""The order in which definitions can be evaluated, whatever the order in which they were written."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from sympy import Expr

from dynamics.errors import SpecificationError

__all__ = ["evaluation_order"]


def evaluation_order(expressions: Mapping[str, Expr]) -> list[str]:
    """Return the names so that each comes after those its expression uses.

    Raises
    ------
    SpecificationError
        If something is defined through itself; the message shows the path.
    """
    needs = {name: sorted(s.name for s in e.free_symbols if s.name in expressions) for name, e in expressions.items()}
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        # graphlib names the one needed first; the reader follows from the one that needs
        cycle = list(reversed(error.args[1]))[:-1]
        start = cycle.index(min(cycle, key=list(expressions).index))
        path = [*cycle[start:], *cycle[:start], cycle[start]]
        raise SpecificationError(f"{path[0]}: defined through itself: {' -> '.join(path)}") from None
