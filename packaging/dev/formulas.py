#!/usr/bin/env python3
"""Typesets the formulas of the labs' notes to SVG.

    python3 packaging/dev/formulas.py            writes what is missing, removes what no note uses any more
    python3 packaging/dev/formulas.py --check    writes nothing; fails when something is missing or left over

Needs matplotlib (its mathtext; no LaTeX). The pictures are committed: neither the build nor the program needs Python.

A formula is $...$ in a line or $$...$$ on its own in resources/labs/<wing>/<lab>/notes.*.md; its picture is
resources/labs/<wing>/<lab>/formulas/<hash>.svg with hash = the first 12 hexadecimal digits of SHA-256 over "i:" or "d:" and the TeX text
without outer blanks (app/shell/notes_dock.cpp computes the same). Glyphs are outlines filled with currentColor. The picture is symmetric
about a quarter of the text's x-height above the baseline, where QTextDocument centres images that are aligned in the middle.
"""

import hashlib
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FORMULA = re.compile(r"(```.*?```|`[^`\n]*`)|\$\$(.+?)\$\$|\$([^$\n]+?)\$", re.DOTALL)
EM = 14.0  # px per em of the formula's font
MIDDLE = 0.13  # em above the baseline: a quarter of the x-height of Inter (0.546 em), at the text's 12.5 px

# TeX that mathtext does not know, in words it does.
SPELLINGS = [
    (r"\\operatorname\*?\{([^}]*)\}", r"\\mathrm{\1}"),
    (r"\\text\{([^}]*)\}", lambda m: r"\mathrm{" + m.group(1).replace(" ", r"\ ") + "}"),
    # A fraction of numbers stays small in its line; any other is set large enough to read its indices.
    (r"\\[td]?frac(?!\{\d+\}\{\d+\})", r"\\dfrac"),
    (r"\\[td]frac(?=\{\d+\}\{\d+\})", r"\\frac"),
    (r"\\lVert|\\rVert", r"\\Vert "),
    (r"\\lvert|\\rvert", r"|"),
    (r"\\bigl|\\bigr|\\Bigl|\\Bigr|\\big|\\Big", r""),
    (r"\\mathbf\{([^}]*)\}", r"\\mathbf{\1}"),
    (r"\\sqrt\s*(\w)", r"\\sqrt{\1}"),
    (r"\\le(?![a-z])", r"\\leq"),
    (r"\\ge(?![a-z])", r"\\geq"),
    (r"\\ne(?![a-z])", r"\\neq"),
    (r"\\to(?![a-z])", r"\\rightarrow"),
    (r"\\\s", r"\\ "),
    (r"\s+", " "),
]


def formulas(text):
    for match in FORMULA.finditer(text):
        if match.group(1) is None:
            display = match.group(2) is not None
            yield display, (match.group(2) or match.group(3)).strip()


def name(display, tex):
    return hashlib.sha256((("d:" if display else "i:") + tex).encode()).hexdigest()[:12]


def typeset(tex):
    import matplotlib
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path
    from matplotlib.textpath import TextPath

    matplotlib.rcParams["mathtext.fontset"] = "stix"
    for pattern, replacement in SPELLINGS:
        tex = re.sub(pattern, replacement, tex)
    path = TextPath((0, 0), "$" + tex + "$", size=EM, prop=FontProperties(family="STIXGeneral", size=EM))
    low, high = path.vertices.min(axis=0), path.vertices.max(axis=0)
    middle = MIDDLE * EM
    half = max(high[1] - middle, middle - low[1], 0.45 * EM) + 0.5
    left = min(low[0], 0.0) - 0.5
    width = high[0] - left + 1.0

    def point(v):
        return f"{v[0] - left:.2f} {middle + half - v[1]:.2f}"

    letters = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C"}
    parts = []
    for vertices, code in path.iter_segments(curves=True, simplify=False):
        if code == Path.CLOSEPOLY:
            parts.append("Z")
        else:
            parts.append(letters[code] + " ".join(point(vertices[i : i + 2]) for i in range(0, len(vertices), 2)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.2f}" height="{2 * half:.2f}" '
        f'viewBox="0 0 {width:.2f} {2 * half:.2f}"><path fill="currentColor" d="{"".join(parts)}"/></svg>\n'
    )


def main():
    check = "--check" in sys.argv[1:]
    failures = []
    written = 0
    for folder in sorted({note.parent for note in ROOT.glob("resources/labs/*/*/notes.*.md")}):
        wanted = {}
        for note in sorted(folder.glob("notes.*.md")):
            for display, tex in formulas(note.read_text(encoding="utf-8")):
                wanted[name(display, tex)] = tex
        pictures = folder / "formulas"
        for stale in sorted(p for p in pictures.glob("*.svg") if p.stem not in wanted):
            if check:
                failures.append(f"{stale.relative_to(ROOT)}: no note uses it")
            else:
                stale.unlink()
        for key, tex in sorted(wanted.items()):
            target = pictures / f"{key}.svg"
            if target.exists():
                continue
            if check:
                failures.append(f"{target.relative_to(ROOT)}: missing, for ${tex}$")
                continue
            try:
                svg = typeset(tex)
            except Exception as problem:  # mathtext raises several kinds
                failures.append(f"{folder.relative_to(ROOT)}: ${tex}$ cannot be typeset: {str(problem).splitlines()[-1]}")
                continue
            pictures.mkdir(exist_ok=True)
            target.write_text(svg, encoding="utf-8")
            written += 1
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{written} formulas typeset, {len(failures)} problems")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
