#version 450
// Fully covered pixels: no coverage to compute.
layout(location = 1) flat in vec4 color;
layout(location = 0) out vec4 result;

void main() { result = color; }
