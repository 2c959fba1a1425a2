// Storing vec4 and vec2. lavapipe stores lane by lane and component by component, so two floats in one 64-bit word cost half; the build variant
// `pairs` of a shader (//! variant pairs -DPAIRS=1) does that, and a device that gains from it takes that variant by itself (core/gpu/stream.h).
// Declare the buffer's elements as FOUR or TWO: layout(...) writeonly buffer Result4 { FOUR result4[]; };  result4[i] = asFour(v);
#ifdef PAIRS
#define FOUR dvec2
#define TWO double
double asTwo(vec2 v) { return packDouble2x32(floatBitsToUint(v)); }
dvec2 asFourWords(uvec4 v) { return dvec2(packDouble2x32(v.xy), packDouble2x32(v.zw)); }
dvec2 asFour(vec4 v) { return dvec2(asTwo(v.xy), asTwo(v.zw)); }
vec4 fromFour(dvec2 v) { return vec4(uintBitsToFloat(unpackDouble2x32(v.x)), uintBitsToFloat(unpackDouble2x32(v.y))); }
#else
#define FOUR vec4
#define TWO vec2
vec2 asTwo(vec2 v) { return v; }
vec4 asFourWords(uvec4 v) { return uintBitsToFloat(v); }
vec4 asFour(vec4 v) { return v; }
vec4 fromFour(vec4 v) { return v; }
#endif
