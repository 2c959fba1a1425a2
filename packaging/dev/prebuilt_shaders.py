#!/usr/bin/env python3
"""Builds the shaders marked `//! prebuilt` to shaders/prebuilt, for systems whose glslangValidator cannot.

    python3 packaging/dev/prebuilt_shaders.py [GLSLANG ...]    the compiler and its first arguments; glslangValidator without

Needs a glslang that knows GL_KHR_cooperative_matrix (15 or newer; Debian 13 has it). Beside <name>.spv lies <name>.sha256: of the shader's
text followed by those of its includes, in the order in which they are named (tests/dev/prebuilt_shaders_test.cpp computes the same).
"""

import hashlib
import pathlib
import re
import subprocess
import sys

SHADERS = pathlib.Path(__file__).resolve().parents[2] / "shaders"


def sources(path):
    """The text of a shader and, after it, of what it includes, in order, each as often as it is named."""
    text = path.read_text()
    return text + "".join(sources(SHADERS / "include" / name) for name in re.findall(r'^#include "([^"]+)"', text, re.MULTILINE))


def main():
    compiler = sys.argv[1:] or ["glslangValidator"]
    for shader in sorted(SHADERS.rglob("*.comp")):
        if not re.search(r"^//! prebuilt", shader.read_text(), re.MULTILINE):
            continue
        name = shader.relative_to(SHADERS).with_suffix("")
        output = SHADERS / "prebuilt" / name
        output.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([*compiler, "-V", "-g0", "--quiet", "--target-env", "vulkan1.2", f"-I{SHADERS / 'include'}", "-o", f"{output}.spv",
                        str(shader)], check=True)
        pathlib.Path(f"{output}.sha256").write_text(hashlib.sha256(sources(shader).encode()).hexdigest() + "\n")
        print(name)


if __name__ == "__main__":
    main()
