#!/usr/bin/env python3
"""Writes core/figure/color_map_tables.h.

viridis, magma and cividis are matplotlib's tables rounded to the nearest 8 bit value (first viridis entry #440154, last #FDE725).
diverging, diverging_dark and cyclic are made here in Oklab (Ottosson 2020), so that equal steps look equal:
  diverging       lightness falls from a white centre to both ends at the same rate, hue blue below and orange above;
  diverging_dark  the same hues rising from a dark centre, for dark grounds;
  cyclic          light - blue - dark - orange - light, closed and smooth: opposite angles differ in lightness or in hue.
Run: python3 packaging/dev/make_color_maps.py   (needs numpy and matplotlib; neither the build nor a test needs Python)
"""
import pathlib

import matplotlib
import numpy as np


def srgb_of_oklab(lab):
    lab = np.asarray(lab, dtype=float)
    L, a, b = lab[..., 0], lab[..., 1], lab[..., 2]
    l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3
    m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3
    s = (L - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = np.stack([4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
                       -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
                       -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s], axis=-1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.sign(linear) * np.abs(linear) ** (1 / 2.4) - 0.055)


def in_gamut(L, C, h):
    """The largest chroma not above C that sRGB can show at this lightness and hue."""
    low, high = 0.0, C
    for _ in range(40):
        c = high if _ == 0 else 0.5 * (low + high)
        rgb = srgb_of_oklab([L, c * np.cos(h), c * np.sin(h)])
        if rgb.min() >= -1e-9 and rgb.max() <= 1 + 1e-9:
            if _ == 0:
                return c
            low = c
        else:
            high = c
    return low


def polar(L, C, degrees):
    h = np.deg2rad(degrees)
    c = in_gamut(L, C, h)
    return srgb_of_oklab([L, c * np.cos(h), c * np.sin(h)])


def diverging(centre, end):
    rows = []
    for i in range(256):
        t = (i - 127.5) / 127.5
        u = abs(t)
        L = centre + (end - centre) * u
        C = 0.155 * (1 - (1 - u) ** 2)
        rows.append(polar(L, C, 255 if t < 0 else 55))
    return np.array(rows)


def cyclic():
    rows = []
    for i in range(256):
        theta = 2 * np.pi * i / 255
        L = 0.60 + 0.29 * np.cos(theta)
        side = np.sin(theta)
        C = 0.125 * abs(side) ** 0.9
        rows.append(polar(L, C, 255 if side >= 0 else 50))
    return np.array(rows)


def to_bytes(rgb):
    return np.clip(np.rint(np.asarray(rgb)[:, :3] * 255), 0, 255).astype(int)


def main():
    tables = {name: to_bytes(matplotlib.colormaps[name].colors) for name in ("viridis", "magma", "cividis")}
    tables["diverging"] = to_bytes(diverging(0.975, 0.42))
    tables["divergingDark"] = to_bytes(diverging(0.20, 0.86))
    tables["cyclic"] = to_bytes(cyclic())
    root = pathlib.Path(__file__).resolve().parents[2]
    with open(root / "core/figure/color_map_tables.h", "w") as out:
        out.write("#pragma once\n// Made by packaging/dev/make_color_maps.py; do not edit. viridis, magma, cividis: matplotlib (CC0).\n\n"
                  "#include <array>\n#include <cstdint>\n\nnamespace orrery::color_maps {\n\n"
                  "using Table = std::array<std::array<std::uint8_t, 3>, 256>;\n")
        for name, rows in tables.items():
            out.write(f"\ninline constexpr Table {name}{{{{\n")
            for start in range(0, 256, 8):
                out.write("    " + " ".join("{%d, %d, %d}," % tuple(row) for row in rows[start:start + 8]) + "\n")
            out.write("}};\n")
        out.write("\n}  // namespace orrery::color_maps\n")


if __name__ == "__main__":
    main()
