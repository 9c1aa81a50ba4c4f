"""The rules of the house, checked on the source."""

import ast
import inspect
import os
import re
import shutil
import statistics
import subprocess
import sys
import textwrap
import time
import types
from pathlib import Path

import pytest

import dynamics as dy

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dynamics"
SOURCES = sorted(PACKAGE.rglob("*.py"))
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def lint_imports(directory):
    return subprocess.run([str(LINT_IMPORTS), "--no-cache"], cwd=directory, capture_output=True, text=True)


# ---- layers ---------------------------------------------------------------------------------------------------------

def test_every_import_points_downwards():
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("file", "line", "contract"), [
    ("errors.py", "import dynamics.systems", "Layers import downwards only"),
    ("models/liquidation_cascade.py", "import dynamics.models.deleveraging", "Models are independent of each other"),
    ("symbolic/polynomial.py", "from dynamics.analysis import equilibria", "Layers import downwards only"),
    ("analysis/equilibria.py", "import matplotlib", "Only figures and what is above them draw"),
])
def test_a_planted_import_is_refused(file, line, contract, tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "dynamics", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    target = tmp_path / "dynamics" / file
    target.write_text(f"{target.read_text()}\n{line}\n")
    result = lint_imports(tmp_path)
    assert result.returncode != 0
    assert re.search(rf"{contract} BROKEN", result.stdout), result.stdout


# ---- what is not written ----

FORBIDDEN = {"eval", "exec", "compile", "sympify", "parse_expr", "print", "breakpoint", "__import__"}
# SymPy functions that parse a text given to them; Symbol and Function only take a name, Float and Rational a number
PARSING = {"S", "Poly", "symbols", "simplify", "solve", "diff", "integrate", "Eq", "Add", "Mul", "Pow", "expand",
           "factor", "Matrix", "lambdify", "nsimplify", "limit", "series", "groebner", "resultant",
           "Max", "Min", "Piecewise", "sqrt", "exp", "log"}


def called(node):
    """(module or object, name) of a call."""
    function = node.func
    if isinstance(function, ast.Attribute):
        return getattr(function.value, "id", ""), function.attr
    return "", getattr(function, "id", "")


def violations(tree):
    imported = {alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
                and (node.module or "").split(".")[0] == "sympy" for alias in node.names}
    modules = {alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.Import)
               for alias in node.names if alias.name.split(".")[0] == "sympy"}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        owner, name = called(node)
        if name in FORBIDDEN and not owner:
            yield node.lineno, f"{name}(...)"
        elif name in {"sympify", "parse_expr", "eval", "exec"} and owner in {"sympy", "sp", "builtins", "pd"}:
            yield node.lineno, f"{owner}.{name}(...)"
        elif name in PARSING and ((not owner and name in imported) or owner in modules):
            texts = [a for a in node.args if isinstance(a, ast.JoinedStr)
                     or (isinstance(a, ast.Constant) and isinstance(a.value, str))]
            if texts:
                yield node.lineno, f"{name}(text)"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_text_never_becomes_code(path):
    assert not list(violations(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize(("source", "found"), [
    ("eval('1')", 1), ("exec(x)", 1), ("print(1)", 1), ("compile(a, b, c)", 1), ("import re\nre.compile('a')", 0),
    ("from sympy import S\nS('x + 1')", 1), ("from sympy import S\nS.One", 0),
    ("from sympy import sympify\nsympify(x)", 1),
    ("import sympy\nsympy.Poly('x**2')", 1), ("import sympy as s\ns.symbols(f'{x} y')", 1), ("f.compile('x')", 0),
    ("from sympy import Symbol, Function\nSymbol('x'); Function('f')", 0), ("import sympy\nsympy.sympify(1)", 1),
    ("from sympy.parsing.sympy_parser import parse_expr\nparse_expr(t)", 1), ("x.print('a')", 0), ("Poly(x)", 0),
])
def test_the_check_itself(source, found):
    assert len(list(violations(ast.parse(source)))) == found


def test_files_are_short_and_named_after_topics():
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert not {path: length for path, length in lengths.items() if length > 500}
    words = {"utils", "util", "helpers", "helper", "misc", "common", "manager", "handler", "tools"}
    assert not [path for path in lengths if words & set(re.split(r"[/_.]", str(path)))]


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def test_nothing_tracked_mentions_a_machine():
    # written in pieces so that this file does not mention them either
    roots = "|".join(("work", "tmp", "root", "home"))
    places = re.compile(rf"(?<![\w.])/({roots})/[a-z]|C:\\Users")
    found = {}
    for path in tracked_files():
        if path.exists() and path.stat().st_size < 3_000_000:
            for number, line in enumerate(path.read_text(encoding="utf-8", errors="ignore").splitlines(), 1):
                if places.search(line):
                    found[f"{path.relative_to(ROOT)}:{number}"] = line.strip()[:100]
    assert not found


# ---- weight ---------------------------------------------------------------------------------------------------------

def seconds(code):
    """Processor time of a fresh interpreter, so that other programs do not matter; on the clock where it is not known."""
    before, started = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    after, elapsed = os.times(), time.perf_counter() - started
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return used or elapsed


def loaded_modules(code):
    output = subprocess.run([sys.executable, "-c", f"{code}\nimport sys\nsys.stdout.write(' '.join(sys.modules))"],
                            check=True, cwd=ROOT, capture_output=True, text=True).stdout
    return {name.split(".")[0] for name in output.split()}


DERIVATION = """
import dynamics as dy
system = dy.models.load("deleveraging")
dy.stability_conditions(system, dy.fixed_points(system)[0])
"""


def test_importing_is_light():
    assert not {"sympy", "numpy", "scipy", "xarray", "matplotlib"} & loaded_modules("import dynamics")
    bare = statistics.median(seconds("pass") for _ in range(5))
    whole = statistics.median(seconds("import dynamics") for _ in range(5))
    assert whole - bare < 0.1


def test_the_symbolic_path_is_light():
    heavy = {"scipy", "xarray", "pint", "pandas", "matplotlib"}
    assert not heavy & loaded_modules(DERIVATION)
    assert min(seconds(DERIVATION) for _ in range(3)) < 2


@pytest.mark.parametrize("module", [".".join(("dynamics", *p.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
    ".__init__") for p in SOURCES if "figures" not in p.parts and "report" not in p.parts and "cli" not in p.parts
    and "compiled" not in p.parts and p.name != "__main__.py"])
@pytest.mark.slow
def test_no_module_imports_a_heavy_library_on_import(module):
    assert not {"scipy", "xarray", "pint", "pandas", "matplotlib"} & loaded_modules(f"import {module}")


# ---- public names ---------------------------------------------------------------------------------------------------

def test_the_public_names_are_the_ones_type_checkers_see():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)
                and getattr(node.test, "id", "") == "TYPE_CHECKING"]
    seen = {alias.asname or alias.name for node in block.body if isinstance(node, ast.ImportFrom)
            for alias in node.names}
    assert seen | {"__version__"} == set(dy.__all__)
    assert len(dy.__all__) == len(set(dy.__all__))
    assert set(dy.__all__) <= set(dir(dy))


@pytest.mark.parametrize("name", dy.__all__)
def test_every_public_name_is_there(name):
    assert getattr(dy, name) is not None


def public_functions():
    for name in dy.__all__:
        try:
            value = getattr(dy, name)
        except (ImportError, AttributeError):
            continue  # reported by the test above
        if isinstance(value, types.FunctionType):
            yield pytest.param(value, id=name)
    for name, value in vars(dy.System).items():
        if isinstance(value, types.FunctionType) and not name.startswith("_"):
            yield pytest.param(value, id=f"System.{name}")


def sections(docstring):
    """Name of each numpydoc section to its lines."""
    lines, found, current = docstring.splitlines(), {"Summary": []}, "Summary"
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if below.strip() and set(below.strip()) == {"-"} and line.strip():
            found[line.strip()], current = [], line.strip()
        else:
            found[current].append(line)
    return found


@pytest.mark.parametrize("function", list(public_functions()))
def test_public_functions_are_documented(function):
    docstring = inspect.getdoc(function)
    assert docstring
    found = sections(docstring)
    arguments = [p for p in inspect.signature(function).parameters if p != "self"]
    documented = {name.strip().lstrip("*") for line in found.get("Parameters", ())
                  if line and not line.startswith((" ", "-"))
                  for name in line.partition(" : ")[0].split(",")}
    assert not set(arguments) - documented
    assert not documented - set(arguments)
    is_method = function.__qualname__.startswith("System.")
    assert "Returns" in found or (is_method and not arguments)
    assert (">>>" in "\n".join(found.get("Examples", ()))) or (is_method and not arguments)
    source = ast.parse(textwrap.dedent(inspect.getsource(function)))
    if any(isinstance(node, ast.Raise) for node in ast.walk(source)):
        assert "Raises" in found


@pytest.mark.parametrize(("before", "on"), [("", True), ("gc.disable()", False), ("gc.freeze()", True)])
def test_loading_leaves_the_garbage_collector_as_it_was(before, on):
    code = (f"import gc\n{before}\nfrozen = gc.get_freeze_count()\nimport dynamics as dy\ndy.phase_diagram\n"
            "print(gc.isenabled(), (gc.get_freeze_count() > 0) == (frozen > 0))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(on), "True"]
