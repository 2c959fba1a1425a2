// What group_norm.comp and norm_gradient.comp share: rows of x, mean and 1 / sqrt(variance + epsilon) of a row, and gains that belong to columns
// (layer norm) or to channels of `width` columns each (group norm: row r holds channels r % groups * perGroup and following).
// Expects MODE, ALIGNED, ROOT_MEAN_SQUARE, CHANNELS, x4 and rows, n, groups, perGroup, width, epsilon.

#define VALUES(buffer, base, t) (ALIGNED != 0u ? texelFetch(buffer, int((base) / 4u + (t))) : LOAD4(buffer, (base) + 4u * (t)))

// Zero behind the end of the row.
vec4 inside(vec4 value, uint t) {
  return ALIGNED != 0u ? value : mix(value, vec4(0), greaterThanEqual(uvec4(4u * t) + uvec4(0, 1, 2, 3), uvec4(n)));
}

// The parameters of columns 4t .. 4t + 3. CHANNELS: 0 one per column, 1 channels of whole texels, 2 any width.
#define PARAMETERS(buffer, row, t) \
  (CHANNELS == 0u ? texelFetch(buffer, int(t)) \
   : CHANNELS == 1u ? vec4(LOAD(buffer, (row) % groups * perGroup + 4u * (t) / width)) \
   : vec4(LOAD(buffer, (row) % groups * perGroup + 4u * (t) / width), LOAD(buffer, (row) % groups * perGroup + (4u * (t) + 1u) / width), \
          LOAD(buffer, (row) % groups * perGroup + (4u * (t) + 2u) / width), LOAD(buffer, (row) % groups * perGroup + (4u * (t) + 3u) / width)))

// (mean, 1 / sqrt(variance + epsilon)) of the row that starts at `base`; the variance from the differences to the mean, which does not cancel.
vec2 rowMoments(uint base, uint texels, uint first, uint step) {
  float mean = 0.0;
  if (ROOT_MEAN_SQUARE == 0u) {
    float sum = 0.0;
    for (uint block = first; block < texels; block += step * SUM_BLOCK) {
      vec4 part = vec4(0);
      uint end = min(texels, block + step * SUM_BLOCK);
      for (uint t = block; t < end; t += step) part += inside(VALUES(x4, base, t), t);
      sum += sumOf(part);
    }
    if (MODE == 1u) sum = groupSum(sum);
    mean = sum / float(n);
  }
  float squares = 0.0;
  for (uint block = first; block < texels; block += step * SUM_BLOCK) {
    vec4 part = vec4(0);
    uint end = min(texels, block + step * SUM_BLOCK);
    for (uint t = block; t < end; t += step) {
      vec4 difference = inside(VALUES(x4, base, t) - mean, t);
      part += difference * difference;
    }
    squares += sumOf(part);
  }
  if (MODE == 1u) squares = groupSum(squares);
  return vec2(mean, 1.0 / sqrt(squares / float(n) + epsilon));
}
