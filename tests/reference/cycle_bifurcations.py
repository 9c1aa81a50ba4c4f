"""Limit cycles and their bifurcations with known values.

van der Pol, plant model and Lorenz: Taylor shooting to residuals below 1e-11; the third doubling of Lorenz, the torus of
the Brusselator chain, periods of A->B and of the predators: shooting by SciPy's DOP853 at 1e-13 (prints of AUTO-07p agree
to 5 or 6 digits); A->B at period 1000: its homoclinic orbit, by bisection on where the unstable manifold of the saddle
returns, same integrator; Stuart-Landau: closed form. Hopf points: Newton in 40-digit arithmetic, or closed form.
"""

VAN_DER_POL = {"states": {"x": 2.0, "y": 0.0}, "parameters": {"mu": 1.0}, "equations": ("y", "mu*(1 - x**2)*y - x")}
VAN_DER_POL_PERIOD, VAN_DER_POL_MULTIPLIER = 6.6632868593231, 0.0008596950636038

STUART_LANDAU = {"states": {"x": 0.5, "y": 0.0}, "parameters": {"mu": 0.5, "om": 1.0},
                 "equations": ("mu*x - om*y - x*(x**2 + y**2)", "om*x + mu*y - y*(x**2 + y**2)")}

PLANT = {"states": {"S": 27.9646987311975, "A": 89.8234936559874},
         "parameters": {"S0": 110.0, "A0": 500.0, "al": 0.2, "rh": 3.49995382798691, "rk": 0.1},
         "equations": ("(S0 - S) - rh*S*A/(1 + S + rk*S**2)", "al*(A0 - A) - rh*S*A/(1 + S + rk*S**2)")}
PLANT_HOPF = (3.49995382798691, 4.6504578126027)
PLANT_FOLDS = ((2.7596874555, 10.0063930287), (5.0078397608, 5.6765785962))

AB = {"states": {"u1": 0.4, "u2": 1.4}, "parameters": {"p1": 0.1, "p2": 14.0, "p3": 3.0},
      "equations": ("-u1 + p1*(1 - u1)*exp(u2)", "-u2 + p1*p2*(1 - u1)*exp(u2) - p3*u2")}
# p2: Hopf point p1, u1, u2
AB_HOPF = {14: (0.165042045323561, 0.405955372117471, 1.42084380241115),
           15: (0.146882475604236, 0.372991677469778, 1.39871879051167),
           16: (0.132538444269215, 0.345491502812526, 1.38196601125011),
           17: (0.120865719509389, 0.322062481731739, 1.36876554735989),
           18: (0.111153484189864, 0.301790868731665, 1.35805890929249)}
AB_PERIOD_AT_QUARTER = {14: 2.2203418904553, 15: 1.7263665108520, 16: 1.2316216702416}
AB_AT_PERIOD_1000 = {17: 0.12010169875, 18: 0.110828639125}

PREDATORS = {"states": {"u1": 1 / 3, "u2": 0.36576153597719}, "parameters": {"p1": 0.67, "p2": 3.0, "p3": 5.0, "p4": 3.0},
             "equations": ("p2*u1*(1 - u1) - u1*u2 - p1*(1 - exp(-p3*u1))", "-u2 + p4*u1*u2")}
PREDATORS_HOPF, PREDATORS_AT_PERIOD_36 = 0.671593847478832, 0.7079409016572

LORENZ = {"states": {"x": 1.0, "y": 1.0, "z": 1.0}, "parameters": {"s": 10.0, "r": 28.0, "b": "8/3"},
          "equations": ("s*(y - x)", "r*x - y - x*z", "x*y - b*z")}
LORENZ_DOUBLINGS = ((229.4067085614, 0.4808668203, 1e-11), (218.21012778, 0.9879489363666667, 5e-10),
                    (215.9659306, 1.9867523716, 5e-10))
LORENZ_EXPONENTS = (0.9056, 0.0, -14.5723)
ROSSLER = {"states": {"x": 1.0, "y": 1.0, "z": 0.1}, "parameters": {"a": 0.2, "b": 0.2, "c": 5.7},
           "equations": ("-y - z", "x + a*y", "b + z*(x - c)")}
ROSSLER_EXPONENTS = (0.0714, 0.0, -5.3943)

_HEAVY, _LIGHT = "((x + mu)**2 + y**2)", "((x - 1 + mu)**2 + y**2)"
# restricted three bodies, Arenstorf's orbit: closes to 4e-10 under DOP853 at 1e-13; the Jacobi constant is kept
ARENSTORF = {"states": {"x": 0.994, "y": 0.0, "vx": 0.0, "vy": -2.0015851063790824}, "parameters": {"mu": 0.012277471},
             "equations": ("vx", "vy", f"x + 2*vy - (1 - mu)*(x + mu)/{_HEAVY}**(3/2) - mu*(x - 1 + mu)/{_LIGHT}**(3/2)",
                           f"y - 2*vx - (1 - mu)*y/{_HEAVY}**(3/2) - mu*y/{_LIGHT}**(3/2)"),
             "invariants": {"jacobi": f"(vx**2 + vy**2 - x**2 - y**2)/2 - (1 - mu)/sqrt{_HEAVY} - mu/sqrt{_LIGHT}"}}
ARENSTORF_PERIOD = 17.065216560157964

BRUSSELATOR_CHAIN_TORUS = 1.40183780887


def brusselator_chain(points: int = 5) -> dict:
    """Brusselator in space, fixed concentrations at both ends, compact differences of fourth order at inner points."""
    from sympy import Rational, zeros

    mass, second = zeros(points, points), zeros(points, points)
    count = points + 1
    for i in range(points):
        mass[i, i], second[i, i] = Rational(10, 12), -2 * count**2
        if i:
            mass[i, i - 1] = mass[i - 1, i] = Rational(1, 12)
            second[i, i - 1] = second[i - 1, i] = count**2
    inverse = mass.inv()
    laplacian = inverse * second
    equations = []
    for name, speed, end in (("x", "dx", "A"), ("y", "dy", "B/A")):
        for i in range(points):
            spread = " + ".join(f"({laplacian[i, k]})*{name}{k}" for k in range(points))
            border = f"({(inverse[i, 0] + inverse[i, points - 1]) * count**2})*({end})"
            kinetics = f"x{i}**2*y{i} - (B + 1)*x{i} + A" if name == "x" else f"-x{i}**2*y{i} + B*x{i}"
            equations.append(f"{speed}/L**2*({spread} + {border}) + {kinetics}")
    states = {f"x{i}": 2.0 for i in range(points)} | {f"y{i}": 2.725 for i in range(points)}
    return {"states": states, "parameters": {"A": 2.0, "B": 5.45, "dx": 0.008, "dy": 0.004, "L": 0.5},
            "equations": tuple(equations)}


def brusselator_chain_hopf(mode: int, points: int = 5) -> float:
    """Length at which the trace of a spatial mode vanishes (closed form)."""
    from math import cos, pi, sqrt

    cosine = cos(mode * pi / (points + 1))
    return sqrt(0.012 * (points + 1) ** 2 * (2 - 2 * cosine) / ((5 + cosine) / 6) / 0.45)


# core model, other parameters at their defaults: price impact, target leverage, critical shock by bisection
CORE = ((0.3, 10.9, 0.0232161717), (0.3, 10.7, 0.0410335289), (0.5, 6.8, 0.0666181710), (0.7, 5.0, 0.1170803394))

# The Basel leverage cycle in continuous time, on the level of net cash of the initial state at the Hopf point: torus of its
# small cycles by shooting in 80-bit arithmetic (extrapolated midpoint rule, variational equations), modulus 1 to 1e-12.
BASEL_HOPF = 0.01193056469053252  # risk factor where a2 a1 = D a0, by 40-digit arithmetic
BASEL_TORUS, BASEL_TORUS_PERIOD = 0.01213924811123, 0.66548403647
