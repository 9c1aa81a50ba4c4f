"""How a System shows itself."""

from xml.etree import ElementTree

import pytest

import dynamics as dy


@pytest.fixture(params=["deleveraging", "liquidation_cascade"])
def model(request):
    return dy.models.load(request.param)


def test_html_is_well_formed_and_has_every_equation(model):
    tree = ElementTree.fromstring(model._repr_html_())
    formulas = tree.findall(".//{http://www.w3.org/1998/Math/MathML}math")
    lines = len(model.definitions) + len(model.equations)
    equations, values = tree.findall("table")
    assert len(equations.findall("tr")) == lines
    assert len(values.findall("tbody/tr")) == len(model.states) + len(model.parameters)
    assert len(formulas) == 2 * lines + len(model.states) + len(model.parameters)
    text = "".join(tree.itertext())
    for name, part in model.parameters.items():
        assert name in text
        assert part.meaning in text


def test_html_of_everything_is_well_formed(everything):
    tree = ElementTree.fromstring(everything._repr_html_())
    assert 'everything: "quoted" \\ text, über' in "".join(tree.itertext())


def test_html_escapes_what_was_written():
    nasty = "<script>alert('&')</script>"
    system = dy.System(name=nasty, states={"u": dy.State(1, meaning=nasty)}, equations={"u": "-u"})
    tree = ElementTree.fromstring(system._repr_html_())
    assert not tree.findall(".//script")
    assert "".join(tree.itertext()).count(nasty) == 2


def test_latex_uses_the_declared_symbols(model):
    latex = model.latex()
    assert latex.startswith("\\begin{aligned}")
    assert latex.count("&=") == len(model.definitions) + len(model.equations)
    assert latex.count("{") == latex.count("}")
    assert model._repr_latex_() == f"$\\displaystyle {latex}$"
    core = dy.models.load("deleveraging").latex()
    assert r"\frac{d x}{dt} &=" in core
    assert r"\lambda^{*}" in core
    assert "_{\\mathrm{next}}" in dy.models.load("liquidation_cascade").latex()


def test_matplotlib_reads_every_line_of_the_latex(model):
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("agg")
    for line in model.latex().splitlines()[1:-1]:
        parser.parse(f"${line.removesuffix(chr(92) * 2).replace('&=', '=')}$")


def test_repr_has_equations_and_values(model, everything):
    shown = repr(model)
    assert model.name in shown
    for name, value in model.parameter_values.items():
        assert f"{name}={value:.6g}" in shown
    assert "d equity_ratio/dt = " in repr(dy.models.load("deleveraging"))
    assert "next fall = " in repr(dy.models.load("liquidation_cascade"))
    assert "holdings=<3 entries>" in repr(everything)
