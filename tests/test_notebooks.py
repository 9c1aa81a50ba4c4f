"""The notebooks as they are stored: outputs of a full run, no traces of a machine, a question first and an answer last."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MACHINE = re.compile(r"/(home|root|tmp|work|Users|usr|opt)/|[A-Z]:\\\\Users|0x[0-9a-f]{6,}|\.venv|site-packages")
SELF_DRAWN = re.compile(r"plt\.show|%matplotlib|sys\.path|warnings\.|os\.environ")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks():
    assert "quickstart" in [path.stem for path in NOTEBOOKS]


def test_every_cell_was_run_in_order_and_none_failed(notebook):
    cells = code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert [output for output in outputs if "image/png" in output.get("data", {})], "no figure"


def test_it_is_small_and_says_nothing_about_a_machine(path, notebook):
    assert path.stat().st_size < 1_000_000
    texts = [cell.source for cell in notebook.cells]
    for output in (output for cell in code(notebook) for output in cell.outputs):
        shown = {kind: str(value) for kind, value in output.get("data", {}).items() if "image" not in kind}
        texts += [output.get("text", ""), *shown.values()]
    assert not [found for text in texts for found in MACHINE.findall(text)]


def test_metadata_do_not_change_from_run_to_run(notebook):
    assert notebook.metadata == {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                                 "language_info": {"name": "python"}}
    assert not [cell.metadata for cell in notebook.cells if set(cell.metadata) - {"tags", "nbmake"}]
    assert [cell.id for cell in notebook.cells] == [f"cell-{number:02d}" for number in range(1, len(notebook.cells) + 1)]


def test_it_asks_first_and_answers_last(notebook):
    first, last = notebook.cells[0], notebook.cells[-1]
    assert first.cell_type == last.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert "?" in first.source
    assert last.source.startswith("## What was learned")


def test_one_cell_holds_the_sizes_and_its_metadata_the_small_ones(notebook):
    tagged = [cell for cell in code(notebook) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert not [cell for cell in code(notebook) if "nbmake" in cell.metadata and cell not in tagged]
    small = tagged[0].metadata["nbmake"]["mock"]
    assigned = {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(tagged[0].source).body}
    assert small
    for name, value in small.items():
        assert value < assigned[name], f"{name} is not smaller in the short run"


def test_cells_are_short_and_hold_no_plumbing(notebook):
    assert not [cell.source for cell in code(notebook) if len(cell.source.splitlines()) > 16]
    assert not [cell.source for cell in notebook.cells if SELF_DRAWN.search(cell.source)]
