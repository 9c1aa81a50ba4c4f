"""What a text of the model language may cost, so that no text can stall or exhaust the program that reads it."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from sympy import Expr, Mul, Rational, preorder_traversal

__all__ = ["LARGEST_EXPONENT", "MODEL", "MOST_ABSOLUTE", "MOST_COMPARED", "MOST_CONDITIONS", "MOST_ROOT_BITS", "RESULT",
           "Budget", "bits", "constant_bits", "size", "towers"]


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
# SymPy compares the arguments of max and min pair by pair, 0.1 to 0.5 ms for each part of a pair: a few seconds
MOST_COMPARED = 10_000
# and takes the conditions of 'and' and 'or' pair by pair, a microsecond for each: a second or two
MOST_CONDITIONS = 1000
# and looks for the prime factors of a number under a root: a tenth of a second; eight seconds for four times the bits
MOST_ROOT_BITS = 2048


def bits(number: Rational) -> int:
    """Size of numerator or denominator, whichever is larger."""
    return max(abs(number.p).bit_length(), number.q.bit_length())


def constant_bits(expression: Expr) -> float:
    """Size of the constant factors of a product: only they are raised to a power, or searched for roots, at once."""
    constants = [factor for factor in Mul.make_args(expression) if not factor.free_symbols]
    return sum(math.log2(max(abs(n.p), n.q, 1)) for factor in constants for n in factor.atoms(Rational))


def size(expression: Expr) -> int:
    """Count the numbers, names and operations of an expression."""
    return sum(1 for _ in preorder_traversal(expression))


@functools.lru_cache(maxsize=4096)
def towers(expression: Expr) -> int:
    """Nesting depth of functions and non-rational powers."""
    inner = max((towers(argument) for argument in expression.args), default=0)
    return inner + (1 if expression.is_Function or (expression.is_Pow and not expression.exp.is_Rational) else 0)
