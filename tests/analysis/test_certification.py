"""Certificates against published sets of roots, constructed systems, and what must stay undecided."""

import importlib.util
import math
import random
from pathlib import Path

import pytest

import dynamics as dy
from dynamics.errors import DerivationError, SpecificationError

_SPEC = importlib.util.spec_from_file_location(
    "interval_roots", Path(__file__).parents[1] / "reference" / "interval_roots.py")
reference = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reference)

CORE_BOX = {"price_gap": (-10, 2), "equity_ratio": (-0.05, 1), "liquidation_flow": (0, 25)}


def flow(equations, time_kind="continuous", states=None, **more):
    return dy.System(name="case", time=time_kind, states=states or dict.fromkeys(equations, 0), equations=equations, **more)


def certify(equations, box, **options):
    return dy.certified_fixed_points(flow(equations), box=box, **options)


def points(certificate):
    return [tuple(box.values.values()) for box in certificate.unique]


def holds(box, values):
    return all(low <= v <= high for (low, high), v in zip(box.bounds.values(), values, strict=True))


# ---- published sets of roots ------------------------------------------------------------------------------------------

def test_a_wave_on_a_parabola():
    certificate = certify(reference.WAVE["equations"], reference.WAVE["box"])
    assert certificate.status == "complete"
    assert [p[0] for p in points(certificate)] == pytest.approx(reference.WAVE["roots"], abs=1e-5)


def test_a_double_root_is_undecided():
    certificate = certify(reference.DOUBLE_ROOT["equations"], reference.DOUBLE_ROOT["box"])
    box, = certificate.boxes
    assert (certificate.status, box.status) == ("undecided", "undecided")
    assert box.bounds["x"][0] <= reference.DOUBLE_ROOT["root"] <= box.bounds["x"][1]
    assert box.bounds["x"][1] - box.bounds["x"][0] < 1e-5


def test_smiley_and_chun_2_2():
    certificate = certify(reference.SMILEY_22["equations"], reference.SMILEY_22["box"])
    assert certificate.status == "complete"
    assert len(certificate.unique) == reference.SMILEY_22["count"]
    assert certificate.agrees_with_exact is True
    for root in reference.SMILEY_22["some"]:
        assert any(p == pytest.approx(root, abs=5e-4) for p in points(certificate))


def smiley_52():
    def number(v):
        return f"({v!r})"

    planes = []
    for i in range(1, 4):
        angle = i * math.pi / 3
        v = -(0.5 * math.cos(angle) + 0.5 * math.sin(angle))
        c = 0.5 * math.sin(angle) - 0.5 * math.cos(angle)
        planes.append(f"({number(0.5 * v - math.sin(angle))}*x + {number(math.cos(angle) - 0.5 * v)}*y + {number(c)}*z "
                      f"- {number(0.2 * c)})")
    square = "x**2 + y**2 + z**2"
    return {"x": f"({square} - 1)*({square} - 4)", "y": "(0.5*x + 0.5*y + z - 0.2)*(0.5*x + 0.5*y + z + 0.7)",
            "z": "*".join(planes)}


@pytest.mark.slow
def test_smiley_and_chun_5_2():
    certificate = certify(smiley_52(), dict.fromkeys("xyz", (-3, 3)))
    assert certificate.status == "complete"
    assert len(certificate.unique) == 24
    for found, known in zip(sorted(points(certificate)), sorted(reference.SMILEY_52), strict=True):
        assert found == pytest.approx(known, abs=2e-6)


# ---- constructed systems: none lost, none invented --------------------------------------------------------------------

def constructed(seed):
    """A product of lines in x, and y on a curve over x: every root is known."""
    generator = random.Random(seed)
    abscissas = sorted(generator.sample(range(-19, 20), generator.randint(1, 4)))
    ordinates = sorted(generator.sample(range(-7, 8), generator.randint(1, 2)))
    slope, bend = generator.randint(-3, 3), generator.randint(-2, 2)
    x_factors = "*".join(f"(x - {a}/10)" for a in abscissas)
    y_factors = "*".join(f"(y - {b}/10 - {slope}*x - {bend}*x**2)" for b in ordinates)
    roots = [(a / 10, b / 10 + slope * a / 10 + bend * (a / 10) ** 2) for a in abscissas for b in ordinates]
    mixed = generator.randint(1, 3)
    # mixing rows keeps the roots and hides the structure
    return {"x": f"{x_factors} + {mixed}*{y_factors}", "y": f"{y_factors}*(2 + x**2) - {x_factors}"}, roots, mixed


@pytest.mark.parametrize("seed", [*range(1, 9), *(pytest.param(k, marks=pytest.mark.slow) for k in (0, *range(9, 25)))])
def test_none_lost_and_none_invented(seed):
    equations, roots, _ = constructed(seed)
    certificate = certify(equations, {"x": (-2.05, 2.05), "y": (-3.03, 3.03)})
    # A = x_factors, B = y_factors: A + m B = 0 and B (2 + x**2) = A give B (2 + x**2 + m) = 0, so A = B = 0
    expected = sorted(r for r in roots if abs(r[1]) < 3.03)
    assert certificate.status in ("complete", "none")
    assert len(certificate.unique) == len(expected)
    for found, known in zip(sorted(points(certificate)), expected, strict=True):
        assert found == pytest.approx(known, abs=1e-14)


# ---- the core model ---------------------------------------------------------------------------------------------------

def test_the_core_model_has_exactly_two_fixed_points():
    system = dy.models.load("deleveraging")
    certificate = dy.certified_fixed_points(system, box=CORE_BOX)
    assert certificate.status == "complete"
    assert certificate.agrees_with_exact is True
    assert certificate.statement == "There are exactly 2 fixed points in the box."
    saddle, ordinary = certificate.unique
    # u = 0: x = -eta (Q + theta)/kappa, q = Q
    assert saddle.digits == {"price_gap": "-6.15", "equity_ratio": "0", "liquidation_flow": "20"}
    assert {n: v for n, v in ordinary.digits.items() if n != "liquidation_flow"} == {"price_gap": "0", "equity_ratio": "0.2"}
    assert max(b.radius for b in certificate.unique) < 1e-29


def test_declared_bounds_are_the_default_box_and_may_be_unbounded():
    certificate = dy.certified_fixed_points(dy.models.load("deleveraging"))
    assert certificate.search_box["price_gap"] == (-math.inf, math.inf)
    assert len(certificate.unique) == 2
    assert not certificate.undecided
    assert {b.remark for b in certificate.unique} == {"on the edge of the search box"}


def test_a_border_collision_is_undecided():
    # target leverage 20 = 1/maintenance margin: the ordinary point lies on the border
    certificate = dy.certified_fixed_points(dy.models.load("deleveraging"), {"target_leverage": 20},
                                            {**CORE_BOX, "equity_ratio": (0.01, 1)})
    assert not certificate.unique
    assert any(holds(box, (0, 0.05, 0)) for box in certificate.undecided)
    assert certificate.agrees_with_exact is True


# ---- what must stay undecided, and what must not ----------------------------------------------------------------------

def test_poles_are_no_roots():
    certificate = certify({"x": "1/x - 1 + x/7"}, {"x": (-10, 10)})
    roots = sorted((7 - s * math.sqrt(21)) / 2 for s in (1, -1))
    assert [p[0] for p in points(certificate)] == pytest.approx(roots, abs=1e-14)
    assert certificate.status == "complete"
    assert certify({"x": "1/(x**2 - 2)"}, {"x": (-3, 3)}).status == "none"
    # numerator and denominator vanish together at (0, 0), where the field is not defined
    both = certify({"x": "x/y - 2*x", "y": "y - x**2"}, {"x": (-1, 1), "y": (-1, 1)})
    assert [p for p in points(both) if abs(p[1]) < 1e-6] == []
    assert sorted(abs(p[0]) for p in points(both)) == pytest.approx([math.sqrt(0.5)] * 2)
    assert any(holds(box, (0, 0)) for box in both.undecided)


def test_an_empty_box_is_proved_empty():
    certificate = certify({"x": "x**2 + 1e-6"}, {"x": (-1, 1)})
    assert (certificate.status, certificate.boxes) == ("none", ())
    assert certificate.statement == "There is no fixed point in the box."
    assert certificate.agrees_with_exact is True
    assert certify({"x": "x - 3"}, {"x": (-1, 1)}).status == "none"
    assert certify({"x": "sqrt(x) + 1"}, {"x": (-4, -1)}).status == "none"


@pytest.mark.parametrize(("text", "bounds", "roots"), [
    ("x**3 - 1000*x", (None, None), [-math.sqrt(1000), 0, math.sqrt(1000)]),
    ("exp(-x) - x/2", (0, None), [0.8526055020137255]),
    ("exp(x) - 2 - x", (None, 1), [-1.8414056604369607]),
    ("x - 1e6", (0, math.inf), [1e6]),
    ("tanh(x) - x/3", (None, None), [-2.984704585, 0, 2.984704585]),
    ("1 + exp(-x**2)", (None, None), []),
])
def test_unbounded_axes(text, bounds, roots):
    certificate = certify({"x": text}, {"x": bounds})
    assert [p[0] for p in points(certificate)] == pytest.approx(roots, rel=1e-9, abs=1e-30)
    assert not certificate.undecided


def test_roots_of_the_compactified_equations_beyond_infinity_are_none():
    # x = -1000 has a coordinate beyond the end that stands for infinity
    certificate = certify({"x": "(x - 1)*(x + 1000)"}, {"x": (0, None)})
    assert points(certificate) == [(1.0,)]
    assert not certificate.undecided
    at_infinity = certify({"x": "1/(1 + x)"}, {"x": (0, None)})
    assert not at_infinity.unique
    assert all(box.bounds["x"][0] > 1e6 for box in at_infinity.undecided)


def test_all_of_space():
    # Lorenz (1963): x = y = +-sqrt(8/3 (28 - 1)), z = 27
    certificate = certify({"x": "10*(y - x)", "y": "x*(28 - z) - y", "z": "x*y - 8*z/3"}, dict.fromkeys("xyz", (None, None)))
    root = math.sqrt(72)
    assert points(certificate) == [pytest.approx(p, abs=1e-14) for p in ((-root, -root, 27), (0, 0, 0), (root, root, 27))]
    assert certificate.status == "complete"


def test_multiple_roots_in_the_plane_and_lines_of_roots():
    certificate = certify({"x": "x**2 - y", "y": "y*(x - 1)"}, {"x": (-2, 2), "y": (-2, 2)})
    assert points(certificate) == [pytest.approx((1, 1))]
    assert any(holds(box, (0, 0)) for box in certificate.undecided)
    line = certify({"x": "x - y", "y": "y - x"}, {"x": (-1, 1), "y": (-1, 1)}, most_boxes=2000)
    assert not line.unique
    assert all(any(holds(box, (t / 10, t / 10)) for box in line.undecided) for t in range(-10, 11))
    assert "raise most_boxes" in line.message
    assert line.agrees_with_exact is None


def test_kinks_and_cases():
    certificate = certify({"x": "abs(x) - 1 + max(0, x - 2)"}, {"x": (-3, 3)})
    assert points(certificate) == [pytest.approx((-1,)), pytest.approx((1,))]
    jump = certify({"x": "1 if x < 0.5 else -1"}, {"x": (-3, 3)})
    assert not jump.unique
    assert all(holds(box, (0.5,)) for box in jump.undecided)
    edge = certify({"x": "max(x, 2*x)"}, {"x": (-1, 1.5)})
    assert not edge.unique
    assert any(holds(box, (0,)) for box in edge.undecided)
    cases = certify({"x": "x - 1 if x > 0 else x + 2"}, {"x": (-3, 3)})
    assert points(cases) == [pytest.approx((-2,)), pytest.approx((1,))]


def test_roots_on_the_edge_and_just_outside():
    inside = certify({"x": "(x - 1)*(x + 1)"}, {"x": (-1, 0.5)})
    assert points(inside) == [(-1.0,)]
    assert inside.boxes[0].remark == "on the edge of the search box"
    outside = certify({"x": "x - 1"}, {"x": (0, "0.999999999999")})
    assert outside.status == "none"


def test_maps_have_fixed_points_where_the_next_value_is_the_same():
    logistic = flow({"x": "3.2*x*(1 - x)"}, "discrete")
    certificate = dy.certified_fixed_points(logistic, box={"x": (-1, 2)})
    assert [p[0] for p in points(certificate)] == pytest.approx([0, 0.6875], abs=1e-30)
    assert certificate.agrees_with_exact is True


def test_thirty_digits():
    box, = certify({"x": "x**2 - 2"}, {"x": (0, 3)}).boxes
    assert box.digits["x"] == "1.41421356237309504880168872421"
    omega, = certify({"x": "x*exp(x) - 1"}, {"x": (0, 3)}).boxes
    assert omega.digits["x"] == "0.56714329040978387299996866221"
    assert omega.radius < 1e-29


# ---- agreement, table, refusals ---------------------------------------------------------------------------------------

def test_disagreement_is_said(monkeypatch):
    from dynamics.analysis import certification

    real = certification.fixed_points
    system = flow({"x": "x**2 - 1"})
    assert dy.certified_fixed_points(system, box={"x": (-2, 2)}).agrees_with_exact is True
    monkeypatch.setattr(certification, "fixed_points", lambda s, **k: list(real(s, **k))[:1])
    one = dy.certified_fixed_points(system, box={"x": (-2, 2)})
    assert one.agrees_with_exact is False
    assert "does not give the certified point" in one.message
    monkeypatch.setattr(certification, "fixed_points", lambda s, **k: real(flow({"x": "(x**2 - 1)*(x - 0.5)"}), **k))
    assert "lies in no certified box" in dy.certified_fixed_points(system, box={"x": (-2, 2)}).message


@pytest.mark.parametrize("suffix", [".json", ".nc"])
def test_table_and_files(suffix, tmp_path):
    certificate = certify({"x": "x**2*(x - 1)"}, {"x": (-2, 2)})
    table = certificate.table
    assert table["status"].values.tolist() == ["unique", "undecided"]
    assert table["digits_x"].values.tolist() == ["1", ""]
    assert table["lower_x"].values[1] <= 0 <= table["upper_x"].values[1]
    assert dy.open(dy.save(certificate, tmp_path / f"c{suffix}")) == certificate
    assert "There is exactly 1 fixed point in the box outside 1 undecided box." in repr(certificate)


def test_refusals():
    with pytest.raises(DerivationError, match="depends on time"):
        dy.certified_fixed_points(flow({"x": "sin(time) - x"}))
    with pytest.raises(SpecificationError, match="'y' is not a state"):
        certify({"x": "x"}, {"y": (0, 1)})
    with pytest.raises(SpecificationError, match="is not below"):
        certify({"x": "x"}, {"x": (1, 1)})
    with pytest.raises(SpecificationError, match="needs a pair"):
        certify({"x": "x"}, {"x": 1})
    with pytest.raises(SpecificationError, match="smallest"):
        certify({"x": "x"}, {"x": (0, 1)}, smallest=0)
