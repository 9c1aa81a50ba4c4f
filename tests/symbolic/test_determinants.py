import random

import pytest
from sympy import QQ, Matrix
from sympy.polys.rings import ring

from dynamics.symbolic.determinants import determinant, determinant_of_named

OVER, A, B, C = ring("a, b, c", QQ)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 13])
def test_the_determinant_is_that_of_elimination(size):
    generator = random.Random(size)
    for _ in range(5):
        # mostly zeros, in any row, so that rows are taken in another order than given
        numbers = [[generator.choice([0, 0, generator.randint(-9, 9)]) for _ in range(size)] for _ in range(size)]
        assert determinant([[OVER(n) for n in row] for row in numbers], OVER) == Matrix(numbers).det()


def test_polynomials_multiply_out_and_named_entries_do_not():
    rows = [[A + B, A, OVER(0)], [OVER(1), A + B, C], [OVER(0), OVER(1), A + B]]
    whole = determinant(rows, OVER)
    assert whole.as_expr() == Matrix([[item.as_expr() for item in row] for row in rows]).det().expand()
    short = determinant_of_named(rows, lambda item: item.as_expr())
    assert short.expand() == whole.as_expr()
    assert short.count_ops() < whole.as_expr().count_ops()
