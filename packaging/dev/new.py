#!/usr/bin/env python3
"""Writes the files of a new lab or kernel from templates. Nothing is overwritten and no list is edited.

    packaging/dev/new.py lab attention/rope
    packaging/dev/new.py kernel top_k
"""
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]

LAB = '''// {title}: <what it computes, in one sentence>.
// Source: <authors, year, equation>.
// Formula: <formula>. Shapes: <in> -> <out>. Convention: <the one chosen where the literature has two>.

#include "core/figure/marks/marks.h"
#include "core/session/lab.h"

namespace orrery {{

namespace {{

class {type} : public Lab {{
 public:
  static LabEntry describe() {{
    LabEntry entry;
    entry.id = "{id}";
    entry.title = "{title}";
    entry.make = [] {{ return std::make_unique<{type}>(); }};
    return entry;
  }}

  Expected<void> update(LabContext&) override {{ return {{}}; }}
  Figure figure() const override {{ return {{}}; }}
}};

ORRERY_LAB({type});

}}  // namespace

}}  // namespace orrery
'''

LAB_TEST = '''// {id}: its Must-hold lines.

#include "core/session/session.h"
#include "tests/support/catch.h"

TEST_CASE("{title} opens with its defaults") {{
  auto session = orrery::Session::open("{id}");
  REQUIRE(session.hasValue());
  REQUIRE((*session)->wait().hasValue());
}}
'''

KERNEL_HEADER = '''#pragma once
// {name}: <what it computes>. Source: <authors, year, equation>.
// Shapes: <in> -> <out>. Errors: <what is our own bug (assert)>.

#include "core/gpu/stream.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {{

Tensor {function}(gpu::Stream& stream, const Tensor& x);

}}  // namespace orrery::kernels
'''

KERNEL = '''#include "core/kernels/{name}.h"

#include "core/base/registry.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {{

Tensor {function}(gpu::Stream& stream, const Tensor& x) {{
  Tensor result(x.shape());
  struct Push {{
    std::uint32_t count;
  }} push{{static_cast<std::uint32_t>(x.count())}};
  stream.dispatch("kernels/{name}", {{{{x.device(stream), gpu::Access::read}}, {{result.deviceForWriting(stream), gpu::Access::write}}}}, push,
                  {{(push.count + 63) / 64}});
  return result;
}}

}}  // namespace orrery::kernels
'''

SHADER = '''#version 450
// {name}: see core/kernels/{name}.h.
layout(local_size_x = 64) in;
layout(std430, binding = 0) readonly buffer X {{ float x[]; }};
layout(std430, binding = 1) writeonly buffer Y {{ float y[]; }};
layout(push_constant) uniform Push {{ uint count; }};

void main() {{
  const uint i = gl_GlobalInvocationID.x;
  if (i < count) y[i] = x[i];
}}
'''


def write(path, text):
    path = TOP / path
    if path.exists():
        sys.exit(f"{path.relative_to(TOP)} exists already; nothing was written over it")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(path.relative_to(TOP))


def camel(name, upper):
    words = name.replace("-", "_").split("_")
    joined = "".join(word.capitalize() for word in words)
    return joined if upper else joined[0].lower() + joined[1:]


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("lab", "kernel"):
        sys.exit(__doc__)
    kind, name = sys.argv[1:]
    if kind == "lab":
        if name.count("/") != 1:
            sys.exit("a lab is named <wing>/<name>, for example attention/rope")
        wing, lab = name.split("/")
        file = lab.replace("-", "_")
        values = {"id": name, "title": lab.replace("-", " ").capitalize(), "type": camel(lab, True) + "Lab"}
        write(f"core/labs/{wing}/{file}.cpp", LAB.format(**values))
        write(f"tests/labs/{wing}/{file}_test.cpp", LAB_TEST.format(**values))
        for language in ("en", "zh"):
            write(f"resources/labs/{wing}/{file}/notes.{language}.md", f"# {values['title']}\n")
        print(f"then: orrery render {name} --size 480x300 -o resources/labs/{wing}/{file}/thumbnail.png")
    else:
        values = {"name": name, "function": camel(name, False)}
        write(f"core/kernels/{name}.h", KERNEL_HEADER.format(**values))
        write(f"core/kernels/{name}.cpp", KERNEL.format(**values))
        write(f"shaders/kernels/{name}.comp", SHADER.format(**values))


main()
