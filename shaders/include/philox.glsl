// Philox4x32-10 (Salmon et al. 2011), word for word the function of core/base/philox.h.
// Convention: key = (seed low, seed high); what the four counter words mean is stated by each user.

uvec4 philox(uvec4 counter, uvec2 key) {
  for (int i = 0; i < 10; ++i) {
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

// Two standard normals from two words (Box-Muller). The radius uses (word >> 8) + 0.5 so that it is never log(0).
// Close to 1 the logarithm is taken by its series in 1 - u: the shader's log has an absolute error there that the root would amplify.
vec2 philoxNormals(uint a, uint b) {
  uint k = a >> 8;
  float u = (float(k) + 0.5) * 5.9604644775390625e-8;
  float t = (float(0xFFFFFFu - k) + 0.5) * 5.9604644775390625e-8;
  float negativeLog = t < 0.015625 ? t * (1.0 + t * (0.5 + t * (0.33333333 + t * 0.25))) : -log(u);
  float radius = sqrt(2.0 * negativeLog);
  float angle = 6.28318530717958647692 * philoxUniform(b);
  return radius * vec2(cos(angle), sin(angle));
}
