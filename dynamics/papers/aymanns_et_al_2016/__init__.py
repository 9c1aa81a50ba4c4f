r"""Basel leverage cycle: critical leverage, chaotic cycles, and the small basin of the fixed point below it.

The equations, parameters, the noise convention and the measure of shortfall are those of the authors' program; of the paper
only the abstract could be read. Total net cash is conserved; the local critical leverage solves a cubic and does not depend
on the cyclicality :math:`b`. Four findings differ from what was printed, reported or computed before. The abstract has the
fixed point reached below the critical leverage; there it coexists with a cycle, and less than a thousandth of the price
decides. Cycles last somewhat longer than 10 to 15 years. The Lyapunov exponent is positive but small, about 0.08 a year: two
copies in double precision, the method of the program, give ten times as much, because rounding feeds the separation while
the exact one shrinks between crashes; in 50 digits, or with exact derivatives, that is gone. And of the best policies of
three banks, as others report them, that of the middling one lies nearer to constant leverage.
"""

from __future__ import annotations

from dynamics.papers import Claim, Computation, Paper, PaperFigure, Reference
from dynamics.papers.aymanns_et_al_2016.cycles import (
    BASIN,
    CYCLES,
    CYCLING,
    POLICIES,
    SCATTER,
    SPACINGS,
    basin,
    cycle_name,
    exponents,
    key,
    noisy_large_bank,
    range_name,
    scenarios,
)
from dynamics.papers.aymanns_et_al_2016.figures import (
    critical_curves,
    draw_critical_curves,
    draw_policies,
    draw_series,
    series,
)
from dynamics.papers.aymanns_et_al_2016.linear import STEPS, continuous_time, critical_leverage, flow_cycle, spectrum
from dynamics.papers.aymanns_et_al_2016.policies import SCENARIOS, best_policies, frontier, policies_elsewhere

__all__ = ["paper"]

# target equity, speed of adjustment: critical leverage and bank's share there
CRITICAL = {"large_theta_10": (2.26689, 10, 8.6405666, 0.2350466), "large_theta_95": (2.26689, 9.5, 8.8414913, 0.2405123),
            "large_theta_5": (2.26689, 5, 11.8517765, 0.3224001), "large_theta_1": (2.26689, 1, 25.5084962, 0.6938995),
            "equity_1": (1.0, 10, 12.5433030, 0.1505196), "equity_05": (0.5, 10, 17.3675219, 0.1042051),
            "small": (1e-5, 10, 3690.90, 4.429e-4)}
SMALL_EXPONENT = ("The earlier exponents followed two copies of the orbit in double precision and rescaled them at every"
                  " step."
                  " Between crashes the exact separation shrinks by ten orders of magnitude; rounding does not let the"
                  " computed one, and the next crash amplifies what rounding left. The result depends on the separation:"
                  " 0.04 for 1e-3, 0.07 for 1e-5, 0.10 for 1e-7, 0.12 for 1e-9. With exact derivatives, and in 50 digits for"
                  " separations from 1e-7 to 1e-30 alike, it is about 0.008 per step: positive, but thirteen times smaller.")

MIDDLING = ("Under weak noise the least shortfall of a bank of relative size 0.1 is at b = -0.09, by gains and losses before"
            " equity is redistributed at -0.11; under strong noise at -0.36. Both optima are flat. The reported value needs"
            " noise whose variance is three to five times that of the weak one, 0.03 to 0.04 per step instead of 0.009: what"
            " the notes call weaker for this bank may be weaker than strong, not the weak noise of the table.")

FLOW_RANGE = ("The range depends on the level of the conserved cash and so on the start: starts within 1 of the price at"
              " rest give 13.5 to 14.0 and 30.7 to 30.8. The lowest price lasts for weeks; start and sampling of the earlier"
              " run, which missed it, are not recorded.")


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="aymanns_et_al_2016",
        reference=Reference("C. Aymanns, F. Caccioli, J. D. Farmer, V. W. C. Tan", 2016, "Taming the Basel leverage cycle",
                            "Journal of Financial Stability 27", "10.48550/arXiv.1507.04136"),
        models=("basel_leverage_cycle", "basel_leverage_cycle_ode"),
        computations=(
            Computation(critical_leverage, (*(claim for name, (equity, speed, leverage, share) in CRITICAL.items()
                                              for claim in (
                _closed(f"critical_leverage_{name}", leverage, 5e-8 if leverage < 99 else 5e-3,
                        f"critical leverage for target equity {equity:g}, theta {speed:g}"),
                _closed(f"critical_share_{name}", share, 5e-8, "share of the asset that the bank holds there"))),
                _closed("critical_leverage_slow_reversion", 8.7049861135, 5e-11, "critical leverage for rho = 1e-9"),
                _closed("critical_leverage_no_reversion", 8.7049861142, 5.1e-11, "critical leverage for rho = 0"),
                Claim("slow_adjustment_helps", True, location="abstract", evidence="abstract",
                      statement="slower adjustment raises the critical leverage"),
                Claim("independent_of_policy", True, location="notes on the paper", evidence="third party",
                      statement="the local critical leverage does not depend on b"),
            )),
            Computation(spectrum, (
                _closed("unstable_pair_real", 0.7039146, 5e-8, "real part of the pair at leverage 10, theta 9.5"),
                _closed("unstable_pair_imaginary", 0.8867128, 5e-8, "imaginary part of the pair at leverage 10, theta 9.5"),
                _closed("slow_multiplier", 0.9857263, 5e-8, "slowest real multiplier at leverage 10, theta 9.5"),
                _closed("share_at_ten", 0.2720268, 5e-8, "bank's share at leverage 10"),
                _closed("unstable_modulus", 1.132, 5e-4, "modulus of that pair"),
                _closed("memory_multiplier", 0.95, 1e-9, "multiplier of the perceived variance, 1 - tau delta, there"),
                _closed("neutral_multiplier", 1.0, 1e-9, "multiplier along the line of fixed points, there"),
                _closed("price_before_multiplier", 0.0, 1e-9, "multiplier of the price before, there"),
                _closed("share_at_75", 2.04, 0.005, "share of a bank with risk factor 0.075 and target equity 2.27 at rest,"
                                                    " more than there is"),
                Claim("cubic_spectrum", True, location="closed form", evidence="derived",
                      statement="at twelve leverages, sizes and speeds the multipliers are 0, 1, 1 - tau delta and 1 + tau"
                                " s, s the roots of the cubic"),
                _closed("critical_pair_real", 0.5359773, 5e-8, "real part of the pair at the critical leverage",
                        explanation="At the critical leverage the cubic gives 0.535977248, which rounds to 0.5359772: the"
                                    " last digit is one too high."),
                _closed("critical_pair_imaginary", 0.8442324, 5e-8, "imaginary part of the pair at the critical leverage"),
                _closed("linear_period", 0.625, 5e-4, "period of the oscillation at the critical leverage", "year"),
                _closed("critical_equity_theta_10", 5.7135, 5e-5, "bank size at which leverage 5.8 is critical, theta"
                                                                  " 10", "USD"),
                _closed("critical_size_theta_10", 1.100, 5e-4, "relative size of that bank"),
                _closed("critical_size_theta_95", 1.201, 5e-4, "relative size of the next bank"),
                _closed("critical_equity_theta_95", 6.0166, 5e-5, "bank size at which leverage 5.8 is critical, theta 9.5",
                        "USD"),
            )),
            Computation(continuous_time, (
                _closed("hopf_leverage", 11.930565, 5e-7, "Hopf point of the continuous-time limit"),
                _closed("pair_at_119_real", -0.04895, 5e-6, "real part of the pair at leverage 11.9", "1/year"),
                _closed("pair_at_1196_real", 0.04724, 5e-6, "real part of the pair at leverage 11.96", "1/year"),
                _closed("pair_at_119_imaginary", 9.53497, 5e-6, "imaginary part of the pair at leverage 11.9", "1/year"),
                _closed("pair_at_1196_imaginary", 9.53325, 5e-6, "imaginary part of the pair at leverage 11.96", "1/year"),
                _closed("memory_rate", -0.5, 1e-9, "rate of the perceived variance, from exact derivatives", "1/year"),
                *(_earlier(f"memory_rate_step_{-power}", value, width, f"the same by a difference of 1e{power}, leverage 8",
                           "1/year") for power, (value, width) in STEPS.items()),
            )),
            Computation(flow_cycle, (
                _earlier("flow_lowest_price", 17.5, 0.1, "lowest price of the cycle, risk factor 0.0125", "USD", FLOW_RANGE),
                _earlier("flow_highest_price", 29.8, 0.1, "highest price of the cycle, risk factor 0.0125", "USD",
                         FLOW_RANGE),
                _earlier("flow_lowest_leverage", 0.20, 0.005, "lowest leverage of the cycle, risk factor 0.0125", "1",
                         FLOW_RANGE),
                _earlier("flow_highest_leverage", 11.6, 0.05, "highest leverage of the cycle, risk factor 0.0125", "1",
                         FLOW_RANGE),
                Claim("flow_conserves_cash", True, location="closed form", evidence="derived",
                      statement="net cash drifts by less than 1e-6 over 200 years"),
            ), fast=False),
            Computation(scenarios, (*(claim for name, values in CYCLES.items() for claim in (
                _cycle(name, "lowest_price", values[0], SCATTER[name][0], "USD"),
                _cycle(name, "highest_price", values[1], SCATTER[name][1], "USD"),
                _cycle(name, "median_leverage", values[2], SCATTER[name][2]),
                _cycle(name, "smallest_equity", values[3], SCATTER[name][3], "USD"))),
                Claim("cycle_length", 12.5, band=(10, 15), location="abstract", unit="year", evidence="abstract",
                      statement="cycles of a large bank last 10 to 15 years",
                      explanation="Without noise the price rises through the middle of its range every 15 to 17 years, for"
                                  " risk factors 0.075 to 0.01, and the autocorrelation says the same. The order is as"
                                  " printed, somewhat longer; the printed range may include noise."),
                *(Claim(f"peak_spacing_{key(name)}", (low + high)/2, location="our earlier run", unit="year",
                        evidence="earlier", band=(low, high),
                        statement=f"years from peak to peak of the price, risk factor {name}")
                  for name, (low, high) in SPACINGS.items()),
                Claim("three_regions", True, location="abstract", evidence="abstract",
                      statement="three regions: rest, bounded cycles, and divergence (risk factors 0.0015, 0.02 and 0.15)"),
                Claim("equity_goes_negative", True, location="our earlier run", evidence="earlier",
                      statement="inside cycles of risk factor 0.075 the bank's equity becomes negative"),
                Claim("bounded_at_012", True, location="our earlier run", evidence="earlier",
                      statement="the orbit is bounded for risk factor 0.12 and diverges for 0.15"),
                Claim("small_bank_rests", True, location="notes on the paper, scenario i", evidence="third party",
                      statement="without noise a small bank stays at price 25 and leverage 75"),
                Claim("cash_is_conserved", True, location="closed form", evidence="derived",
                      statement="net cash is conserved to 1e-10 by 5000 steps, with and without noise"),
            )),
            Computation(exponents, (*(
                _earlier(f"exponent_{key(name)}", values[4], 0.01, f"Lyapunov exponent per step, risk factor {name}",
                         explanation=SMALL_EXPONENT) for name, values in CYCLES.items()),
                Claim("chaotic", True, location="abstract", evidence="abstract",
                      statement="without noise a large bank cycles chaotically: the largest exponent is positive"),
            ), fast=False),
            Computation(noisy_large_bank, (
                Claim("target_leverage_of_policies", 5.8, 0.025, "notes on the policy experiment", "1", "third party", True,
                      statement="mean leverage of a large bank under weak noise, risk factor 0.075"),
                Claim("relative_size_of_policies", 0.27, 0.01, "notes on the policy experiment", "1", "third party", True,
                      statement="mean relative size of a large bank under weak noise"),
                _earlier("mean_leverage", 5.94, 0.05, "mean leverage"),
                _earlier("relative_size", 0.2717, 0.0023, "mean relative size"),
                _earlier("return_deviation", 0.01427, 3e-4, "standard deviation of returns per step"),
                _earlier("equity_shortfall", -0.0861, 0.0017, "realised shortfall of equity",
                         explanation="The measure as restated from the authors' program (mean of the worst 5 percent of log"
                                     " equity returns among steps with a falling price) gives -0.093, here and in a plain"
                                     " loop; leverage, size and return deviation of the same series agree. The earlier value"
                                     " fits relative changes of equity in place of log returns, whose mean is -0.089."),
                Claim("irregular_cycle", True, location="notes on the paper, scenario iv", evidence="third party",
                      statement="with noise the large bank cycles irregularly: the length of a cycle varies by a quarter or"
                                " more"),
                _earlier("noisy_lowest_price", 18, 0.5, "lowest price of six runs under weak noise", "USD"),
                _earlier("noisy_highest_price", 32, 0.5, "highest price of six runs under weak noise", "USD"),
                _earlier("mean_leverage_other_noise", 6.6, 0.15, "mean leverage with noise scaled by sqrt(tau)"),
                _earlier("relative_size_other_noise", 0.303, 0.005, "mean relative size with noise scaled by sqrt(tau)"),
            )),
            Computation(best_policies, (*(
                Claim(f"best_policy_{name}", b, 0.05, "notes on the policy experiment", "1", "third party",
                      statement=f"b of least shortfall at mean leverage 5.8: {name} bank, relative size {size:g}, {noise}"
                                " noise", explanation=MIDDLING if name == "middling" else "")
                for name, (size, noise, b) in SCENARIOS.items()),
                Claim("nearer_to_constant_for_larger_banks", True, location="abstract", evidence="abstract",
                      statement="value at risk (b near -1/2) is best where noise is high and the bank small, a policy closer"
                                " to constant leverage where the bank is large"),
            ), fast=False),
            Computation(policies_elsewhere, (
                Claim("nearer_to_constant_for_weaker_noise", True, location="abstract", evidence="abstract",
                      statement="at each of the three sizes the best b is lower under strong noise than under weak noise"),
                Claim("nearer_to_constant_for_more_leverage", True, location="abstract", evidence="abstract",
                      statement="the best b of a middling bank under strong noise rises with mean leverage, 3 to 5.8 to 9"),
            ), fast=False),
            Computation(basin, (
                Claim("fixed_point_always_reached", True, location="abstract of the discussion paper", evidence="abstract",
                      statement="in the stable region the system always reaches the fixed point",
                      explanation="For b = -1/2 and leverage 2 to 8, all below the critical 8.64, the fixed point"
                                  " attracts only"
                                  " small perturbations: d(target)/d(variance) is a million at variance zero, so a price"
                                  " off by"
                                  " 0.01 in 25 starts a full cycle that never ends. The journal's abstract is softer."),
                *(_earlier(range_name(leverage, off), value, 0.15,
                           f"range of the price after a price off by {off:g}, leverage {leverage:g}", "USD",
                           explanation="At leverage 7 the edge of the basin lies at a perturbation of 0.0009: the"
                                       " earlier run was"
                                       " on its other side, by another start of the price before."
                           if (leverage, off) == (7, 0.001) else "") for (leverage, off), value in BASIN.items()),
                *(Claim(cycle_name(leverage, off), True, location="our earlier run", evidence="earlier",
                        statement=f"leverage {leverage:g}, price off by {off:g}: cycle") for leverage, off in CYCLING),
                *(Claim(name, True, location="our earlier run", evidence="earlier",
                        statement=f"b = {b:g}, leverage {leverage:g}, price off by {off:g}: {name.rsplit('_', 1)[1]}")
                  for name, (b, leverage, off) in POLICIES.items()),
            )),
        ),
        figures=(
            PaperFigure("scenarios", series, draw_series,
                        "Price and leverage of the four scenarios: small and large bank, without noise and with weak"
                        " GARCH noise. To be compared with the paper's time series of the four scenarios.",
                        panels=(2, 4), size=(7.2, 3.4), layout={"sharex": True}),
            PaperFigure("critical_leverage", critical_curves, draw_critical_curves,
                        "Critical leverage over the target equity of the bank for four speeds of adjustment: the fixed"
                        " point is"
                        " stable below a curve. Dotted: closed form for slow reversion and tau theta = 1. To be compared"
                        " with the"
                        " paper's diagram of critical leverage against the size of the bank.", size=(3.4, 2.8)),
            PaperFigure("policies", frontier, draw_policies,
                        "Realised shortfall of equity (mean of the worst 5 percent of log returns among steps with a falling"
                        " price) over the cyclicality b at mean leverage 5.8, and over mean leverage for three policies. To"
                        " be compared with the paper's diagram of shortfall over b for three sizes of the bank.",
                        panels=(2, 3), size=(7.2, 4.2)),
        ),
    )


def _closed(name: str, value: float, tolerance: float, statement: str, unit: str = "1", explanation: str = "") -> Claim:
    return Claim(name, value, tolerance, "closed form", unit, "derived", statement=statement, explanation=explanation)


def _earlier(name: str, value: float, tolerance: float, statement: str, unit: str = "1", explanation: str = "") -> Claim:
    return Claim(name, value, tolerance, "our earlier run", unit, "earlier", statement=statement, explanation=explanation)


def _cycle(name: str, quantity: str, value: float, tolerance: float, unit: str = "1") -> Claim:
    return _earlier(f"{quantity}_{key(name)}", value, tolerance,
                    f"{quantity.replace('_', ' ')} in the cycle of risk factor {name}, without noise", unit)
