#version 450
//! prebuilt
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#pragma use_vulkan_memory_model
// Convolution and its weight gradient on cooperative matrices: the implicit products of convolution.glsl, multiplied as matrix_product.glsl says.
#include "convolution.glsl"
#include "matrix_product.glsl"

void main() {
  uvec2 first = beginProduct(TILE_M, TILE_N);
  product(first.x, first.y, depth);
}
