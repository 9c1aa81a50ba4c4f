"""Papers on a page: stored results, resumption, and what the page holds. With small papers made here."""

import json
import re
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

import dynamics as dy
from dynamics import papers
from dynamics.cli import app
from dynamics.papers import Claim, Computation, Computed, Paper, PaperFigure, Reference
from dynamics.report import reproductions
from dynamics.results.reproductions import judged

CALLS = []


def numbers(context):
    """Three numbers."""
    CALLS.append("numbers")
    return {"right": 1.0, "wrong": Computed(3.0, second=3.0, second_method="by hand"), "noisy": Computed(1.2, 0.15)}


def failing(context):
    """A computation that has no answer."""
    raise dy.IntegrationError("the step became too small")


def line(context):
    """A line."""
    import xarray as xr

    return xr.Dataset({"y": ("x", [1.0, 2.0])}, coords={"x": [0.0, 1.0]}, attrs={"analysis": "line"})


def draw_line(data, ax):
    """The line."""
    ax.plot(data["x"], data["y"])
    ax.set(xlabel="x", ylabel="y")
    return ax


def small(name="small", value=1.0):
    return Paper(name, Reference("A. Bee, C. Dee", 2001, "Title", "Journal <1>"), (), (
        Computation(numbers, (Claim("right", value, 0.1, "table 1", "USD"),
                              Claim("wrong", 2.0, 0.1, "table 1", explanation="A misprint & more."),
                              Claim("noisy", 1.0, 0.1, "figure 2", evidence="derived"))),
        Computation(failing, (Claim("never", True, location="theorem 1", statement="always"),)),
        Computation(numbers_long, (Claim("long", 1.0, 0.1, "section 3"),), fast=False),
        Computation(numbers_of_a_file, (Claim("filed", 1.0, 0.1, "table 2"),), data="EBA 2018: banks.csv"),
    ), (PaperFigure("line", line, draw_line, "A line."),))


def numbers_long(context):
    """A long one."""
    return {"long": 1.0}


def numbers_of_a_file(context):
    """From the user's folder."""
    return {"filed": float(context.file("banks.csv").read_text())}


@pytest.fixture
def shelf(monkeypatch):
    """A package with two small papers."""
    made = {"small": small(), "tiny": small("tiny")}
    monkeypatch.setattr(papers, "names", lambda: tuple(made))
    monkeypatch.setattr(papers, "load", lambda name: made[name])
    CALLS.clear()
    return made


def test_verdicts_and_reasons(shelf, tmp_path):
    found = shelf["small"].reproduce(fast=True, progress=False)
    assert {f.claim.name: f.verdict for f in found.findings} == {
        "right": "agrees", "wrong": "differs", "noisy": "not determined", "never": "not determined",
        "long": "not determined", "filed": "not determined"}
    assert found["never"].reason == "IntegrationError: the step became too small"
    assert found["long"].reason == "left out in fast mode"
    assert "banks.csv" in found["filed"].reason
    assert shelf["small"].reproduce(only=["long"], progress=False)["long"].verdict == "agrees"
    (tmp_path / "banks.csv").write_text("1.05")
    assert shelf["small"].reproduce(only=["filed"], data=tmp_path, progress=False)["filed"].verdict == "agrees"
    assert "no such file" in shelf["small"].reproduce(only=["filed"], data=tmp_path.parent, progress=False)["filed"].reason
    assert "small (reproduction): 6 claims (5 published): 1 agree, 1 differ" in repr(found)
    with pytest.raises(dy.SpecificationError, match="Did you mean 'wrong'"):
        found["wrongs"]


def test_bands_and_intervals():
    band = Claim("a", 3.0, band=(2.6, 3.3))
    assert [judged(band, value)[0] for value in (2.6, 3.3, 3.4)] == ["agrees", "agrees", "differs"]
    assert judged(band, 3.4, 0.2)[0] == "not determined"
    assert judged(Claim("a", 100.0, 0.01, relative=True), 101.0) == ("agrees", "")
    assert judged(Claim("a", True), 0.0)[0] == "differs"
    assert judged(Claim("a", 1.0, 0.1), float("nan")) == ("not determined", "the computation gave no number")
    with pytest.raises(dy.SpecificationError, match="Did you mean 'text'"):
        Claim("a", 1.0, evidence="texts")
    with pytest.raises(dy.SpecificationError, match="not in its band"):
        Claim("a", 1.0, band=(2.0, 3.0))
    with pytest.raises(dy.SpecificationError, match="several claims named a"):
        Paper("p", Reference(), (), (Computation(numbers, (Claim("a", 1.0), Claim("a", 2.0))),))
    with pytest.raises(dy.SpecificationError, match="'model check'"):
        Paper("p", Reference(), (), (Computation(numbers, (Claim("a", 1.0, evidence="derived"),)),))


def test_a_computation_must_return_what_is_claimed():
    paper = Paper("p", Reference(), (), (Computation(numbers, (Claim("right", 1.0),)),))
    with pytest.raises(dy.SpecificationError, match="returned noisy, wrong, which is not claimed"):
        paper.reproduce(progress=False)


def test_a_stopped_run_goes_on_and_a_changed_paper_is_computed_again(shelf, tmp_path, monkeypatch):
    run = reproductions.Run(tmp_path / "out", fast=True)
    first = list(reproductions.reproduce(["small"], run, jobs=1))
    assert len(CALLS) == 1
    both = list(reproductions.reproduce(["small", "tiny"], run, jobs=1))
    assert len(CALLS) == 2
    assert both[0] == first[0]
    (run.folder / "tiny.json").write_text((run.folder / "tiny.json").read_text()[:200])
    list(reproductions.reproduce(["small", "tiny"], run, jobs=1))
    assert len(CALLS) == 3
    list(reproductions.reproduce(["small"], reproductions.Run(run.folder, fast=False), jobs=1))
    assert len(CALLS) == 4
    list(reproductions.reproduce(["small"], run, jobs=1))
    monkeypatch.setattr(reproductions, "_code_hash", lambda: "other code")
    list(reproductions.reproduce(["small"], run, jobs=1))
    assert len(CALLS) == 6
    with pytest.raises(dy.SpecificationError, match="Did you mean 'tiny'"):
        list(reproductions.reproduce(["tinyy"], run))
    (tmp_path / "file").write_text("")
    with pytest.raises(dy.SpecificationError, match="is a file"):
        list(reproductions.reproduce(["tiny"], reproductions.Run(tmp_path / "file")))


def test_the_page_holds_everything_and_loads_nothing(shelf, tmp_path):
    run = reproductions.Run(tmp_path, fast=True)
    page = reproductions.write(reproductions.reproduce(["tiny", "small"], run, jobs=1), run).read_text(encoding="utf-8")
    body = page.partition("<body>")[2].partition("</body>")[0]
    ElementTree.fromstring(re.sub(r"<img([^>]*)>", r"<img\1/>", body).replace("<br>", "<br/>"))
    assert "http" not in page.replace("https://doi.org", "")
    assert page.count("data:image/png;base64,") == 2
    assert "A misprint &amp; more." in page
    assert "Second computation (by hand): 3." in page
    assert "12 claims of 2 papers" in re.sub(r"\s+", " ", page)
    stored = json.loads((tmp_path / "reproductions.json").read_text())
    assert stored["small"]["wrong"] == "differs"
    table = (tmp_path / "reproductions.md").read_text()
    assert "| `small` | 6 | 5 | 1 | 1 | 0 | 4 |" in table
    assert "| **all 2** | **12** | **10** | **2** | **2** | **0** | **8** |" in table
    assert reproductions.table(stored) == table


def test_commands(shelf, tmp_path):
    call = CliRunner().invoke
    assert "small" in call(app, ["reproduce"]).stdout
    shown = call(app, ["reproduce", "small", "--fast", "--json"])
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["small"][1]["verdict"] == "differs"
    every = call(app, ["reproduce", "--all", "--fast", "--jobs", "1", "--output", str(tmp_path / "out")])
    assert every.exit_code == 0, every.output
    assert (tmp_path / "out" / "reproductions.html").exists()
    assert call(app, ["reproduce", "small", "--all"]).exit_code == 2
    assert call(app, ["reproduce", "smal"]).exit_code != 0
    assert call(app, ["reproduce", "small", "--data", str(tmp_path / "none")]).exit_code == 2
    shelf["small"] = Paper("small", Reference(), (), (Computation(
        numbers_long, (Claim("long", 5.0, 0.1, "table 1"),)),))
    assert call(app, ["reproduce", "small"]).exit_code == 1


@pytest.mark.slow
def test_processes_do_not_change_verdicts(tmp_path):
    names = ["feinstein_2020", "terra"]
    one, two = (sorted(reproductions.reproduce(names, reproductions.Run(tmp_path / str(jobs), fast=True, figures=False),
                                               jobs=jobs), key=lambda r: r.paper) for jobs in (1, 2))
    # as text: what is not determined has no number, and nan is not equal to nan
    assert [(f.claim.name, str(f.computed), f.verdict) for r in one for f in r.findings] == [
        (f.claim.name, str(f.computed), f.verdict) for r in two for f in r.findings]
