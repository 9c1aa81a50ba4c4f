"""``dynamics integrate``, ``threshold`` and ``phase-diagram``: what has to be computed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from dynamics.cli import output
from dynamics.cli.options import (
    AsJson,
    Ignore,
    Mechanism,
    ModelFile,
    Name,
    Option,
    Set,
    assignments,
    axis,
    check_name,
    check_writable,
    number,
    size_of_shock,
    system_from,
)
from dynamics.errors import SpecificationError

__all__ = ["integrate", "phase_diagram", "threshold"]

RESULTS, PICTURES = (".nc", ".json", ".zarr"), (".png", ".pdf", ".svg")
# Beyond this share sold, impact per unit of current holdings is far from impact per unit of initial holdings.
MOST_SOLD = 0.63

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", show_default=False, help="Save the result: .nc, .json or .zarr."),
]
Figure = Annotated[
    Path | None,
    typer.Option("--figure", metavar="FILE", show_default=False, help="Draw the result: .png, .pdf or .svg."),
]
Duration = Annotated[
    float | None,
    typer.Option(
        "--duration",
        metavar="TIME",
        show_default=False,
        help="In the model's time unit; by default what its slowest eigenvalue needs.",
    ),
]
ShockSize = Annotated[
    str | None,
    typer.Option(
        "--shock", metavar="NAME=SIZE", show_default=False, help="A shock and its size, for example price=0.1."
    ),
]
EventName = Annotated[str, typer.Option("--event", metavar="NAME")]
Start = Annotated[
    list[str] | None,
    typer.Option("--state", metavar="NAME=VALUE", show_default=False, help="An initial value; may be repeated."),
]


def integrate(
    duration: Annotated[
        float, typer.Option("--duration", metavar="TIME", help="In the model's time unit.", show_default=False)
    ],
    name: Name = None,
    model_file: ModelFile = None,
    mechanism: Mechanism = None,
    set_: Set = None,
    option: Option = None,
    shock: ShockSize = None,
    state: Start = None,
    ignore: Ignore = None,
    save: Output = None,
    figure: Figure = None,
    json: AsJson = False,
) -> None:
    """Integrate a model, after a shock if one is given."""
    from dynamics.analysis import trajectories

    check_writable(save, RESULTS)
    check_writable(figure, PICTURES)
    system = system_from(name, model_file, mechanism, set_, option)
    start: Any = _start(state, system)
    if shock is not None:
        before = start
        start = trajectories.apply_shock(system, before, *size_of_shock(shock, system))
        if (ended := _ended(system, before, start)) is not None:
            raise SpecificationError(
                f"--shock {shock}: this shock itself causes the event '{ended}', and no trajectory follows"
            )
    with output.working(f"integrating {system.name}"):
        run = trajectories.integrate(system, duration, initial_state=start, ignore=ignore or ())
    document = {
        "system": system.name,
        "sha256": system.sha256,
        "duration": float(run["time"][-1]),
        "status": run.attrs["status"],
        "message": run.attrs.get("message", ""),
        "initial_state": run.attrs["initial_state"],
        "final": {str(n): v.values[..., -1] for n, v in run.data_vars.items() if "time" in v.dims},
        "events": [
            {"name": str(n), "time": float(t)}
            for n, t in zip(run["event_name"].values, run["event_time"].values, strict=True)
        ],
        "measures": run.attrs.get("measures", {}),
    }
    document |= _left_out(run.attrs) | _written(run, save, figure, _draw_trajectory)
    if json:
        output.as_json(document)
    else:
        output.text(f"{system.name}: {document['duration']:.6g} {system.time_unit}, {document['status']}")
        output.text()
        output.table(
            ["at the end", "value"], [[n, output.shown(output.plain_data(v))] for n, v in document["final"].items()]
        )
        for title, rows in (
            ("event", [[e["name"], e["time"]] for e in document["events"]]),
            ("measure", [[n, "none" if v is None else v] for n, v in document["measures"].items()]),
        ):
            if rows:
                output.text()
                output.table([title, "time" if title == "event" else "value"], rows)
        _files(document)
    _remark_on_depth(system, document["measures"])


def threshold(
    name: Name = None,
    model_file: ModelFile = None,
    mechanism: Mechanism = None,
    set_: Set = None,
    option: Option = None,
    shock: Annotated[str, typer.Option("--shock", metavar="NAME")] = "price",
    event: EventName = "insolvency",
    ramp: Annotated[float, typer.Option("--ramp", metavar="TIME", help="Spread the shock over this time.")] = 0.0,
    duration: Duration = None,
    tolerance: Annotated[float, typer.Option("--tolerance", help="Width of the final bracket.")] = 1e-9,
    one_direction: Annotated[
        bool, typer.Option("--one-direction", help="Do not look for a rise that does it.")
    ] = False,
    ignore: Ignore = None,
    save: Output = None,
    json: AsJson = False,
) -> None:
    """Find the smallest shock after which an event happens, in both directions."""
    from dynamics.analysis.thresholds import cascade_threshold

    check_writable(save, RESULTS)
    system = system_from(name, model_file, mechanism, set_, option)
    check_name(shock, system.shocks, "shock", system)
    if event != "any":
        check_name(event, system.events, "event", system)
    with output.working(f"searching the critical {shock} shock of {system.name}"):
        found = cascade_threshold(
            system,
            shock,
            event,
            duration=duration,
            tolerance=tolerance,
            ramp=ramp,
            both_directions=not one_direction,
            ignore=ignore or (),
        )
    document = {"system": system.name, "sha256": system.sha256, "parameters": system.parameter_values, **_record(found)}
    document |= _left_out(found.provenance) | _written(found, save, None, None)
    if json:
        output.as_json(document)
    else:
        spread = f" spread over {ramp:g} {system.time_unit}" if ramp else ""
        rows = [["fall" if shock == "price" else "positive", *_row(found)]]
        if found.opposite is not None:
            rows.append(["rise" if shock == "price" else "negative", *_row(found.opposite)])
        output.text(f"{system.name}: smallest {shock} shock{spread} that leads to {event}")
        output.text()
        output.table(["direction", "critical shock", "bracket", "status", "how"], rows)
        _files(document)
    _remark_on_depth(system, found.before)
    if found.status in ("not_settled", "open_bracket"):
        output.note(f"Error: the search did not decide: {found.message}. Give a longer --duration, or none")
        raise typer.Exit(1)


def phase_diagram(
    x: Annotated[
        str,
        typer.Option(
            "--x", metavar="NAME=LOW:HIGH:COUNT[:log]", show_default=False, help="A parameter, a state, or shock:NAME."
        ),
    ],
    y: Annotated[str, typer.Option("--y", metavar="NAME=LOW:HIGH:COUNT[:log]", show_default=False)],
    name: Name = None,
    model_file: ModelFile = None,
    mechanism: Mechanism = None,
    set_: Set = None,
    option: Option = None,
    shock: Annotated[
        str | None,
        typer.Option(
            "--shock",
            metavar="NAME=SIZE",
            show_default=False,
            help="The shock that hits every cell; by default price=0.1, or 0.1 of the model's only shock, or none.",
        ),
    ] = None,
    event: Annotated[
        str | None,
        typer.Option(
            "--event",
            metavar="NAME",
            show_default=False,
            help="What counts as a cascade; by default insolvency, or the model's first terminal event.",
        ),
    ] = None,
    state: Start = None,
    duration: Duration = None,
    ignore: Ignore = None,
    save: Output = None,
    figure: Figure = None,
    json: AsJson = False,
) -> None:
    """Map what a shock does over a plane of two parameters (states, shock sizes).

    Every cell starts at its own fixed point, or at the state that is given.
    """
    from dynamics.analysis.regimes import phase_diagram as computed

    check_writable(save, RESULTS)
    check_writable(figure, PICTURES)
    system = system_from(name, model_file, mechanism, set_, option)
    if event not in (None, "any"):
        check_name(event, system.events, "event", system)
    axes = [axis(x, "--x"), axis(y, "--y")]
    chosen: dict[str, Any] = {"initial_state": _start(state, system) or None, "ignore": ignore or ()}
    if shock is not None:
        chosen["shock"], chosen["magnitude"] = size_of_shock(shock, system)
    diagram = computed(system, axes[0], axes[1], event=event, duration=duration, progress=sys.stderr.isatty(), **chosen)
    meanings = diagram["regime"].attrs["flag_meanings"].split()
    counts = {
        meaning: int((diagram["regime"] == flag).sum())
        for flag, meaning in zip(diagram["regime"].attrs["flag_values"], meanings, strict=True)
    }
    document = {
        "system": system.name,
        "sha256": system.sha256,
        "x": axes[0][0],
        "y": axes[1][0],
        "shock": None if diagram.attrs.get("shock") == "none" else diagram.attrs.get("shock"),
        "magnitude": diagram.attrs.get("magnitude"),
        "cells": int(diagram["regime"].size),
        "regimes": {n: c for n, c in counts.items() if c},
        "message": diagram.attrs["message"],
        "boundaries": [{k: line.get(k) for k in ("label", "kind", "regime")} for line in diagram.attrs["boundaries"]],
    }
    document |= _left_out(diagram.attrs) | _written(diagram, save, figure, _draw_phase_diagram)
    if json:
        output.as_json(document)
        return
    size = f" of {document['magnitude']:g}" if document["magnitude"] is not None else ""
    hit = f"after a {document['shock']} shock{size}" if document["shock"] else "without a shock"
    output.text(f"{system.name}: {document['cells']} cells {hit}; {document['message']}")
    output.text()
    output.table(["regime", "cells"], [[n.replace("_", " "), c] for n, c in document["regimes"].items()])
    _files(document)


def _start(state: list[str] | None, system: Any) -> dict[str, float]:
    """Initial values by name."""
    start = {n: number(v, f"--state {n}") for n, v in assignments(state, "--state").items()}
    for n in start:
        check_name(n, system.states, "state", system)
    return start


def _ended(system: Any, before: Any, after: Any) -> str | None:
    """Name of the terminal event that a shock crosses by itself."""
    from sympy import Symbol

    exact = {**system.exact_parameters, Symbol("time"): 0}
    states = [{**system.initial_state(), **state} for state in (before, after)]
    for name, event in system.events.items():
        expression = system.resolve(system._parsed.events[name][0]).xreplace(exact)
        low, high = (float(expression.xreplace({Symbol(n): v for n, v in s.items()})) for s in states)
        falls, rises = low > 0 >= high, low < 0 <= high
        if event.terminal and {"falling": falls, "rising": rises, "both": falls or rises}[event.direction]:
            return name
    return None


def _record(found: Any) -> dict[str, Any]:
    document = {
        key: getattr(found, key)
        for key in (
            "value",
            "bracket",
            "status",
            "message",
            "evaluations",
            "shock",
            "event",
            "ramp",
            "before",
            "after",
            "transitions",
            "preceded_by",
        )
    }
    document["opposite"] = _record(found.opposite) if found.opposite is not None else None
    return document


def _row(found: Any) -> list[Any]:
    low, high = found.bracket
    none = f"between {low:.6g} and {high:.6g}" if found.status == "open_bracket" else "none"
    return [
        none if found.value != found.value else found.value,
        f"{low:.12g} .. {high:.12g}",
        found.status,
        found.message,
    ]


def _left_out(attributes: Any) -> dict[str, Any]:
    """What was ignored, said on stderr as well."""
    ignored = attributes.get("ignored")
    if not ignored:
        return {}
    output.note(f"left out: {', '.join(ignored)}")
    return {"ignored": ignored}


def _written(result: Any, save: Path | None, figure: Path | None, draw: Any) -> dict[str, str]:
    written = {}
    if save is not None:
        from dynamics import results

        written["output"] = str(results.save(result, save))
    if figure is not None:
        draw(result, figure)
        written["figure"] = str(figure)
    return written


def _draw_trajectory(run: Any, path: Path) -> None:
    from dynamics.figures import plot_trajectory

    _export(plot_trajectory(run)[0].figure, path)


def _draw_phase_diagram(diagram: Any, path: Path) -> None:
    from dynamics.figures import plot_phase_diagram

    _export(plot_phase_diagram(diagram).figure, path)


def _export(figure: Any, path: Path) -> None:
    from dynamics.results.atomic_files import replacing

    with replacing(path) as fresh:
        figure.savefig(fresh, format=path.suffix.removeprefix(".") or None, dpi=200, bbox_inches="tight")


def _files(document: dict[str, Any]) -> None:
    for key in ("output", "figure"):
        if key in document:
            output.note(f"written: {document[key]}")


def _remark_on_depth(system: Any, measures: Any) -> None:
    sold = (measures or {}).get("net_sold")
    if sold is not None and sold > MOST_SOLD and "log_holdings" not in system.states:
        output.note(
            f"Note: {sold:.0%} of the holdings are sold; with constant market depth the price impact of the last of "
            "them is overstated. Compare with --mechanism depletion."
        )
