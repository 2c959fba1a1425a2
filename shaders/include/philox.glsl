// Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"): the same words as core/base/philox.h for
// the same counter and key. Convention: key = (seed low, seed high); each user states what the counter words mean.
#ifndef ORRERY_PHILOX
#define ORRERY_PHILOX

uvec4 philox(uvec4 counter, uvec2 key) {
  for (int round = 0; round < 10; ++round) {
    uint high0, low0, high1, low1;
    umulExtended(0xD2511F53u, counter.x, high0, low0);
    umulExtended(0xCD9E8D57u, counter.z, high1, low1);
    counter = uvec4(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
    key += uvec2(0x9E3779B9u, 0xBB67AE85u);
  }
  return counter;
}

// Uniform in [0, 1) with 24 bits.
float philoxUniform(uint word) { return float(word >> 8) * 5.9604644775390625e-8; }

// floor(K * word / 2^32): an integer in [0, K), no rejection.
uint philoxBounded(uint word, uint K) {
  uint high, low;
  umulExtended(word, K, high, low);
  return high;
}

// (sin x, cos x) with an absolute error of at most 8e-8 for |x| <= 8192. Vulkan promises only 2^-11 for its own sin and cos.
// x is reduced by multiples of pi/2 in three parts (Cody and Waite 1980), then short polynomials on [-pi/4, pi/4].
vec2 accurateSinCos(float x) {
  precise float k = roundEven(x * 0.63661977236758134);
  precise float r = ((x - 1.5703125 * k) - 4.837512969970703e-4 * k) - 7.549789954891882e-8 * k;
  precise float r2 = r * r;
  precise float s = r + r * r2 * (-1.6666654611e-1 + r2 * (8.3321608736e-3 + r2 * -1.9515295891e-4));
  precise float c = 1.0 - 0.5 * r2 + r2 * r2 * (4.166664568298827e-2 + r2 * (-1.388731625493765e-3 + r2 * 2.443315711809948e-5));
  int quadrant = int(k) & 3;
  vec2 result = (quadrant & 1) == 0 ? vec2(s, c) : vec2(c, s);
  return vec2((quadrant & 2) == 0 ? result.x : -result.x, ((quadrant + 1) & 2) == 0 ? result.y : -result.y);
}

// Natural logarithm of a positive normal number, relative error below 2e-7 also near 1, where Vulkan promises only 2^-21 absolute.
// x = m 2^e with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s), s = (m-1)/(m+1), by its odd series.
float accurateLog(float x) {
  int bits = floatBitsToInt(x);
  int e = ((bits - 0x3f3504f3) >> 23);
  float m = intBitsToFloat(bits - (e << 23));
  precise float s = (m - 1.0) / (m + 1.0);
  precise float z = s * s;
  precise float tail = z * (0.66666666 + z * (0.4 + z * (0.28571429 + z * (0.22222222 + z * 0.18181818))));
  precise float logm = 2.0 * s + s * tail;
  // ln 2 in two parts, the first exact when multiplied by an exponent.
  precise float result = float(e) * 0.693145751953125 + (logm + float(e) * 1.42860677e-6);
  return result;
}

// Two standard normals from two words (Box and Muller 1958), as philoxNormals in core/base/philox.h but in fp32. Both words count 2^-24:
// radius^2 = -2 ln u with u = ((a >> 8) + 1/2) / 2^24, never 0, and the angle is (b >> 8) / 2^24 of a turn.
vec2 philoxNormals(uint a, uint b) {
  // n = 2^25 u is whole. With n = m 2^e, m in about [sqrt(1/2), sqrt(2)), the difference n - 2^e is exact in fp32 also where n is not, so that
  // ln m = 2 atanh((n - 2^e) / (n + 2^e)) keeps its relative accuracy as u tends to 1.
  int n = int(a >> 8) * 2 + 1;
  int e = (floatBitsToInt(float(n)) - 0x3f3504f3) >> 23;
  precise float over = float(n - (1 << e));
  precise float s = over / (over + intBitsToFloat((e + 128) << 23));
  precise float z = s * s;
  precise float tail = z * (0.66666666 + z * (0.4 + z * (0.28571429 + z * (0.22222222 + z * 0.18181818))));
  float power = float(e - 25);
  precise float logarithm = power * 0.693145751953125 + ((2.0 * s + s * tail) + power * 1.42860677e-6);
  float radius = sqrt(-2.0 * logarithm);

  // The angle is a whole number of quarter turns and a rest in [-pi/4, pi/4], both exact.
  uint word = b >> 8, quarters = (word + 0x200000u) >> 22;
  precise float r = float(int(word) - int(quarters << 22)) * (1.5707963267948966 / 4194304.0);
  precise float r2 = r * r;
  precise float sine = r + r * r2 * (-1.6666654611e-1 + r2 * (8.3321608736e-3 + r2 * -1.9515295891e-4));
  precise float cosine = 1.0 - 0.5 * r2 + r2 * r2 * (4.166664568298827e-2 + r2 * (-1.388731625493765e-3 + r2 * 2.443315711809948e-5));
  bool odd = (quarters & 1u) != 0u;
  float x = radius * (odd ? sine : cosine), y = radius * (odd ? cosine : sine);
  return uintBitsToFloat(floatBitsToUint(vec2(x, y)) ^ uvec2(((quarters + 1u) & 2u) << 30, (quarters & 2u) << 30));
}

#endif
