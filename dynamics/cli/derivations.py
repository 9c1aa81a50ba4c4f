"""``dynamics derive``: fixed points, stability conditions and bifurcations in closed form."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dynamics.cli import output
from dynamics.cli.options import AsJson, Mechanism, ModelFile, Name, Option, Set, check_name, system_from
from dynamics.errors import DerivationError

__all__ = ["derive"]


def derive(
    name: Name = None,
    model_file: ModelFile = None,
    mechanism: Mechanism = None,
    set_: Set = None,
    option: Option = None,
    parameter: Annotated[
        str | None,
        typer.Option(
            "--parameter", metavar="NAME", show_default=False, help="Solve the conditions for this parameter."
        ),
    ] = None,
    latex: Annotated[bool, typer.Option("--latex", help="Write LaTeX instead of text.")] = False,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Also conditions of fixed points that are not admissible at the current values."),
    ] = False,
    json: AsJson = False,
) -> None:
    """Derive fixed points, stability conditions and bifurcations of a model."""
    from dynamics.analysis.equilibria import fixed_points

    system = system_from(name, model_file, mechanism, set_, option)
    if parameter is not None:
        check_name(parameter, system.parameters, "parameter", system)
    points = [(point, _conditions(system, point, parameter, everything)) for point in fixed_points(system)]
    extra = _theory(system, points)
    if json:
        output.as_json({**_document(system, points), **extra})
    elif latex:
        _latex(system, points)
    else:
        _text(system, points)
        _extra(extra)


def _theory(system: Any, points: list[Any]) -> dict[str, Any]:
    """Criticality of Hopf bifurcations, feedback loops at the first admissible point, and what was assumed."""
    from dynamics.analysis.equilibria import fixed_points
    from dynamics.analysis.feedback_loops import feedback_loops
    from dynamics.analysis.normal_forms import first_lyapunov_coefficient
    from dynamics.analysis.treatability import drift_note
    from dynamics.errors import DynamicsError
    from dynamics.expressions import text

    found: dict[str, Any] = {"feedback_loops": [], "criticality": [], "assumptions": [
        "parameters are generic values inside their bounds; a lower bound of 0 means strictly positive",
        "conditions are derived regime by regime; each holds where its fixed point lies in its own regime"]}
    if note := drift_note(system, "fixed_points"):
        found["assumptions"].append(note)
    point, conditions = next(((p, c) for p, c in points if p.admissible), (None, None))
    if point is None:
        return found
    try:
        found["feedback_loops"] = [
            {"path": list(loop.path), "polarity": loop.polarity, "gain": text(loop.gain), "value": loop.value}
            for loop in feedback_loops(system, point)]
    except DynamicsError:
        pass
    for bifurcation in (conditions or {}).get("bifurcations", ()):
        if bifurcation.kind == "hopf" and bifurcation.parameter and bifurcation.values:
            try:
                at = system.with_parameters({bifurcation.parameter: bifurcation.values[0]})
                there = next(p for p in fixed_points(at) if dict(p.state) == dict(point.state))
                coefficient = first_lyapunov_coefficient(at, there)
            except (DynamicsError, StopIteration):
                continue
            found["criticality"].append({
                "parameter": bifurcation.parameter, "value": bifurcation.values[0], "criticality": coefficient.criticality,
                "first_lyapunov_coefficient": coefficient.value,
                "expression": None if coefficient.expression is None else text(coefficient.expression),
                "valid_where": text(coefficient.valid_where)})
    return found


def _extra(found: dict[str, Any]) -> None:
    for item in found["criticality"]:
        output.text()
        output.text(f"Hopf bifurcation at {item['parameter']} = {item['value']:.12g}: {item['criticality']}, first Lyapunov "
                    f"coefficient {item['first_lyapunov_coefficient']:.10g}")
        if item["expression"]:
            output.text(f"  = {item['expression']}")
    if found["feedback_loops"]:
        output.text()
        output.text("feedback loops at the first fixed point")
        output.table(["path", "polarity", "gain", "value"], [
            [" > ".join(loop["path"]), loop["polarity"], loop["gain"], "" if loop["value"] is None else loop["value"]]
            for loop in found["feedback_loops"]])
    output.text()
    for assumption in found["assumptions"]:
        output.text(f"assumed: {assumption}")


def _conditions(system: Any, point: Any, parameter: str | None, everything: bool) -> dict[str, Any] | None:
    """Closed-form conditions of a point; None where they are not wanted or there is no closed form."""
    from dynamics.analysis.stability import bifurcation_conditions, region, stability_conditions

    if point.exactness != "exact" or not (point.admissible or everything):
        return None
    try:
        return {
            "stability": stability_conditions(system, point),
            "region": region(system, point, parameter),
            "bifurcations": bifurcation_conditions(system, point, parameter),
        }
    except DerivationError as error:
        return {"failed": str(error)}


def _document(system: Any, points: list[Any]) -> dict[str, Any]:
    from dynamics.expressions import text

    documents = []
    for point, found in points:
        document = {
            "state": {n: text(e) for n, e in point.state.items()},
            "values": dict(point.values),
            "eigenvalues": list(point.eigenvalues),
            "stability": point.stability,
            "kind": point.kind,
            "admissible": point.admissible,
            "remark": point.remark,
            "free": list(point.free),
            "regime": dict(point.regime),
            "valid_where": text(point.valid_where),
            "exactness": point.exactness,
        }
        if found is not None and "failed" in found:
            document["not_derived"] = found["failed"]
        elif found is not None:
            document["stability_conditions"] = [
                {
                    "expression": text(c.expression),
                    "bifurcation": c.bifurcation,
                    "value": c.value,
                    "valid_where": text(c.valid_where),
                }
                for c in found["stability"]
            ]
            document["region"] = text(found["region"])
            document["bifurcations"] = [
                {
                    "kind": b.kind,
                    "parameter": b.parameter,
                    "solutions": [text(s) for s in b.solutions],
                    "values": list(b.values),
                    "valid_where": text(b.valid_where),
                }
                for b in found["bifurcations"]
            ]
        documents.append(document)
    return {
        "system": system.name,
        "sha256": system.sha256,
        "parameters": system.parameter_values,
        "fixed_points": documents,
    }


def _text(system: Any, points: list[Any]) -> None:
    from dynamics.expressions import text

    output.text(repr(system))
    output.text()
    families = sum(bool(point.free) for point, _ in points)
    isolated = len(points) - families
    counted = [f"{isolated} fixed point{'' if isolated == 1 else 's'}"] if isolated or not families else []
    counted += [f"{families} famil{'y' if families == 1 else 'ies'} of rests"] if families else []
    output.text(" and ".join(counted))
    for number, (point, found) in enumerate(points, 1):
        output.text()
        output.text(
            f"{number}. {point.kind}, {point.exactness}"
            + ("" if point.admissible else f"; not admissible: {point.remark}")
        )
        exact = point.exactness == "exact"
        output.table(
            ["state", "value", "closed form"] if exact else ["state", "value"],
            [[n, point.values[n], text(e)][: 3 if exact else 2] for n, e in point.state.items()],
        )
        output.text(
            ("multipliers: " if point.time == "discrete" else "eigenvalues: ")
            + ", ".join(output.shown(z) for z in point.eigenvalues)
        )
        output.text(f"valid: {_where(point.valid_where)}")
        if found is None:
            if point.admissible:
                output.text("no closed form: its stability is known at the current values only")
            continue
        if "failed" in found:
            output.text(f"not derived: {found['failed']}")
            continue
        for condition in found["stability"]:
            output.text(f"stable where {text(condition.expression)} > 0 ({condition.bifurcation} where it is 0)")
        output.text(f"region: {text(found['region'])}")
        for bifurcation in found["bifurcations"]:
            for k, solution in enumerate(bifurcation.solutions):
                here = f" = {bifurcation.values[k]:.12g}" if k < len(bifurcation.values) else ""
                output.text(
                    f"{bifurcation.kind} at {bifurcation.parameter} = {text(solution)}{here}, "
                    f"valid: {_where(bifurcation.valid_where)}"
                )


def _where(condition: Any) -> str:
    from dynamics.expressions import text

    return {"True": "always", "False": "never"}.get(text(condition)) or f"where {text(condition)}"


def _latex(system: Any, points: list[Any]) -> None:
    from sympy import Symbol

    from dynamics.expressions import latex

    spelled = system.symbol_spellings()
    output.text(f"% {system.name}")
    output.text(rf"\[{system.latex()}\]")
    for number, (point, found) in enumerate(points, 1):
        output.text()
        output.text(
            f"% fixed point {number}: {point.kind}, {point.exactness}"
            + ("" if point.admissible else f"; not admissible: {point.remark}")
        )
        output.text(
            r"\["
            + r",\quad ".join(f"{latex(Symbol(n), spelled)} = {latex(e, spelled)}" for n, e in point.state.items())
            + r"\]"
        )
        if found is None:
            continue
        if "failed" in found:
            output.text(f"% not derived: {found['failed']}")
            continue
        for condition in found["stability"]:
            output.text(f"% stable where; {condition.bifurcation} on the boundary")
            output.text(rf"\[{condition.latex}\]")
        for bifurcation in found["bifurcations"]:
            if bifurcation.solutions:
                output.text(f"% {bifurcation.kind}")
                output.text(rf"\[{bifurcation.latex}\]")
