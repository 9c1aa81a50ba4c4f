"""Run notebooks at full size and keep their outputs: ``python notebooks/execute.py [NAME ...]``."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"}}


def execute(path: Path) -> None:
    """Run a notebook in place, without what differs from run to run: times, versions of the kernel, random ids."""
    notebook = nbformat.read(path, as_version=4)
    try:
        NotebookClient(notebook, timeout=300, record_timing=False).execute()
    finally:
        notebook.metadata = nbformat.from_dict(METADATA)
        for number, cell in enumerate(notebook.cells, 1):
            cell.id = f"cell-{number:02d}"
        nbformat.write(notebook, path)


if __name__ == "__main__":
    chosen = [FOLDER / f"{name}.ipynb" for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb"))
    for notebook in chosen:
        execute(notebook)
