r"""Vulnerable banks: aggregate vulnerability, systemicness and indirect vulnerability of banks that restore their leverage.

Of the paper the abstract was read; the equations are the standard ones, and the published table of values could not be
verified, so none of it is claimed here. With assets :math:`A`, debt over equity :math:`B`, portfolio weights :math:`M`,
impact :math:`L`, the returns :math:`R_1 = M F_1` of a shock and total equity :math:`E_1`,

.. math::

    AV = -\frac{1^\top A M L M^\top A B R_1}{E_1}, \qquad
    S_n = -\frac{1^\top A M L M^\top A B\, \delta_n \delta_n^\top R_1}{E_1}, \qquad
    IV_n = -(1 + b_n)\, \delta_n^\top J R_1, \qquad J = M L M^\top A B .

All rounds together cost :math:`A^\top (1 - J)^{-1} R_1` iff the spectral radius of :math:`J` is below one.

On the EBA's figures of 2018 (a user's file) the banks have three classes: government bonds, company bonds, and the rest,
whose impact is zero or, in one variant, that of a single asset. The latter makes the numbers a hundred times larger:
aggregate vulnerability means nothing without the granularity of the assets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.orbits import iterate
from dynamics.papers import Claim, Computation, Context, Paper, PaperFigure, Reference
from dynamics.results import provenance

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]

FILE = "EBA 2018: eba_2018/banks_48.csv"
IMPACT = 1e-13  # per EUR: 10 billion sold lower a price by 10 basis points
DISJOINT, SHARED = ((1.0, 0.0), (0.0, 1.0)), ((0.5, 0.5), (0.5, 0.5))
GOVERNMENT, ALL = (1.0, 0.0, 0.0), (1.0, 1.0, 1.0)
# shock (direction, size): direct loss, first round and all rounds over equity, with two impacted classes
SHOCKS = {"government_20": (GOVERNMENT, 0.2, 0.26255, 0.07214, 0.36153),
          "government_50": (GOVERNMENT, 0.5, 0.65638, 0.18036, 0.90383), "all_1": (ALL, 0.01, 0.18643, 0.04349, 0.24604)}


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="greenwood_landier_thesmar_2015",
        reference=Reference("R. Greenwood, A. Landier, D. Thesmar", 2015, "Vulnerable banks",
                            "Journal of Financial Economics 115", "10.1016/j.jfineco.2014.11.006"),
        models=("vulnerable_banks",),
        kind="model check",
        computations=(
            Computation(one_bank, (
                _derived("one_bank", 0.42, 1e-12, "one bank and asset, A = 1e12, b = 20, all -1 %: l A b (1 + b) 1 %"),
                _derived("one_bank_radius", 2, 1e-9, "spectral radius: the ratio of successive rounds, l A b"),
            )),
            Computation(two_banks, (
                *(_derived(f"{name}_common", 0.42, 1e-12, f"two such banks, {name} portfolios, all -1 %")
                  for name in ("disjoint", "shared")),
                *(_derived(f"{name}_radius", 2, 1e-9, f"ratio of successive rounds, {name} portfolios")
                  for name in ("disjoint", "shared")),
                *(_derived(f"{name}_one_asset", 0.42, 1e-12, f"asset 1 alone -2 %, {name} portfolios")
                  for name in ("disjoint", "shared")),
                *(_derived(f"systemicness_{name}_{n + 1}", value, 1e-12, f"systemicness of {n + 1}, {name}, asset 1 -2 %")
                  for name, values in (("disjoint", (0.42, 0)), ("shared", (0.21, 0.21))) for n, value in enumerate(values)),
                *(_derived(f"indirect_{name}_{n + 1}", value, 1e-12,
                           f"indirect vulnerability of bank {n + 1}, {name}, asset 1 -2 %")
                  for name, values in (("disjoint", (0.84, 0)), ("shared", (0.42, 0.42))) for n, value in enumerate(values)),
            )),
            Computation(rounds_and_formulas, (
                Claim("rounds_are_the_formulas", True, location="matrix formulas", evidence="derived",
                      statement="systemicness of random banks adds up to aggregate vulnerability; rounds of the model are"
                                " powers of J"),
            )),
            Computation(banks_2018, (
                _earlier("radius", 0.2709, 5.1e-5, "spectral radius, government and company bonds impacted"),
                *(_earlier(f"{part}_{shock}", value, 5.1e-6, f"{what} over equity, {shock.replace('_', ' -')} %")
                  for shock, (_, _, *values) in SHOCKS.items()
                  for part, what, value in zip(("direct", "vulnerability", "all_rounds"),
                                               ("direct loss", "aggregate vulnerability", "direct loss and all rounds"),
                                               values, strict=True)),
                _earlier("radius_other", 34.27, 0.0051, "spectral radius, the rest as one more impacted class"),
                _earlier("vulnerability_other", 8.4268, 5.1e-5, "aggregate vulnerability then, government bonds -20 %"),
                _earlier("injected", 26.223e9, 5.1e5, "equity that caps b at 20", "EUR"),
                _earlier("vulnerability_change", -4.7, 0.051, "change of aggregate vulnerability by the cap", "percent"),
                _earlier("vulnerability_capped", 8.0331, 5.1e-5, "aggregate vulnerability after it, the rest impacted"),
            ), data=FILE),
        ),
        figures=(PaperFigure(
            "vulnerability", vulnerability, draw_vulnerability,
            "Systemicness (top) and indirect vulnerability (bottom) of banks, to be compared with the rankings of the paper:"
            " the fifteen most systemic banks of 2018 with government bonds at -20 % where the file is given, and the two"
            " identical banks with disjoint and shared portfolios, asset 1 at -2 %, where it is not.",
            panels=(2, 1), size=(6.4, 4.4), layout={"sharex": True}),),
    )


def _derived(name: str, value: float, tolerance: float, statement: str) -> Claim:
    return Claim(name, value, tolerance, "closed form", evidence="derived", statement=statement)


def _earlier(name: str, value: float, tolerance: float, statement: str, unit: str = "1") -> Claim:
    return Claim(name, value, tolerance, "our earlier run on the same file", unit, "earlier", statement=statement)


class _Measures:
    """What the model's rounds say about a shock: ``direction`` is the share of it that hits each class."""

    def __init__(self, banks: Any, direction: Any, size: float) -> None:
        values = banks.parameter_values
        self.banks, self.assets, self.debt = banks, np.array(values["assets"]), np.array(values["debt_to_equity"])
        self.equity = float(np.sum(self.assets/(1 + self.debt)))
        self.first = -size*np.array(values["weight"]) @ np.array(direction)

    def rounds(self, count: int, start: Any = None) -> Any:
        """Returns of the banks, shape (bank, round)."""
        return iterate(self.banks, count, {"bank_return": self.first if start is None else start})["bank_return"].values

    def loss(self, returns: Any) -> float:
        """Loss over total equity."""
        return float(-self.assets @ returns/self.equity)

    def systemicness(self) -> Any:
        """Loss of all banks through the sales of each."""
        alone = np.diag(self.first)
        return np.array([self.loss(self.rounds(1, row)[:, 1]) for row in alone])

    def indirect(self) -> Any:
        """Loss of each bank over its equity through the sales of all."""
        return -(1 + self.debt)*self.rounds(1)[:, 1]

    def radius(self) -> float:
        """Ratio of late rounds."""
        late = self.rounds(40)
        return float(np.linalg.norm(late[:, -1])/np.linalg.norm(late[:, -2]))


def one_bank(context: Context) -> dict[str, Any]:
    """The example with one bank and one asset."""
    found = _Measures(models.load("vulnerable_banks", weights=[[1]], assets=[1e12], debt_to_equity=[20], impact=[IMPACT]),
                      [1], 0.01)
    return {"one_bank": found.loss(found.rounds(1)[:, 1]), "one_bank_radius": found.radius()}


def _pair(weights: Any) -> Any:
    return models.load("vulnerable_banks", weights=weights, assets=[1e12]*2, debt_to_equity=[20]*2, impact=[IMPACT]*2)


def two_banks(context: Context) -> dict[str, Any]:
    """Two identical banks, with nothing and with everything in common."""
    found: dict[str, Any] = {}
    for name, weights in (("disjoint", DISJOINT), ("shared", SHARED)):
        common, one = _Measures(_pair(weights), [1, 1], 0.01), _Measures(_pair(weights), [1, 0], 0.02)
        found |= {f"{name}_common": common.loss(common.rounds(1)[:, 1]), f"{name}_radius": common.radius(),
                  f"{name}_one_asset": one.loss(one.rounds(1)[:, 1])}
        found |= {f"systemicness_{name}_{n + 1}": float(v) for n, v in enumerate(one.systemicness())}
        found |= {f"indirect_{name}_{n + 1}": float(v) for n, v in enumerate(one.indirect())}
    return found


def rounds_and_formulas(context: Context) -> dict[str, Any]:
    """Random balance sheets: the model's rounds against the matrix formulas."""
    generator = np.random.default_rng(np.random.SeedSequence(context.seeds("formulas", 1)))
    weights = generator.dirichlet(np.ones(4), 6)
    assets, debt, impact = generator.uniform(1, 9, 6)*1e11, generator.uniform(8, 30, 6), generator.uniform(0.2, 1, 4)*1e-13
    banks = models.load("vulnerable_banks", weights=weights.tolist(), assets=assets.tolist(), debt_to_equity=debt.tolist(),
                        impact=impact.tolist())
    found = _Measures(banks, generator.uniform(0, 1, 4), 0.05)
    matrix = weights @ np.diag(impact) @ weights.T @ np.diag(assets*debt)
    powers = np.column_stack([np.linalg.matrix_power(matrix, k) @ found.first for k in range(5)])
    total = found.loss(found.rounds(1)[:, 1])
    return {"rounds_are_the_formulas": np.allclose(found.rounds(4), powers, rtol=1e-10, atol=0)
            and bool(np.isclose(found.systemicness().sum(), total, rtol=1e-12))
            and bool(np.isclose(total, -assets @ matrix @ found.first/found.equity, rtol=1e-12))}


def _file(context: Context) -> tuple[Any, Any, Any, list[str]]:
    """Weights, assets, equity (EUR) and names of the banks of 2018."""
    from dynamics.data import eba_2018_banks

    file = eba_2018_banks.read(context.file("eba_2018/banks_48.csv"))
    equity = 1e6*file["equity"].values
    assets = equity/(file["leverage_ratio"].values/100)
    government, debt = 1e6*file["government_bonds"].values, 1e6*file["debt_securities"].values
    weights = np.column_stack([government, debt - government, assets - debt])/assets[:, None]
    return weights, assets, equity, [str(n) for n in file["bank"].values]


def _banks(weights: Any, assets: Any, equity: Any, impacted: tuple[int, int, int]) -> Any:
    return models.load("vulnerable_banks", weights=weights.tolist(), assets=assets.tolist(),
                       debt_to_equity=(assets/equity - 1).tolist(), impact=[IMPACT*v for v in impacted])


def banks_2018(context: Context) -> dict[str, Any]:
    """The banks of 2018, with the rest of their assets untouched and as one more class."""
    weights, assets, equity, _ = _file(context)
    found: dict[str, Any] = {}
    for name, (direction, size, *_) in SHOCKS.items():
        bonds = _Measures(_banks(weights, assets, equity, (1, 1, 0)), direction, size)
        rounds = bonds.rounds(60)
        found |= {f"direct_{name}": bonds.loss(rounds[:, 0]), f"vulnerability_{name}": bonds.loss(rounds[:, 1]),
                  f"all_rounds_{name}": bonds.loss(rounds.sum(axis=1)), "radius": bonds.radius()}
    other = _Measures(_banks(weights, assets, equity, (1, 1, 1)), GOVERNMENT, 0.2)
    capped = np.maximum(equity, assets/21)
    after = _Measures(_banks(weights, assets, capped, (1, 1, 1)), GOVERNMENT, 0.2)
    loss, capped_loss = (one.loss(one.rounds(1)[:, 1]) for one in (other, after))
    return found | {"radius_other": other.radius(), "vulnerability_other": loss, "vulnerability_capped": capped_loss,
                    "vulnerability_change": 100*(capped_loss/loss - 1), "injected": float((capped - equity).sum())}


def vulnerability(context: Context) -> xr.Dataset:
    """Systemicness and indirect vulnerability of each bank."""
    import xarray as xr

    if context.data is None:
        found = {name: _Measures(_pair(weights), [1, 0], 0.02) for name, weights in
                 (("disjoint", DISJOINT), ("shared", SHARED))}
        names, order = ["bank 1", "bank 2"], np.arange(2)
    else:
        weights, assets, equity, names = _file(context)
        found = {"government bonds -20 %": _Measures(_banks(weights, assets, equity, (1, 1, 0)), GOVERNMENT, 0.2)}
        order = np.argsort(-next(iter(found.values())).systemicness())[:15]
    return xr.Dataset({"systemicness": (("case", "bank"), np.array([one.systemicness()[order] for one in found.values()])),
                       "indirect": (("case", "bank"), np.array([one.indirect()[order] for one in found.values()]))},
                      coords={"case": list(found), "bank": [names[k] for k in order]},
                      attrs=provenance("figure", next(iter(found.values())).banks))


def draw_vulnerability(data: xr.Dataset, axes: Any) -> Any:
    """Bars, one colour for each case."""
    from dynamics.figures.style import BLUE, ORANGE

    place, width = np.arange(data.sizes["bank"]), 0.8/data.sizes["case"]
    for ax, name, label in zip(axes, ("systemicness", "indirect"), ("Systemicness (%)", "Indirect vulnerability (%)"),
                               strict=True):
        for k, (case, colour) in enumerate(zip(data["case"].values, (BLUE, ORANGE), strict=False)):
            ax.bar(place + (k - (data.sizes["case"] - 1)/2)*width, 100*data[name].isel(case=k), width, color=colour,
                   label=str(case))
        ax.set(ylabel=label)
    axes[1].set_xticks(place, data["bank"].values, rotation=0 if len(place) < 8 else 45)
    axes[0].legend()
    return axes
