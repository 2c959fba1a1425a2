// The functions of kernels::Unary (core/kernels/elementwise.h) on four elements. UNARY, defined before this is included, says which one: an
// expression of specialisation constants, so that one of them is left (an argument would leave all in every call until the driver has looked).
#include "erf.glsl"

vec4 unaryOf(vec4 x) {
  switch (UNARY) {
    case 0u: return -x;
    case 1u: return exp(x);
    case 2u: return log(x);
    case 3u: return sqrt(x);
    case 4u: return inversesqrt(x);
    case 5u: return sin(x);
    case 6u: return cos(x);
    case 7u: return 1.0 - 2.0 / (exp(2.0 * clamp(x, -20.0, 20.0)) + 1.0);            // tanh without overflow
    case 8u: return 1.0 / (1.0 + exp(-clamp(x, -88.0, 88.0)));
    case 9u: return max(x, 0.0);
    case 10u: return 0.5 * x * (1.0 + erfOf(x * 0.70710678118654752));
    case 11u: {
      vec4 u = 0.79788456080286536 * (x + 0.044715 * x * x * x);
      return x * (1.0 - 1.0 / (exp(2.0 * clamp(u, -20.0, 20.0)) + 1.0));
    }
    case 12u: return x / (1.0 + exp(-clamp(x, -88.0, 88.0)));
    case 13u: return abs(x);
    case 14u: return x * x;
    case 15u: return 1.0 / x;
    case 16u: {
      // ln(1 + e) = 2 artanh(s), s = e / (2 + e) <= 1/3, as a series: 1 + e would lose an e below 1e-7, and softplus(-17) be 0.
      vec4 e = exp(-abs(x)), s = e / (2.0 + e), q = s * s;
      return max(x, 0.0) + 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0 + q / 13.0))))));
    }
    default: return x;
  }
}
