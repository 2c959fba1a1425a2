// 2^x for x <= 0: a whole power and a polynomial of degree 5 on [-1/2, 1/2], relative error 1e-7. Cheaper than exp2, which also serves x > 0.
// Below -126: 2^-126.
vec4 exp2Below(vec4 x) {
  x = mix(x, vec4(-126.0), lessThan(x, vec4(-126.0)));
  vec4 whole = roundEven(x), f = x - whole;
  vec4 power = 1.0 + f * (0.69314718 + f * (0.24022651 + f * (0.055503287 + f * (0.0096181291 + f * 0.0013398874))));
  return power * intBitsToFloat((ivec4(whole) + 127) << 23);
}
