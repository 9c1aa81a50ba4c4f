r"""Terra's virtual pool: capacity is the size of the pool over its recovery time, so proposals multiplied the run.

The swap and the replenishment are those of the market module's source, and the effect of two proposals is stated on the
forum: four times the capacity for proposal 1164 ("293 million to about 1200 million"), about 720 times for the emergency
proposal. The law is derived: at the spread :math:`s` the inflow :math:`(B/n)(1/\sqrt{1 - s} - 1)` can go on for ever.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.equilibria import fixed_points
from dynamics.analysis.orbits import iterate
from dynamics.papers import Claim, Computation, Context, Paper, PaperFigure, Reference
from dynamics.results import provenance
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]

# size of the pool in coins and blocks of recovery
BEFORE, PROPOSED, EMERGENCY = (50e6, 36), (100e6, 18), (1000e6, 1)
DAILY = 293.0  # million a day that the forum gives before the proposal


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="terra",
        reference=Reference("Terra", 2022, "Market module: swap and keeper; forum, proposal 1164", "source code of the"
                                                                                                   " chain"),
        models=("virtual_pool",),
        computations=(
            Computation(swaps, (
                Claim("constant_product", True, location="swap.go", evidence="code",
                      statement="a swap keeps the product of the two sides of the pool"),
                Claim("least_spread_holds", True, location="swap.go", evidence="code",
                      statement="the spread is never below its floor"),
            )),
            Computation(replenishment, (
                Claim("replenishing_factor", 35/36, 1e-9, "keeper source", evidence="code",
                      statement="the offset shrinks by 1 - 1/n a block, here n = 36"),
                Claim("offset_at_rest", 700_000.0, 1e-6, "closed form", evidence="derived",
                      statement="offset at rest under an inflow of 20 000 coins a block, (n - 1) a"),
            )),
            Computation(capacities, (
                Claim("proposal_1164_daily", 1200.0, 0.05, "forum, proposal 1164: about 1200 million", "1e6/day", "text",
                      relative=True,
                      statement="capacity after the proposal, from 293 million a day before it"),
                Claim("proposal_1164_ratio", 4.0, 1e-4, "closed form", evidence="derived",
                      statement="capacity after proposal 1164 over that before: twice the pool, twice the speed"),
                Claim("emergency_ratio", 720.0, 0.01, "forum, emergency proposal: about 720 times", "1", "text", True,
                      statement="capacity after the emergency proposal over that before"),
                Claim("capacity_law", True, location="closed form", evidence="derived",
                      statement="capacity is (B/n)(1/sqrt(1 - s) - 1) at spreads from 1 to 50 percent"),
            )),
        ),
        figures=(PaperFigure(
            "capacity", capacity_curves, draw_capacity_curves,
            "Spread of a swap over the inflow that goes on for ever, before and after proposal 1164 and under the emergency "
            "proposal; dotted: the law.", size=(3.4, 2.8)),),
    )


def _pool(setting: tuple[float, float], **values: float) -> System:
    return models.load("virtual_pool").with_parameters(base_pool=setting[0], recovery_blocks=setting[1], **values)


def swaps(context: Context) -> dict[str, Any]:
    """Swaps large and small."""
    run = iterate(_pool(BEFORE, inflow=3e6, least_spread=0), 20)
    received = 3e6*(1 - run["spread"].values)
    products = (50e6 + run["offset"].values + 3e6)*(run["sister_pool"].values - received)
    floors = [float(iterate(_pool(BEFORE, inflow=a, least_spread=0.02), 30)["spread"].min()) for a in (1.0, 1e4, 1e6)]
    return {"constant_product": bool(np.allclose(products, 2.5e15, rtol=1e-12)),
            "least_spread_holds": min(floors) == 0.02}


def replenishment(context: Context) -> dict[str, Any]:
    """The fixed point and its slope."""
    (point,) = fixed_points(_pool(BEFORE, inflow=20_000))
    return {"replenishing_factor": point.eigenvalues[0].real, "offset_at_rest": point.values["offset"]}


def _capacity(setting: tuple[float, float], spread: float = 0.05) -> float:
    """Inflow a block that replenishment takes back at the offset where a small swap pays the spread."""
    from scipy.optimize import brentq

    marginal = _pool(setting, inflow=1.0, least_spread=0)

    def excess(offset: float) -> float:
        return float(iterate(marginal, 0, {"offset": offset})["spread"][0]) - spread

    offset = brentq(excess, 0, 2*setting[0])
    return offset - float(iterate(_pool(setting, inflow=1e-9), 1, {"offset": offset})["offset"][-1])


def capacities(context: Context) -> dict[str, Any]:
    """Capacities of three settings, and the law."""
    before, proposed, emergency = (_capacity(setting) for setting in (BEFORE, PROPOSED, EMERGENCY))
    law = [math.isclose(_capacity(BEFORE, s), 50e6/36*(1/math.sqrt(1 - s) - 1), rel_tol=1e-4)
           for s in (0.01, 0.05, 0.2, 0.5)]
    return {"proposal_1164_daily": DAILY*proposed/before, "proposal_1164_ratio": proposed/before,
            "emergency_ratio": emergency/before, "capacity_law": all(law)}


def capacity_curves(context: Context) -> xr.Dataset:
    """Sustained inflow a block over the spread."""
    import xarray as xr

    spreads = np.geomspace(0.002, 0.6, context.size(60, 12))
    settings = {"before": BEFORE, "proposal 1164": PROPOSED, "emergency": EMERGENCY}
    inflow = [[_capacity(setting, float(s)) for s in spreads] for setting in settings.values()]
    law = [[b/n*(1/math.sqrt(1 - s) - 1) for s in spreads] for b, n in settings.values()]
    return xr.Dataset({"inflow": (("setting", "spread"), inflow), "law": (("setting", "spread"), law)},
                      coords={"setting": list(settings), "spread": spreads},
                      attrs=provenance("capacity", models.load("virtual_pool")))


def draw_capacity_curves(data: xr.Dataset, ax: Any) -> Any:
    """Spread over inflow, logarithmic."""
    from dynamics.figures.style import BLACK, CYCLE

    for name, colour in zip(data["setting"].values, CYCLE, strict=False):
        one = data.sel(setting=name)
        ax.plot(one["inflow"]/1e6, 100*one["spread"], color=colour, label=str(name))
        ax.plot(one["law"]/1e6, 100*one["spread"], color=BLACK, linestyle=":", linewidth=0.9)
    ax.set(xscale="log", xlabel="Inflow that goes on for ever (million coins/block)", ylabel="Spread (%)")
    ax.legend(loc="upper left")
    return ax
