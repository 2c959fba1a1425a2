// The functions of kernels::Unary (core/kernels/elementwise.h) on four elements; `operation` is a constant, so that one of them is left.

// erf by Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7.
vec4 erfOf(vec4 x) {
  vec4 t = 1.0 / (1.0 + 0.3275911 * abs(x));
  vec4 series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(x) * (1.0 - series * exp(-x * x));
}

vec4 unaryOf(uint operation, vec4 x) {
  switch (operation) {
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
    case 16u: return max(x, 0.0) + log(1.0 + exp(-abs(x)));
    default: return x;
  }
}
