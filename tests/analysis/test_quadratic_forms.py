"""Solutions of Lyapunov's equation, put back into it."""

from __future__ import annotations

import numpy as np
import pytest

from dynamics.analysis.quadratic_forms import LARGEST_SOLVED, form_of, pull


@pytest.mark.parametrize("size", [LARGEST_SOLVED, LARGEST_SOLVED + 1])
def test_forms_solve_the_equation_of_lyapunov(size: int) -> None:
    g = np.random.default_rng(size)
    matrix = g.standard_normal((5, size, size)) - 2 * size * np.eye(size)
    form = form_of(matrix)
    left = matrix.transpose(0, 2, 1) @ form + form @ matrix
    np.testing.assert_allclose(left, np.broadcast_to(-np.eye(size), left.shape), atol=1e-10)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_closed_forms_of_few_states_are_those_of_the_equation(size: int) -> None:
    g = np.random.default_rng(size)
    matrix = g.standard_normal((size, size, 50)) - 2 * size * np.eye(size)[:, :, None]
    away = g.standard_normal((size, 50))
    expected = np.einsum("kij,jk->ik", form_of(matrix.transpose(2, 0, 1)), away)
    np.testing.assert_allclose(pull(matrix, away), expected, rtol=1e-9, atol=1e-12)
