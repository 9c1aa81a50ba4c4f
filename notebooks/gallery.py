"""Draw the README's figures: ``python notebooks/gallery.py`` writes notebooks/gallery/*.png."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

import dynamics as dy

mpl.use("Agg")
FOLDER = Path(__file__).with_name("gallery")


def save(axes: object, name: str) -> None:
    """Write the figure that an Axes belongs to."""
    figure = np.ravel(axes)[0].figure  # type: ignore[call-overload]
    figure.savefig(FOLDER / f"{name}.png", dpi=200, metadata={"Software": None})


def bifurcations(system: dy.System) -> None:
    """Draw what theory knows of stability lost: cycles, folds, doublings."""
    hopf = dy.continue_fixed_points(system, "target_leverage", (2, 30))["HB1"]
    save(dy.plot_cycles(dy.continue_cycles(system, hopf, "target_leverage", (10.68, 11.2)), "price_gap", "equity_ratio"),
         "cycles")
    spiral = dy.models.load("margin_spiral")
    save(dy.plot_bifurcation_diagram(dy.bifurcation_diagram(spiral, "capital", (600, 900), cycles=False)), "margin_spiral")
    bank = dy.models.load("unimodal_leverage")
    orbits = {"memory": np.linspace(0.273, 0.65, 1600), "leverage": np.linspace(10, 95, 60)}
    save(dy.plot_sweep(dy.sweep(bank, orbits, "leverage", duration=1000), dots=True), "chaos")


def falls(system: dy.System) -> None:
    """Draw bitcoin's daily falls against the critical shocks of three leverages."""
    leverage = np.array([3.0, 5.0, 10.0])
    at_once, ramp = (dy.critical_shocks(system, "target_leverage", leverage, ramp=days, tolerance=1e-4)
                     for days in (0.0, 1.0))
    returns = dy.data.log_returns(dy.data.sample("bitcoin_price"))
    comparison = dy.compare_falls(returns, {"leverage": leverage, "instantaneous": at_once["threshold"].values,
                                            "ramp": ramp["threshold"].values, "total_fall": ramp["fall"].values})
    save(dy.plot_observed_falls(returns, comparison), "observed_falls")


def main() -> None:
    """Draw everything; about a minute."""
    system = dy.models.load("deleveraging")
    depleting = dy.compose(system, "depletion")
    diagram = dy.phase_diagram(system, x=("price_impact", np.geomspace(0.03, 1.5, 128)),
                               y=("target_leverage", np.geomspace(1.5, 40, 128)), shock="price", magnitude=0.05)
    save(dy.plot_phase_diagram(diagram), "phase_diagram")

    leverage = np.concatenate([np.linspace(3, 9.5, 14), [9.8, 10.1, 10.4, 10.6]])
    curves = {"constant depth": dy.critical_shocks(system, "target_leverage", leverage, tolerance=1e-4),
              "depleting": dy.critical_shocks(depleting, "target_leverage", leverage, tolerance=1e-4),
              "one-day ramp": dy.critical_shocks(system, "target_leverage", leverage, ramp=1.0, tolerance=1e-4)}
    save(dy.plot_critical_shock(curves), "critical_shock")

    shallow = depleting.with_parameters(price_impact=0.1)
    run = dy.integrate(shallow, 1.5, dy.apply_shock(shallow, shallow.initial_state(), "price", 0.192))
    save(dy.plot_trajectory(run, ["price_gap", "equity_ratio", "voluntary_flow", "forced_sales"]), "trajectory")
    save(dy.plot_phase_portrait(system.with_parameters(target_leverage=10.7), "price_gap", "equity_ratio",
                                x_range=(-0.3, 0.1), y_range=(0, 0.25),
                                slaved={"liquidation_flow": "margin_call_rate"}), "phase_portrait")

    save(dy.plot_feedback_loops(system), "feedback_loops")
    bifurcations(system)
    falls(depleting)

    cascade = dy.models.load("liquidation_cascade")
    save(dy.plot_cobweb(cascade.with_parameters(initial_fall=0.0385)), "cobweb")
    save(dy.plot_hysteresis(cascade, "initial_fall", np.linspace(0, 0.06, 200)), "hysteresis")
    save(dy.plot_cusp(cascade, "initial_fall", "total_impact"), "cusp")


if __name__ == "__main__":
    main()
