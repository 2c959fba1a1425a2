// Integer division for CPU devices, where `/` and `%` go lane by lane through the scalar divider: by a float reciprocal and two corrections, all of
// it vector arithmetic. a < 2^31, 0 < b < 2^31.
//   The first quotient is off by at most a / b 2^-22 + 1, so the remainder is below 512 + 2 b in size; the second makes it right but for one.
uint divideBy(uint a, uint b) {
  float inverse = 1.0 / float(int(b));
  int quotient = int(float(int(a)) * inverse), remainder = int(a) - quotient * int(b);
  int more = int(floor(float(remainder) * inverse));
  quotient += more;
  remainder -= more * int(b);
  return uint(remainder < 0 ? quotient - 1 : remainder >= int(b) ? quotient + 1 : quotient);
}
