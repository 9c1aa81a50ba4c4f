"""``dynamics models`` and ``dynamics show``: what there is, and what it says."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import Annotated, Any

import typer

from dynamics.cli import output
from dynamics.cli.options import AsJson, Mechanism, ModelFile, Name, Option, Set, assignments, numbers_of, system_from

__all__ = ["models", "show"]


def models(json: AsJson = False) -> None:
    """List the models and mechanisms of the package, each with its story in one line."""
    from dynamics import mechanisms
    from dynamics import models as packaged

    stories = {
        kind: {name: _story(f"{module.__name__}.{name}") for name in module.names()}
        for kind, module in (("models", packaged), ("mechanisms", mechanisms))
    }
    if json:
        output.as_json({kind: [{"name": n, "story": s} for n, s in found.items()] for kind, found in stories.items()})
        return
    for number, (kind, found) in enumerate(stories.items()):
        if number:
            output.text()
        output.table([kind, "story"], [[name, story] for name, story in found.items()])


def _story(module: str) -> str:
    """First line of a module's docstring, read without importing the module."""
    spec = importlib.util.find_spec(module)
    documented = (
        ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) if spec and spec.origin else ""
    )
    return (documented or "").splitlines()[0] if documented else ""


def show(
    name: Name = None,
    model_file: ModelFile = None,
    mechanism: Mechanism = None,
    set_: Set = None,
    option: Option = None,
    toml: Annotated[bool, typer.Option("--toml", help="Write the model as TOML.")] = False,
    json: AsJson = False,
) -> None:
    """Show the equations, parameters, events and shocks of a model, or what a Process declares."""
    process = _process(name, option) if name is not None and not (mechanism or model_file or toml) else None
    if process is not None:
        process = process.with_parameters(numbers_of(set_))
        how = "step" if callable(getattr(process, "step", None)) else "solve"
        statistics = {n: {"unit": unit, "meaning": meaning} for n, (unit, meaning) in process.statistics.items()}
        if json:
            document = {**_document(process.declaration), "sha256": process.sha256, "process": how}
            output.as_json({**document, "equations": {}, "statistics": statistics})
        else:
            output.text(f"{process.name}: a Process with {how}(), unit of time {process.time_unit}")
            _describe_parts(process.declaration)
            if statistics:
                output.text()
                output.table(["statistic", "meaning"], [[n, part["meaning"]] for n, part in statistics.items()])
        return
    system = system_from(name, model_file, mechanism, set_, option)
    if json:
        output.as_json(_document(system))
    elif toml:
        output.text(system.to_toml().rstrip("\n"))
    else:
        _describe(system)


def _process(name: str, option: Any) -> Any:
    """The packaged Process of that name, None where it is a System."""
    from dynamics import models, systems

    model = models.load(name, **assignments(option, "--option"))
    return None if isinstance(model, systems.System) else model


def _document(system: Any) -> dict[str, Any]:
    parts = {
        "states": {
            n: {
                "initial": v,
                "unit": system.states[n].unit,
                "symbol": system.states[n].symbol,
                "meaning": system.states[n].meaning,
            }
            for n, v in system.initial_state().items()
        },
        "parameters": {
            n: {
                "value": v,
                "unit": system.parameters[n].unit,
                "symbol": system.parameters[n].symbol,
                "meaning": system.parameters[n].meaning,
            }
            for n, v in system.parameter_values.items()
        },
        "events": {
            n: {"expression": e.expression, "direction": e.direction, "terminal": e.terminal, "meaning": e.meaning}
            for n, e in system.events.items()
        },
        "shocks": {
            n: {"assign": dict(s.assign), "unit": s.unit, "meaning": s.meaning} for n, s in system.shocks.items()
        },
        "measures": {n: {"expression": m.expression, "meaning": m.meaning} for n, m in system.measures.items()},
    }
    return {
        "name": system.name,
        "sha256": system.sha256,
        "time": system.time,
        "time_unit": system.time_unit,
        "equations": dict(system.equations),
        "definitions": dict(system.definitions),
        "observables": dict(system.observables),
        **parts,
    }


def _describe(system: Any) -> None:
    flow = system.time == "continuous"
    output.text(f"{system.name}: {system.time} time, unit {system.time_unit}")
    output.text()
    sides = [
        *((n, e) for n, e in system.definitions.items()),
        *((f"d {n}/dt" if flow else f"next {n}", e) for n, e in system.equations.items()),
    ]
    output.table(["equation", "", ""], [[left, "=", right] for left, right in sides])
    _describe_parts(system)


def _describe_parts(system: Any) -> None:
    start = system.initial_state()
    values = [[n, p.symbol or "", start[n], p.unit, p.meaning] for n, p in system.states.items()]
    output.text()
    output.table(["state", "symbol", "initial", "unit", "meaning"], values)
    values = [
        [n, system.parameters[n].symbol or "", v, system.parameters[n].unit, system.parameters[n].meaning]
        for n, v in system.parameter_values.items()
    ]
    if values:
        output.text()
        output.table(["parameter", "symbol", "value", "unit", "meaning"], values)
    for title, parts in (("event", system.events), ("shock", system.shocks), ("measure", system.measures)):
        if parts:
            output.text()
            output.table([title, "meaning"], [[n, part.meaning] for n, part in parts.items()])
