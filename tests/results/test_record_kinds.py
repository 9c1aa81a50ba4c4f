"""Every record of the package can be saved and opened, because it derives from one base; files name no other code."""

import dataclasses
import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
import typing

import numpy as np
import pytest
import xarray as xr
from sympy import Rational, S, Symbol

import dynamics as dy
import dynamics.analysis
import dynamics.results
from dynamics.analysis.competing_paths import InfluencePath
from dynamics.analysis.edge_tracking import EdgeState
from dynamics.results import (
    BifurcationCondition,
    BifurcationDiagram,
    Branch,
    Certificate,
    CertifiedBox,
    Claim,
    Coefficient,
    ConservedQuantity,
    FeedbackLoop,
    Finding,
    FixedPoint,
    FixedPoints,
    NormalForm,
    Records,
    Reproduction,
    SpecialPoint,
    StabilityCondition,
    Threshold,
)
from dynamics.results import nonsmooth_records as nonsmooth
from dynamics.results.record import Record, record_class
from dynamics.systems import Reference

A, X = Symbol("a"), Symbol("x")
NAN, INFINITY = float("nan"), float("inf")
POINT = FixedPoint({"x": A/3}, {"x": 0.1}, (complex(-1, 2), complex(-1, -2)), "stable", "stable focus", True,
                   "a remark", {"x - 1": False}, A > 0, ("x",), "numeric", "discrete")
HOPF = SpecialPoint("hopf", "HB1", {"x": 0.0}, {"a": 11.0}, (1j, -1j, complex(-50, 0)), {"l1": 0.25}, 1e-16, 15.0)
BRANCH = Branch(xr.Dataset({"a": ("step", [1.0, INFINITY])}), (HOPF,), ("bounds", "fold"))
CLAIM = Claim("threshold", 11.0, 1e-9, "table 1")
SIDE = nonsmooth.BorderSide(True, "below", "stable", "stable node", (complex(-1, 0),), A - 1, A > 2)
PSEUDO = nonsmooth.PseudoEquilibrium({"x": A}, {"x": 1.0}, A/2, (complex(-1, 0),), "stable", True, A > 0)
TANGENCY = nonsmooth.Tangency(False, {"x": A}, A - 1, "visible")

# One of each kind; a new kind needs one here, and has to come back from its file.
EXAMPLES = (
    POINT, HOPF, BRANCH, CLAIM, SIDE, FixedPoints([POINT], {"seed": 1}), Records([POINT, HOPF], {"seed": 2}),
    BifurcationDiagram((BRANCH, BRANCH)),
    Threshold(-0.5, (-0.4, -INFINITY), "found", 12, before={"m": 1.0}, opposite=Threshold(0.5, (0.4, 0.6), "found", 3)),
    Finding(CLAIM, 11.0, "agrees"),
    Reproduction("paper", (Finding(CLAIM, NAN, "not determined", "no data"),), Reference("A. Bee", 2001)),
    PSEUDO, TANGENCY,
    nonsmooth.NonsmoothRegime({"x - 1": True}, {"x": A - X}, X >= 1, (POINT,)),
    nonsmooth.BorderCollision("x - 1", "a", (A/2, Rational(1, 3)), (0.5, NAN), A > 0, A - 1, {"x": S.One}, "persistence",
                              SIDE, SIDE, {"below": ("x",)}, {"above": ()}, 1),
    nonsmooth.Sliding("x - 1", {"x": S.One}, A > 0, A < 0, {"y": A - X}, (PSEUDO,), (TANGENCY,), {"y": True}),
    StabilityCondition(A - X, "hopf", A > X), BifurcationCondition("hopf", "a", (A/2, Rational(1, 3)), A > 0),
    FeedbackLoop(("x", "u"), "reinforcing", A*X), Coefficient(A*X, 0.5, "subcritical"),
    NormalForm("hopf", "r' = l1 r^3", {"l1": Coefficient(A, 0.25, "subcritical")}, "subcritical", 1e-12),
    ConservedQuantity("net cash", A + X, "exact"),
    CertifiedBox("unique", {"x": (0.1, 0.2)}, {"x": 0.15}, {"x": "0.15"}, 1e-30),
    Certificate("complete", (CertifiedBox("undecided", {"x": (0.1, 0.2)}),), {"x": (0.0, 1.0)}, "own", 7),
    InfluencePath(("x", "u"), A*X, "balancing", 0.5),
    EdgeState("cycle", {"x": 0.0}, 9.14, {"x": -0.03}, {"x": 0.02}, 0.0232, (0.02, 0.03), True, 12, "a sentence",
              track=xr.Dataset({"x": ("time", [1.0, 2.0])}, coords={"time": [0.0, 1.0]}, attrs={"seed": 3})),
)


def modules_of(package):
    return [importlib.import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__)]


def kinds():
    """Every class below the base, however deep."""
    for package in (dynamics.results, dynamics.analysis):
        modules_of(package)
    found, left = set(), [Record]
    while left:
        below = left.pop().__subclasses__()
        found.update(below)
        left += below
    return {cls for cls in found if cls.__module__.startswith("dynamics.")}


def test_there_is_an_example_of_every_kind():
    assert {type(example) for example in EXAMPLES} == kinds()


@pytest.mark.parametrize("suffix", [".json", ".nc", ".zarr"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_every_kind_comes_back_equal(example, suffix, tmp_path):
    again = dy.open(dy.save(example, tmp_path / f"r{suffix}"))
    assert type(again) is type(example)
    assert repr(again) == repr(example)
    for field in dataclasses.fields(example) if dataclasses.is_dataclass(example) else ():
        assert_same(getattr(again, field.name), getattr(example, field.name))


def assert_same(again, value):
    assert type(again) is type(value)
    if isinstance(value, xr.Dataset):
        assert again.identical(value)
    elif isinstance(value, float):
        np.testing.assert_equal(again, value)
    elif isinstance(value, tuple) and len(value) == len(again):
        for one, other in zip(again, value, strict=True):
            assert_same(one, other)
    elif not dataclasses.is_dataclass(value):
        assert again == value


def test_what_public_functions_return_is_a_record_or_no_record_at_all():
    """No function returns a dataclass, or a sequence of them, that could not be saved."""
    checked = 0
    for name in dy.__all__:
        function = getattr(dy, name)
        if not inspect.isfunction(function) or not function.__module__.startswith("dynamics.analysis"):
            continue
        hints = inspect.signature(function).return_annotation
        scope = {**vars(importlib.import_module("dynamics.results")), **vars(importlib.import_module(function.__module__))}
        for part in names_in(hints):
            found = scope.get(part)
            if isinstance(found, type) and dataclasses.is_dataclass(found) and not issubclass(found, dy.System):
                assert issubclass(found, Record), f"{name} returns {part}, which cannot be saved"
                checked += 1
    assert checked > 10


def names_in(annotation):
    text = annotation if isinstance(annotation, str) else str(annotation)
    return set(text.replace("[", " ").replace("]", " ").replace(",", " ").replace("|", " ").split())


def test_what_competing_paths_returns_is_saved(tmp_path):
    paths = dy.competing_paths(dy.models.load("deleveraging"), "net_flow", "equity_ratio")
    again = dy.open(dy.save(paths, tmp_path / "paths.json"))
    assert again == paths
    assert again[1].gain == paths[1].gain


def test_a_file_is_opened_where_nothing_has_loaded_its_module(tmp_path):
    path = dy.save(EXAMPLES[-1], tmp_path / "edge.json")
    code = ("import sys, dynamics as dy; dy.open; assert 'dynamics.analysis.edge_tracking' not in sys.modules; "
            f"print(type(dy.open({str(path)!r})).__module__)")
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout.strip() == "dynamics.analysis.edge_tracking", ended.stderr


@pytest.mark.parametrize("home", ["os", "dynamics.cli", "cli.commands", "analysis.nothing", "analysis", "analysis.__main__",
                                  "analysis.edge_tracking.os", "results..record", "../analysis", "", 5, ["analysis.paths"],
                                  "analysis.paths"])
def test_a_file_never_makes_foreign_code_run(home, monkeypatch):
    imported = []
    real = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", lambda name, *more: imported.append(name) or real(name, *more))
    with pytest.raises(ValueError, match="unknown kind of result 'EdgeState'"):
        record_class("EdgeState", home)
    assert set(imported) <= {"dynamics.analysis.paths"}


@pytest.mark.parametrize("kind", ["System", "Path", "edge_state", "Record", "__name__", ""])
def test_only_records_are_made_from_a_file(kind):
    with pytest.raises(ValueError, match="unknown kind of result"):
        record_class(kind, "analysis.edge_tracking")


def test_records_of_other_packages_and_other_values_are_refused_in_a_sentence(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Foreign(Record):
        value: float = 1.0

    for thing in (Foreign(), S.One, (POINT,), np.ones(3), EdgeState):
        with pytest.raises(dy.SpecificationError, match="is no result"):
            dy.save(thing, tmp_path / "x.json")
    assert not list(tmp_path.iterdir())


def test_keys_that_are_no_texts_come_back(tmp_path):
    keyed = xr.Dataset(attrs={"by number": {1: "a", 2: {"x": 3}}, "by pair": {("x", 1): 0.5}, "by text": {"1": "b"}})
    for suffix in (".json", ".nc", ".zarr"):
        assert dy.open(dy.save(keyed, tmp_path / f"k{suffix}")).attrs == keyed.attrs


def test_records_of_files_without_homes_are_found(tmp_path):
    """What files of schema version 1 hold: the fields beside the kind."""
    old = {"type": "FeedbackLoop", "path": {"type": "tuple", "items": ["x", "u"]}, "polarity": "reinforcing",
           "gain": {"type": "expression", "text": "a*x", "names": ["a", "x"]}}
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"schema": "dynamics/result", "schema_version": 1, "result": old}))
    found = dy.open(path)
    assert (found.path, found.polarity, found.gain) == (("x", "u"), "reinforcing", A*X)
    assert typing.cast("FeedbackLoop", found).definition == FeedbackLoop(("x", "u"), "reinforcing", A*X).definition


# ---- numbers that are not known -------------------------------------------------------------------------------------------

def unknown():
    return float("nan")


def edge():
    return EdgeState("fixed point", {"x": 1.0, "y": unknown()}, unknown(), {"x": 1.0, "y": 1.0}, {"x": unknown(), "y": 1.0})


def threshold():
    from dynamics.results import Threshold

    return Threshold(unknown(), (0.1, unknown()), "not_settled", 12, "not decided", before={"end": unknown()})


def point():
    from dynamics.results import FixedPoint

    return FixedPoint({}, {"x": unknown()}, (complex(unknown(), 1.0),), "not determined", "saddle", False)


@pytest.mark.parametrize("suffix", [".json", ".nc", ".zarr"])
@pytest.mark.parametrize("make", [edge, threshold, point])
def test_a_number_that_is_not_known_is_equal_to_another_that_is_not(make, suffix, tmp_path):
    value = make()
    assert make() == value
    assert hash(make()) == hash(value)
    again = dy.open(dy.save(value, tmp_path / f"r{suffix}"))
    assert again == value
    assert hash(again) == hash(value)
    assert value != "text"


def test_known_numbers_tell_records_apart():
    value = threshold()
    others = ({"value": 0.2}, {"bracket": (unknown(), unknown())}, {"before": {"end": 1.0}}, {"before": {}},
              {"before": {"x": unknown()}})
    for changed in others:
        assert dataclasses.replace(value, **changed) != value
    assert point() != dataclasses.replace(point(), eigenvalues=(complex(unknown(), 2.0),))


@pytest.mark.parametrize(("field", "wrong"), [
    ("value", "0.3"), ("value", None), ("value", ["1.0"]), ("bracket", "none"),
    ("bracket", {"type": "tuple", "items": [1.0]}), ("bracket", {"type": "tuple", "items": [0.1, "a"]}),
    ("evaluations", 1.5), ("status", 3), ("message", None), ("before", 4.0), ("before", "text")])
def test_a_record_whose_fields_are_of_another_type_is_refused_when_it_is_opened(field, wrong, tmp_path):
    """Its checksum is right: some program has written it so."""
    from dynamics.results.checksums import json_digest

    path = dy.save(threshold(), tmp_path / "t.json")
    document = json.loads(path.read_text())
    document["result"]["fields"][field] = wrong
    del document["checksum"]
    path.write_text(json.dumps({**document, "checksum": json_digest(document)}))
    with pytest.raises(dy.DataError, match=f"Threshold: '{field}' is a .*, and no "):
        dy.open(path)
