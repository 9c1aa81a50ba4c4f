"""Papers on fire sales with the files of the European Banking Authority: every claim is decided, none differs."""

from pathlib import Path

import pytest

import dynamics as dy

SHARED = Path(__file__).parents[3] / "shared" / "data"
NAMES = ("breuer_summer_urosevic_2023", "cont_schaanning_2017", "greenwood_landier_thesmar_2015")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the files of the European Banking Authority are not shipped; they are read "
                    "from ../shared/data where that folder exists")
@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name.startswith("green") else pytest.mark.slow)
                                  for name in NAMES])
def test_claims_on_the_files(name):
    paper = dy.papers.load(name)
    computations = [c.name for c in paper.computations if c.data]
    result = paper.reproduce(only=computations, data=SHARED)
    assert len(result.findings) >= 14
    assert [f.claim.name for f in result.findings if f.verdict not in ("agrees", "regression")] == []
    assert all(f.claim.value == pytest.approx(f.computed, abs=f.claim.tolerance + 1e-12) for f in result.findings)


@pytest.mark.parametrize("name", NAMES)
def test_without_the_files_it_says_which_are_needed(name):
    paper = dy.papers.load(name)
    wanted = next(c for c in paper.computations if c.data)
    finding = paper.reproduce(only=[wanted.name]).findings[0]
    assert finding.verdict == "not determined"
    assert "eba_201" in finding.reason


@pytest.mark.slow
@pytest.mark.parametrize(("name", "explained"), [("caccioli_et_al_2014", "branching_20_3"),
                                                 ("cont_schaanning_2017", "largest_first_loss_linear")])
def test_full_computations_decide_every_claim_without_files(name, explained):
    paper = dy.papers.load(name)
    result = paper.reproduce(only=[c.name for c in paper.computations if not c.data])
    assert [f.claim.name for f in result.findings if f.verdict not in ("agrees", "regression")] == [explained]
