"""TOML both ways, and what happens to text that is no model."""

import functools
import itertools
import random
import tomllib

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from sympy import Rational

import dynamics as dy
from dynamics.systems import not_checking, toml_format

MINIMAL = """format_version = 1
[system]
name = "fold"
[states]
u = 0.1
[parameters.mu]
value = 1.0
[equations]
u = "mu - u**2"
"""


@pytest.fixture
def load_text(tmp_path):
    def load(text):
        path = tmp_path / "model.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return dy.load(path)

    return load


def compositions():
    mechanisms = {name: dy.mechanisms.load(name) for name in dy.mechanisms.names()}
    for name in dy.models.names():
        model = dy.models.load(name)
        if not isinstance(model, dy.System):
            continue
        yield model
        yield from (dy.compose(model, name) for name, mechanism in mechanisms.items()
                    if set(mechanism.requires) <= set(model.definitions)
                    # a model that has a mechanism built in does not get it twice
                    and not {*mechanism.provides, *getattr(mechanism, "excludes", {})} & set(model.symbols))
    yield dy.models.load("deleveraging", margin_call="hill")
    yield dy.models.load("liquidation_cascade", distances="loglogistic")


@pytest.mark.parametrize("system", list(compositions()), ids=lambda system: system.name)
def test_packaged_systems_come_back_equal(system, load_text):
    again = load_text(system.to_toml())
    assert again == system
    assert again.to_toml() == system.to_toml()
    assert again.field == system.field
    assert again.parameter_values == system.parameter_values
    assert again.initial_state() == system.initial_state()


def test_a_system_that_uses_everything_comes_back(everything, load_text):
    again = load_text(everything.to_toml())
    assert again == everything
    assert again.references == everything.references
    assert again.field == everything.field
    assert again._parsed == everything._parsed
    assert again.states["late_lag_1"].unit == "?"
    tomllib.loads(everything.to_toml())


def test_the_minimal_file(load_text):
    assert load_text(MINIMAL) == dy.System(name="fold", states={"u": 0.1}, parameters={"mu": 1},
                                           equations={"u": "mu - u**2"})
    assert load_text(b"\xef\xbb\xbf" + MINIMAL.encode()).name == "fold"
    assert load_text(MINIMAL.replace("\n", "\r\n")).name == "fold"


def test_canonical_text_is_written_exactly():
    system = dy.System(name="fold", states={"u": dy.State("mu/3", bounds=(0, None))}, parameters={"mu": "1/3"},
                       equations={"u": "mu-u^2".replace("^", "**")}, events={"e": "u - 0.5"})
    assert system.to_toml() == """format_version = 1

[system]
name = "fold"
time = "continuous"
time_unit = "1"

[states.u]
initial = "mu/3"
bounds = [0, "inf"]

[parameters.mu]
value = "1/3"

[equations]
u = "mu - u**2"

[events.e]
expression = "u - 1/2"
"""


# ---- systems made at random -----------------------------------------------------------------------------------------

NAMES = ("x", "y2", "E", "beta", "lambda_", "q_e")
numbers = st.one_of(st.integers(-10**20, 10**20), st.fractions(max_denominator=10**6).map(lambda f: Rational(f)),
                    st.floats(-1e100, 1e100, allow_nan=False).filter(lambda v: v == 0 or abs(v) > 1e-100))
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
leaves = st.one_of(st.sampled_from(NAMES), st.integers(0, 9).map(str), st.just("0.25"))


def combine(inner):
    binary = st.tuples(inner, st.sampled_from([" + ", " - ", "*"]), inner).map(lambda t: f"({''.join(t)})")
    return st.one_of(
        binary, inner.map(lambda e: f"-{e}"), inner.map(lambda e: f"exp({e})"), inner.map(lambda e: f"({e})**2"),
        inner.map(lambda e: f"softplus({e}, 2)"), inner.map(lambda e: f"abs({e})"),
        st.tuples(inner, inner).map(lambda t: f"max({t[0]}, {t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"{t[0]}/(1 + ({t[1]})**2)"),
        st.tuples(inner, st.sampled_from(NAMES), inner).map(lambda t: f"({t[0]} if {t[1]} > 0 else {t[2]})"))


expressions = st.recursive(leaves, combine, max_leaves=6)
bounds = st.one_of(st.just((None, None)), st.tuples(st.none(), numbers), st.tuples(numbers, st.none()))


@st.composite
def systems(draw):
    order = draw(st.permutations(NAMES))
    states, parameters = order[:3], order[3:]
    make = functools.partial(
        dy.System,
        name=draw(texts.filter(str.strip)), time=draw(st.sampled_from(["continuous", "discrete"])),
        states={n: dy.State(draw(numbers), bounds=draw(bounds), meaning=draw(texts)) for n in states},
        parameters={n: dy.Parameter(draw(numbers), source=draw(texts)) for n in parameters},
        definitions={"d": draw(expressions)}, observables={"o": draw(expressions)},
        equations={n: draw(expressions) for n in states},
        events={"e": dy.Event(draw(expressions), draw(st.sampled_from(["falling", "both"])), draw(st.booleans()),
                              {states[0]: draw(expressions)})},
        shocks={"s": dy.Shock({states[1]: f"magnitude*{draw(leaves)}"}, meaning=draw(texts))},
        noise={"w": {states[2]: draw(expressions)}},
        references=(dy.Reference(draw(texts), draw(st.none() | st.integers(1900, 2100)), draw(texts)),))
    try:
        return make()
    except dy.SpecificationError as error:
        # towers such as exp(exp(3)) and quotients that are 0/0 are refused, and rightly
        assert "too large" in str(error) or "zero" in str(error) or "finite" in str(error), error  # noqa: PT017
        reject()


FEW = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=400)


@FEW
@given(systems())
def test_any_system_comes_back(system):
    comes_back(system)


@pytest.mark.slow
@MANY
@given(systems())
def test_any_of_many_systems_comes_back(system):
    comes_back(system)


def comes_back(system):
    again = dy.System(**toml_format.read(system.to_toml(), "text"))
    assert again == system
    assert again._parsed.equations == system._parsed.equations
    assert again._parsed.values == system._parsed.values


# ---- files that are no model ----------------------------------------------------------------------------------------

@pytest.mark.parametrize(("change", "said"), [
    (("format_version = 1\n", ""), "format_version: missing"),
    (("format_version = 1", "format_version = 2"), "2 is newer than this release understands (1)"),
    (("format_version = 1", "format_version = 0"), "format_version: must be the number 1"),
    (("format_version = 1", "format_version = true"), "format_version: must be the number 1"),
    (("format_version = 1", 'format_version = "1"'), "format_version: must be the number 1"),
    (('name = "fold"', ""), "system.name: missing"),
    (('name = "fold"', "name = 5"), "name: a system needs a name"),
    (('name = "fold"', 'name = "fold"\ntime = ["continuous"]'), "time: must be 'continuous'"),
    (('name = "fold"', 'name = "fold"\ntyme = "discrete"'), "Did you mean 'time'?"),
    (("[system]", "[sytem]"), "Did you mean 'system'?"),
    (("format_version = 1\n", "format_version = 1\nshocks = 5\n"), "shocks: must be a table, written [shocks]"),
    (("[states]", "[[states]]"), "states: must be a table"),
    (("u = 0.1", "u = true"), "states.u: must be a table"),
    (("u = 0.1", "u = [1, 2]"), "states.u: must be a table"),
    (("u = 0.1", "u = nan"), "nan is not finite"),
    (("u = 0.1", "u = -inf"), "-inf is not finite"),
    (("u = 0.1", "u = 2020-01-01"), "states.u"),
    (("u = 0.1", 'u = "1/mmu"'), "Did you mean 'mu'?"),
    (("u = 0.1", "u = {initial = 1, bounds = 5}"), "states.u.bounds"),
    (("u = 0.1", "u = {initial = 1, over = 5}"), "states.u.over"),
    (("u = 0.1", "u = {initial = 1, over = [[1]]}"), "states.u.over"),
    (("u = 0.1", "u = {initial = {a = 1}}"), "not a number"),
    (("u = 0.1", "u = {inital = 1}"), "Did you mean 'initial'?"),
    (("u = 0.1", "u = 0.1\nu = 0.2"), "not valid TOML"),
    (("value = 1.0", "valu = 1.0"), "parameters.mu.value: missing"),
    (("value = 1.0", "value = inf"), "inf is not finite"),
    (("value = 1.0", "value = [1]"), "not a number"),
    (("value = 1.0", f"value = 1{'0' * 400}"), "too large"),
    (("value = 1.0", f"value = 1{'0' * 9000}"), "not valid TOML"),
    (("value = 1.0", "value = 1.0\nunit = 3"), "parameters.mu.unit: must be a text"),
    (("value = 1.0", 'value = 1.0\nsparse = "no"'), "parameters.mu.sparse"),
    (("value = 1.0", "value = 1.0\nmeaning = 1979-05-27"), "parameters.mu.meaning: must be a text"),
    (('u = "mu - u**2"', ""), "equations.u: missing"),
    (('u = "mu - u**2"', "u = true"), "equations.u: must be an expression"),
    (('u = "mu - u**2"', "u = {a = 1}"), "equations.u: must be an expression"),
    (('u = "mu - u**2"', "u = nan"), "equations.u: nan is not finite"),
    (('u = "mu - u**2"', 'u = "__import__(1)"'), "equations.u, column 1"),
    (('u = "mu - u**2"', 'u = "' + "(" * 900 + '"'), "equations.u"),
    (("[equations]", '[definitions]\na = "b"\nb = "a"\n[equations]'), "a -> b -> a"),
    (("[equations]", "[measures]\nm = 5\n[equations]"), "measures.m: must be a table"),
    (("[equations]", '[measures.m]\nreduction = "max"\n[equations]'), "measures.m.expression: missing"),
    (("[equations]", '[events.e]\nexpression = "u"\nassign = 5\n[equations]'), "events.e.assign: must be a table"),
    (("[equations]", '[events.e]\nexpression = "u"\nterminal = 1\n[equations]'), "events.e.terminal"),
    (("[equations]", '[shocks.s]\nunit = "1"\n[equations]'), "shocks.s.assign: missing"),
    (("[equations]", '[jumps.j]\nrate = "1"\n[equations]'), "jumps.j.assign: missing"),
    (("[equations]", "[noise]\nw = 5\n[equations]"), "noise.w: must map"),
    (("[equations]", 'references = "book"\n[equations]'), "unknown key"),
    (("[equations]", "[references]\ntitle = 5\n[equations]"), "write each as a [[references]] table"),
    (("[equations]", '[[references]]\nyear = "1999"\n[equations]'), "references[0].year"),
    (("[equations]", "[[references]]\ntitle = [1]\n[equations]"), "references[0].title"),
    (("[equations]", "[indices]\nbank = 2.5\n[equations]"), "indices.bank"),
    (("[equations]", '[indices]\nbank = 2\n[parameters.A]\nvalue = [[0, "x", 1]]\nover = ["bank", "bank"]\n'
      "sparse = true\n[equations]"), "parameters.A.value[0]"),
    (("[equations]", "[parameters.B]\nvalue = 1\nsparse = true\nover = []\nunit = \"1/\"\n[equations]"), "unit"),
])
def test_a_broken_file_gives_a_sentence(change, said, load_text):
    assert change[0] in MINIMAL
    with pytest.raises(dy.SpecificationError) as caught:
        load_text(MINIMAL.replace(*change))
    assert said in str(caught.value)


@pytest.mark.parametrize(("content", "said"), [
    (b"", "format_version: missing"),
    (b"\x00\x01\xff\xfe" * 50, "not a text file (byte 2 is not UTF-8)"),
    (b"\x00", "not valid TOML"),
    (b"x" * 5_000_001, "5000001 bytes; a model file is text of at most 5000000 bytes"),
    (b"a = " + b"[" * 50_000, "not valid TOML"),
    (b"a" + b".a" * 50_000 + b" = 1", "key of more than 100 parts"),
    (b"a = [" + b"0.1, 1e-3, " * 500 + b"]", "a: unknown section"),
    (b"{" + b'"json": 1}', "not valid TOML"),
])
def test_content_that_is_no_model(content, said, load_text):
    with pytest.raises(dy.SpecificationError) as caught:
        load_text(content)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 3000


def test_paths_that_are_no_file(tmp_path):
    for path in (tmp_path, tmp_path / "missing.toml", str(tmp_path / "missing.toml"), "", "a\0b", None, 5, "x" * 5000):
        with pytest.raises(dy.SpecificationError, match=r"cannot be read|not a path"):
            dy.load(path)


def test_many_faults_in_one_file(load_text):
    text = MINIMAL.replace("[equations]", "[equation]").replace("value", "valve").replace("format_version = 1", "")
    with pytest.raises(dy.SpecificationError) as caught:
        load_text(text)
    assert len(caught.value.faults) == 4
    assert "is not a model file" in str(caught.value)


SCRAPS = ("", "=", "[", "]", '"', "'", "nan", "true", "1e999", "-", "**", "^", "(", ")", "\n", "[[x]]", "{}", "\\", "é",
          "0", "u", "lag(", "1/0", "[parameters]", "equity_ratio", "#", "2020-01-01", "\x00", "max(", ", ", "if",
          "over = 3\n")
VALUES = ("5", "true", "[]", "{}", "[1, [2]]", "nan", "1979-05-27", "-0.0")


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8))])
def test_mutated_files_are_read_or_refused(seed):
    generator = random.Random(seed)
    whole = dy.compose(dy.models.load("deleveraging"), "depletion").to_toml()
    lines = whole.splitlines(keepends=True)
    fates = {True: 0, False: 0}
    for _ in range(50):
        kind = generator.randrange(5)
        if kind == 0:
            start = generator.randrange(len(whole))
            text = whole[:start] + whole[start + generator.randrange(1, 12):]
        elif kind == 1:
            start = generator.randrange(len(whole))
            text = whole[:start] + generator.choice(SCRAPS) + whole[start:]
        elif kind == 2:
            changed = list(lines)
            del changed[generator.randrange(len(lines))]
            text = "".join(changed)
        elif kind == 3:
            changed = list(lines)
            i, j = generator.randrange(len(lines)), generator.randrange(len(lines))
            changed[i], changed[j] = changed[j], changed[i]
            text = "".join(changed)
        else:
            changed = list(lines)
            i = generator.randrange(len(lines))
            key, _, _ = lines[i].partition("=")
            changed[i] = f"{key}= {generator.choice(VALUES)}\n"
            text = "".join(changed)
        try:
            with not_checking():
                system = dy.System(**toml_format.read(text, "mutant"))
        except dy.DynamicsError as error:
            fates[bool(not str(error).strip())] += 1
            continue
        with not_checking():
            assert dy.System(**toml_format.read(system.to_toml(), "again")) == system
        fates[True] += 1
    assert min(fates.values()) > 3


def test_units_are_checked_in_files(load_text):
    text = MINIMAL.replace("value = 1.0", 'value = 1.0\nunit = "USD"')
    with pytest.raises(dy.UnitsError, match="USD"):
        load_text(text)


def test_control_characters_of_texts_survive(load_text):
    strange = "".join(map(chr, itertools.chain(range(0x20), range(0x7f, 0xa1), (0x2028, 0xfeff, 0x1f600))))
    system = dy.System(name=strange, states={"u": 1}, equations={"u": "u"})
    assert load_text(system.to_toml()).name == strange
