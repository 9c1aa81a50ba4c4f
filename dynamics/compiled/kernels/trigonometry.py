"""Sine, cosine and arc tangent of vectors; angles of any size are reduced exactly.

References
----------
M. H. Payne and R. N. Hanek, Radian reduction for trigonometric functions, ACM SIGNUM Newsletter 18 (1983) 19-24,
doi:10.1145/1057600.1057602.
"""

from __future__ import annotations

from dynamics.compiled.kernels import coefficients
from dynamics.compiled.kernels.ir import DOUBLE, INTEGER, POINTER, Builder, Module, Value
from dynamics.compiled.kernels.reduction import MAGIC, polynomial

__all__ = ["atan", "cos", "sin", "sin_cos", "sin_cos_of_turns"]

_HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
_TWO_OVER_PI = 0.6366197723675814
_LARGEST_QUICK = 2.0**40
# the binary digits of 2/pi after one word of zeros
_DIGITS = (0, 0xA2F9836E4E441529, 0xFC2757D1F534DDC0, 0xDB6295993C439041, 0xFE5163ABDEBBC561, 0xB7246E3A424DD2E0,
           0x06492EEA09D1921C, 0xFE1DEB1CB129A73E, 0xE88235F52EBB4484, 0xE99C7026B45F7E41, 0x3991D639835339F4,
           0x9C845F8BBDF9283B, 0x1FF897FFDE05980F, 0xEF2F118B5A0A6D1F, 0x6D367ECF27CB09B7, 0x4F463F669E5FEA2D,
           0x7527BAC7EBE5F17B, 0x3D0739F78A5292EA, 0x6BFB5FB11F8D5D08, 0x56033046FC7B6BAB, 0xF0CFBC209AF4361D)


def sin_cos(build: Builder, x: Value) -> tuple[Value, Value]:
    """Return the sine and the cosine."""
    quarter, rest, extra = _reduced(build, x)
    sine, cosine = _sine(build, rest, extra), _cosine(build, rest, extra)
    value = _quadrant(build, quarter, sine, cosine)
    return build.select(x.equals(0.0), x, value), _quadrant(build, quarter + 1, sine, cosine)


def sin_cos_of_turns(build: Builder, turns: Value) -> tuple[Value, Value]:
    """Return the sine and the cosine of 2 pi times a number between -1e6 and 1e6; nothing is lost in the reduction."""
    scaled = build.fma(turns, 4.0, MAGIC)
    quarter, rest = build.bits(scaled), build.fma(scaled - MAGIC, -0.25, turns)
    angle = rest * (4.0 * _HALF_PI[0])
    extra = build.fma(rest, 4.0 * _HALF_PI[0], -angle) + rest * (4.0 * _HALF_PI[1])
    sine, cosine = _sine(build, angle, extra), _cosine(build, angle, extra)
    return _quadrant(build, quarter, sine, cosine), _quadrant(build, quarter + 1, sine, cosine)


def sin(build: Builder, x: Value) -> Value:
    """Return the sine."""
    return sin_cos(build, x)[0]


def cos(build: Builder, x: Value) -> Value:
    """Return the cosine."""
    return sin_cos(build, x)[1]


def _quadrant(build: Builder, quarter: Value, sine: Value, cosine: Value) -> Value:
    value = build.select((quarter & 1).equals(0), sine, cosine)
    return build.from_bits(build.bits(value) ^ ((quarter & 2) << 62))


def _sine(build: Builder, r: Value, extra: Value) -> Value:
    z = r * r
    low = build.fma(z * -0.5, extra, extra)
    return r + build.fma(z * r, polynomial(build, coefficients.SIN, z), low)


def _cosine(build: Builder, r: Value, extra: Value) -> Value:
    z = r * r
    half = z * 0.5
    high = 1.0 - half
    low = build.fma(z * z, polynomial(build, coefficients.COS, z), -(r * extra))
    return high + (((1.0 - high) - half) + low)


def _reduced(build: Builder, x: Value) -> tuple[Value, Value, Value]:
    """Return (n, r, extra): x = n pi/2 + r + extra with |r| <= pi/4; n is right in its last two bits."""
    scaled = build.fma(x, _TWO_OVER_PI, MAGIC)
    number = scaled - MAGIC
    # the first product cancels exactly; the second is known with its own rounding error
    first = build.fma(number, -_HALF_PI[0], x)
    second = number * _HALF_PI[1]
    lost = build.fma(number, _HALF_PI[1], -second)
    r = first - second
    extra = ((first - r) - second) - build.fma(number, _HALF_PI[2], lost)
    quarter = build.variable(build.bits(scaled))
    rest, low = build.variable(r), build.variable(extra)
    size = build.absolute(x)
    huge = (size > _LARGEST_QUICK) & (size < float("inf"))
    with build.when(build.any(huge)):
        _declare_huge(build.module)
        angles, results = build.variable(x), [build.variable(v) for v in (build.to_double(build.integer(0)), r, extra)]
        quarters = build.variable(build.bits(scaled))
        places = [Value(build, v.text, POINTER) for v in (angles, quarters, *results[1:])]
        with build.count(0, build.width) as lane:
            angle = build.load(build.at(places[0], lane), DOUBLE)
            size = build.absolute(angle)
            with build.when((size > _LARGEST_QUICK) & (size < float("inf"))):
                targets = ", ".join(f"ptr {build.at(place, lane).text}" for place in places[1:])
                build.line(f"call void @huge_angle(double {angle.text}, {targets})")
        quarter.set(quarters.get())
        rest.set(results[1].get())
        low.set(results[2].get())
    return quarter.get(), rest.get(), low.get()


def _declare_huge(module: Module) -> None:
    """Add the reduction of one large angle: the digits of 2/pi that matter times the digits of the angle."""
    if module.has("huge_angle"):
        return
    table = module.table("two_over_pi", _DIGITS)
    build = module.function("huge_angle", {"x": DOUBLE, "quarter": POINTER, "rest": POINTER, "extra": POINTER},
                            internal=True)
    bits = build.bits(build.argument("x"))
    exponent = ((bits >> 52) & 2047) - 1075
    whole = (bits & ((1 << 52) - 1)) | (1 << 52)
    # digits worth 4 or more turn full circles: start where the product is worth less than 4
    start = exponent - 2 + 64
    word, shift = start >> 6, start & 63
    digits = [build.load(build.at(Value(build, table, POINTER), word + i, INTEGER), INTEGER) for i in range(4)]
    windows = [(digits[i] << shift) | ((digits[i + 1] >> 1) >> (63 - shift)) for i in range(3)]

    def wide(value: Value) -> Value:
        return build.emit(f"zext i64 {value.text} to i128", "i128")

    def narrow(value: Value) -> Value:
        return build.emit(f"trunc i128 {value.text} to i64", INTEGER)

    products = [wide(whole) * wide(window) for window in windows]
    low = narrow(products[2])
    middle = (products[2] >> 64) + wide(narrow(products[1]))
    high = narrow(products[1] >> 64) + narrow(products[0]) + narrow(middle >> 64)
    middle = narrow(middle)
    # a fraction of a quarter turn, made signed by its first digit
    fraction = (high << 2) | (middle >> 62)
    next_digits = (middle << 2) | (low >> 62)
    quarter = (high >> 62) + (fraction >> 63)
    mask = (1 << 32) - 1
    parts = [build.to_double(p) * scale for p, scale in (
        (build.shift_right_signed(fraction, 32), 2.0**-32), (fraction & mask, 2.0**-64),
        (next_digits >> 32, 2.0**-96), (next_digits & mask, 2.0**-128))]
    total = parts[0] + parts[1]
    rest = (parts[1] - (total - parts[0])) + (parts[2] + parts[3])
    turned = total + rest
    rest = rest - (turned - total)
    r = turned * _HALF_PI[0]
    extra = build.fma(rest, _HALF_PI[0], build.fma(turned, _HALF_PI[1], build.fma(turned, _HALF_PI[0], -r)))
    negative = build.argument("x") < 0.0
    build.store(build.argument("quarter"), build.select(negative, 0 - quarter, quarter))
    build.store(build.argument("rest"), build.select(negative, -r, r))
    build.store(build.argument("extra"), build.select(negative, -extra, extra))
    build.finish()


def atan(build: Builder, x: Value) -> Value:
    """Return the arc tangent."""
    size = build.absolute(x)
    size = build.select(size > 1e30, 1e30, size)
    middle, far = size > 0.41421356237309503, size > 2.414213562373095
    plus = size + 1.0
    lost = (1.0 - (plus - (plus - 1.0))) + (size - (plus - 1.0))
    above = build.select(far, -1.0, build.select(middle, size - 1.0, size))
    below = build.select(far, size, build.select(middle, plus, 1.0))
    below_rest = build.select(far, 0.0, build.select(middle, lost, 0.0))
    inverse = 1.0 / below
    t = above * inverse
    t_rest = build.fma(-t, below_rest, build.fma(-t, below, above)) * inverse
    base = build.select(far, _HALF_PI[0], build.select(middle, _HALF_PI[0] / 2, 0.0))
    base_rest = build.select(far, _HALF_PI[1], build.select(middle, _HALF_PI[1] / 2, 0.0))
    z = t * t
    tail = build.fma(z * t, polynomial(build, coefficients.ATAN, z), base_rest + t_rest)
    return build.copysign(base + (t + tail), x)
