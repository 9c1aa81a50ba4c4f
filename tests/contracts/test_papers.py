"""What every paper keeps; a new file is tested by being there."""

import inspect
import json
import math
from pathlib import Path

import pytest

import dynamics as dy
from dynamics.results import EVIDENCE, PUBLISHED

ROOT = Path(__file__).parents[2]
PAPERS = [pytest.param(name, id=name) for name in dy.papers.names()]
# seconds of processor time in fast mode; the slow suite takes the others
LONG = ("aymanns_et_al_2016", "caccioli_et_al_2014", "ioffredi_marmi_tanzi_2026")
FAST = [name if name not in LONG else pytest.param(name, marks=pytest.mark.slow) for name in dy.papers.names()]


@pytest.mark.parametrize("name", PAPERS)
def test_a_paper_is_documented_and_its_claims_say_where_they_are_from(name):
    paper = dy.papers.load(name)
    assert paper.title.endswith("."), paper.title
    assert len(paper.documentation.splitlines()) > 2
    assert paper.reference.authors
    assert paper.reference.title
    assert set(paper.models) <= set(dy.models.names())
    names = [claim.name for claim in paper.claims]
    assert len(names) == len(set(names))
    for claim in paper.claims:
        assert claim.name.isidentifier(), claim.name
        assert claim.name.islower(), claim.name
        assert claim.location, claim.name
        assert len(claim.statement) > 8, claim.name
        assert claim.evidence in EVIDENCE
        assert claim.is_statement or claim.band or claim.tolerance > 0 or float(claim.value).is_integer(), claim.name
        assert not claim.explanation or claim.explanation.endswith("."), claim.name
    functions = [c.compute for c in paper.computations] + [f.data for f in paper.figures] + [f.draw for f in paper.figures]
    assert all(inspect.getdoc(function) for function in functions)
    assert all(figure.caption.endswith(".") for figure in paper.figures)
    assert (paper.kind == "model check") or any(claim.evidence in PUBLISHED for claim in paper.claims)
    assert f"{paper.name}," in paper.bibtex


def check(found):
    """No verdict without its reason, and no disagreement without an explanation and a second computation."""
    for finding in found.findings:
        name = finding.claim.name
        if finding.verdict == "not determined":
            assert finding.reason, name
        if finding.verdict == "differs":
            assert finding.claim.explanation, name
            assert not math.isnan(finding.second), name
            assert finding.second_method, name
            published = float(finding.claim.value)
            assert abs(finding.second - finding.computed) < abs(finding.computed - published)/2, name


@pytest.mark.parametrize("name", FAST)
def test_fast_mode_has_a_verdict_for_every_claim(name, tmp_path):
    paper = dy.papers.load(name)
    found = paper.reproduce(fast=True, progress=False)
    assert [f.claim for f in found.findings] == list(paper.claims)
    check(found)
    assert not [f.claim.name for f in found.findings if f.verdict == "not determined" and f.reason not in (
        "left out in fast mode", "the uncertainty of the computed value reaches the tolerance")
        and "give its folder" not in f.reason]
    assert dy.open(dy.save(found, tmp_path / "found.json")) == found
    assert found.table.sizes["claim"] == len(paper.claims)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPERS)
def test_full_mode(name):
    found = dy.papers.load(name).reproduce(progress=False)
    check(found)
    assert "left out in fast mode" not in {f.reason for f in found.findings}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPERS)
def test_every_figure_can_be_drawn(name):
    import matplotlib

    matplotlib.use("Agg")
    paper = dy.papers.load(name)
    for figure in paper.figures:
        data = paper.figure_data(figure.name, fast=True)
        assert data.attrs.get("analysis") or data.attrs.get("system"), f"{figure.name}: data without provenance"
        axes = paper.plot(figure.name, data)
        first = axes if not hasattr(axes, "ravel") else axes.ravel()[0]
        assert first.get_ylabel()
        matplotlib.pyplot.close(first.figure)


def test_verdicts_do_not_depend_on_threads_or_order():
    paper = dy.papers.load("lillo_et_al_2023")
    names = ["attractors", "doublings"]
    one = paper.reproduce(fast=True, only=names, threads=1, progress=False)
    two = paper.reproduce(fast=True, only=names[::-1], threads=3, progress=False)
    assert [(f.claim.name, f.computed, f.verdict) for f in one.findings] == [
        (f.claim.name, f.computed, f.verdict) for f in two.findings]


def test_names_are_helped():
    with pytest.raises(dy.SpecificationError, match="Did you mean 'lillo_et_al_2023'"):
        dy.papers.load("lillo_et_al_2024")
    with pytest.raises(dy.SpecificationError, match="no claim or computation 'restt'"):
        dy.papers.load("lillo_et_al_2023").reproduce(only=["restt"])
    with pytest.raises(dy.SpecificationError, match="no figure"):
        dy.papers.load("lillo_et_al_2023").plot("bifurcation")


# ---- the table of the README -----------------------------------------------------------------------------------------

STORED = ROOT / "tests" / "reference" / "reproductions.json"


def stored_verdicts():
    return json.loads(STORED.read_text(encoding="utf-8"))


AGAIN = "run `dynamics reproduce --all` and copy its reproductions.json to tests/reference"


def test_stored_verdicts_are_of_the_papers_as_they_are():
    stored = stored_verdicts()
    now = {name: [claim.name for claim in dy.papers.load(name).claims] for name in stored if name in dy.papers.names()}
    assert {name: list(claims) for name, claims in stored.items()} == now, AGAIN


def test_all_papers_are_stored():
    assert set(stored_verdicts()) == set(dy.papers.names()), AGAIN


def test_the_readme_has_the_table_of_the_stored_verdicts():
    from dynamics.report.reproductions import table

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = text.partition("<!-- reproductions -->")[2].partition("<!-- /reproductions -->")[0].strip()
    assert shown == table(stored_verdicts()).strip()
