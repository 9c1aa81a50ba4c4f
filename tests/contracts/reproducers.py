"""The smallest system that still disagrees: parts of a random system are left out as long as it does."""

from __future__ import annotations

import ast
import copy
import pprint
from collections.abc import Iterator

from engine_comparison import compared
from random_systems import RandomSystem

from dynamics.errors import DynamicsError

MOST_TRIALS = 80


def smallest(system: RandomSystem, lane: int, engine: str) -> RandomSystem:
    """Return a system that disagrees in the same engine and from which nothing can be left out."""
    best = copy.deepcopy(system)
    best.starts, best.values = [system.starts[lane]], [system.values[lane]]
    if not _disagrees(best, engine):
        return system
    trials, again = 0, True
    while again:
        again = False
        for candidate in _smaller(best):
            trials += 1
            if trials > MOST_TRIALS:
                return best
            if _disagrees(candidate, engine):
                best, again = candidate, True
                break
    return best


def text_of(system: RandomSystem) -> str:
    """Return the system as Python, to be copied into a test."""
    shown = {**system.parts, "starts": system.starts, "values": system.values, "shock": system.shock}
    return f"random system {system.number}:\n" + pprint.pformat(shown, width=118, sort_dicts=False)


def _disagrees(system: RandomSystem, engine: str) -> bool:
    try:
        found = compared(system, (engine,))
    except (DynamicsError, ArithmeticError, ValueError, TypeError, NameError, KeyError):
        return False  # what was left out was needed
    return any(name == engine and not why for _, name, _, why in found)


def _smaller(system: RandomSystem) -> Iterator[RandomSystem]:
    if system.shock is not None:
        made = copy.deepcopy(system)
        made.shock = None
        made.parts.pop("shocks")
        yield made
    for name in system.parts["events"]:
        made = copy.deepcopy(system)
        made.parts["events"].pop(name)
        yield made
    for kind in ("equations", "definitions"):
        for name, text in system.parts[kind].items():
            for shorter in _shorter(text):
                made = copy.deepcopy(system)
                made.parts[kind][name] = shorter
                yield made


def _shorter(text: str) -> list[str]:
    """The text with one of its parts replaced by what stands inside it, or by zero; the shortest first."""
    tree = ast.parse(text, mode="eval")
    nodes = [n for n in ast.walk(tree.body) if isinstance(n, ast.BinOp | ast.Call | ast.IfExp | ast.UnaryOp)]
    found = {"0"} if text != "0" else set()
    for number, node in enumerate(nodes):
        for child in ast.iter_child_nodes(node):
            called = child is getattr(node, "func", None)
            if isinstance(child, ast.expr) and not isinstance(child, ast.Compare) and not called:
                found.add(_replaced(text, number, ast.unparse(child)))
    return sorted(found, key=len)


def _replaced(text: str, number: int, by: str) -> str:
    tree = ast.parse(text, mode="eval")
    nodes = [n for n in ast.walk(tree.body) if isinstance(n, ast.BinOp | ast.Call | ast.IfExp | ast.UnaryOp)]
    target, new = nodes[number], ast.parse(by, mode="eval").body

    class Put(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return new if node is target else self.generic_visit(node)

    return ast.unparse(Put().visit(tree))
