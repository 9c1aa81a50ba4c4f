import pytest
from sympy import Integer, Max, Rational, Symbol, cancel, exp, log, sqrt, tanh

from dynamics.errors import DerivationError
from dynamics.symbolic import elimination
from dynamics.symbolic.elimination import solve_system

x, y, z, a, b, c, n = (Symbol(name) for name in ("x", "y", "z", "a", "b", "c", "n"))
POSITIVE = (Integer(0), None)
BOUNDS = {a: POSITIVE, b: POSITIVE, c: POSITIVE, n: POSITIVE}


def values_of(equations, unknowns, bounds=BOUNDS):
    return [item.values for item in solve_system(equations, unknowns, bounds=bounds)]


def test_lorenz():
    r, s = Symbol("r"), Symbol("s")
    found = values_of(
        [s * (y - x), x * (r - z) - y, x * y - b * z], [x, y, z], {r: (1, None), s: POSITIVE, b: POSITIVE}
    )
    assert len(found) == 3
    assert {x: 0, y: 0, z: 0} in found
    for solution in found:
        assert cancel(solution[x] ** 2 - b * (r - 1)).expand() in (0, (-b * (r - 1)).expand())
    # below r = 1 the pair is complex
    assert (
        len(values_of([s * (y - x), x * (r - z) - y, x * y - b * z], [x, y, z], {r: (0, 1), s: POSITIVE, b: POSITIVE}))
        == 1
    )


def test_rosenzweig_macarthur():
    r, k, m, h = (Symbol(name) for name in "rkmh")
    bounds = dict.fromkeys((r, k, m, h, a, b), POSITIVE)
    growth = a * x / (1 + a * h * x)
    found = values_of([r * x * (1 - x / k) - growth * y, y * (b * growth - m)], [x, y], bounds)
    assert len(found) == 3
    inner = next(item for item in found if item[y] != 0)
    assert cancel(inner[x] - m / (a * (b - h * m))) == 0
    prey = m / (a * (b - h * m))
    assert cancel(inner[y] - r * (1 - prey / k) * (1 + a * h * prey) / a) == 0


def test_denominators_are_respected():
    assert values_of([(x**2 - 1) / (x - 1)], [x]) == [{x: -1}]
    assert values_of([x / (x * (x - a))], [x]) == []
    (solution,) = solve_system([a * x / (x - b) - 1], [x], bounds={})
    assert cancel(solution.values[x] + b / (a - 1)) == 0
    assert a - 1 in solution.nonzero


def test_line_of_equilibria():
    (solution,) = solve_system([x * y, x * (y - 1)], [x, y])
    assert solution.values == {x: 0, y: y}
    assert solution.free == (y,)


def test_conserved_quantity_gives_a_family():
    (solution,) = solve_system([a * x - b * y, b * y - a * x], [x, y], bounds=BOUNDS)
    assert len(solution.free) == 1
    assert cancel(a * solution.values[x] - b * solution.values[y]) == 0


def test_inconsistent():
    assert values_of([x - a, x - b], [x]) == []
    assert values_of([x**2 + a], [x]) == []


def test_powers_and_roots():
    assert values_of([x**3 - a], [x]) == [{x: a ** Rational(1, 3)}]
    assert values_of([x**3 + a], [x]) == [{x: -(a ** Rational(1, 3))}]
    (odd,) = values_of([x**3 - a], [x], {})
    assert odd[x].xreplace({a: Integer(-8)}) == -2
    biquadratic = values_of([x**4 - 5 * x**2 + 4], [x])
    assert {item[x] for item in biquadratic} == {-2, -1, 1, 2}
    # a square of a radical: one double root
    assert values_of([x**2 - 2 * sqrt(a) * x + a], [x]) == [{x: sqrt(a)}]


@pytest.mark.parametrize(
    ("equation", "expected"),
    [
        (exp(2 * x) - a * exp(x), log(a)),
        (exp(-x / b) - c, -b * log(c)),
        (log(x / b) - a, b * exp(a)),
        (a * x**n - b, (b / a) ** (1 / n)),
        (log(1 + exp(x)) - a, log(exp(a) - 1)),
        (2**x - a, log(a) / log(2)),
    ],
)
def test_kernels(equation, expected):
    (solution,) = values_of([equation], [x])
    at = {a: Rational(7, 5), b: Rational(3, 4), c: Rational(5, 2), n: Rational(3)}
    assert abs((solution[x] - expected).xreplace(at).evalf(30)) < 1e-25


def test_square_roots_of_unknowns():
    assert values_of([a * sqrt(x) - b * x], [x]) == [{x: 0}, {x: a**2 / b**2}]
    # sqrt(x) = -1 has no solution although x = 1 solves its square
    assert values_of([sqrt(x) + 1], [x]) == []


def test_square_roots_of_opposite_sign_are_both_zero():
    # neither root can be negative: what remains of the line x = a*y is its end
    assert values_of([sqrt(x + y) + sqrt(x + 2 * y), x - a * y], [x, y]) == [{x: 0, y: 0}]
    assert values_of([sqrt(x + y) + 2 * sqrt(x * y + y**2 + x), x - a * y], [x, y]) == [{x: 0, y: 0}]
    # where both vanish the other equation does not hold
    assert values_of([sqrt(x + y - 1) + sqrt(x + 2 * y - a), x - b * y], [x, y]) == []


def test_roots_of_parameters_come_out_plain():
    found = values_of([sqrt(1 / (a / x**2 + (1 - a) * b / (c - x) ** 2)) - x, y - sqrt(b) * x], [x, y],
                      BOUNDS | {a: (0, 1), b: (0, 1)})
    expected = {c / (1 + sqrt(b)), c / (1 - sqrt(b))}
    assert len(found) == 2
    assert all(any(cancel(solution[x] - value) == 0 for solution in found) for value in expected)
    assert all(cancel(solution[y] - sqrt(b) * solution[x]) == 0 for solution in found)


def test_ricker_map():
    found = values_of([x * exp(a - b * x) - x], [x])
    assert {x: 0} in found
    assert len(found) == 2
    assert {cancel(item[x]) for item in found} == {0, a / b}


def test_tanh():
    (solution,) = values_of([tanh(x) - a], [x], {a: (0, 1)})
    assert abs(tanh(solution[x]).xreplace({a: Rational(1, 3)}).evalf(30) - Rational(1, 3)) < 1e-25


def test_coupled_quadratics():
    found = values_of([x**2 + y**2 - 1, (x - a) ** 2 + y**2 - 1], [x, y], {a: (0, 2)})
    assert len(found) == 2
    for solution in found:
        assert cancel(solution[x] - a / 2) == 0
        assert (solution[y] ** 2 + a**2 / 4).expand() == 1
    assert len(values_of([x**2 + y**2 - 5, x * y - 2], [x, y])) == 4


@pytest.mark.parametrize(
    ("equations", "message"),
    [
        ([exp(x) - a * x], "transcendental"),
        ([x**3 + a * x + b], "degree 3"),
        ([Max(0, x) - a], "regimes"),
    ],
)
def test_no_closed_form_is_said(equations, message):
    with pytest.raises(DerivationError, match=message):
        solve_system(equations, [x])


def test_only_what_factors_with_numbers_is_factored_with_symbols(monkeypatch):
    many = sum(Symbol(f"p{k}") * (k + 1) for k in range(20))
    splits, whole = x * (exp(x) - many), exp(x) * y + many * x + 1
    asked = []
    real = elimination._open_factors
    monkeypatch.setattr(elimination, "_open_factors", lambda e, names: asked.append(e) or real(e, names))
    found = list(elimination._alternatives((splits, whole), (x, y)))
    assert found == [(x, whole), (many - exp(x), whole)]
    assert [e for e in asked if e.has(Symbol("p3"))] == [splits]


def test_factors_that_only_numbers_have_split_nothing():
    # x**2 - n**2 always factors, x**2 - n only where n is a square: numbers may ask in vain, never the other way round
    n = Symbol("n")
    open_pair = ((x**2 - n) + 0 * exp(y), exp(y) + y + n)
    assert list(elimination._alternatives(open_pair, (x, y))) == [open_pair]
    assert len(list(elimination._alternatives((x**2 - n**2, exp(y) + y), (x, y)))) == 2
