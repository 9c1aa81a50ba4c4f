"""What a text of the model language may cost, so that no text can stall or exhaust the program that reads it."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from sympy import Expr, Rational

__all__ = ["LARGEST_EXPONENT", "MODEL", "MOST_ABSOLUTE", "RESULT", "Budget", "bits", "towers"]


@dataclass(frozen=True)
class Budget:
    """What a text may cost: characters, syntax nodes, nesting of brackets, bits of a folded number."""

    characters: int
    nodes: int
    depth: int
    bits: int


MODEL, RESULT = Budget(2000, 500, 50, 512), Budget(500_000, 100_000, 200, 8192)
# |z| is max(z, -z) and so doubles its argument: nested n deep it would be 2**n large
LARGEST_EXPONENT, MOST_ABSOLUTE = 1000, 3


def bits(number: Rational) -> int:
    """Size of numerator or denominator, whichever is larger."""
    return max(abs(number.p).bit_length(), number.q.bit_length())


@functools.lru_cache(maxsize=4096)
def towers(expression: Expr) -> int:
    """Nesting depth of functions and non-rational powers."""
    inner = max((towers(argument) for argument in expression.args), default=0)
    return inner + (1 if expression.is_Function or (expression.is_Pow and not expression.exp.is_Rational) else 0)
