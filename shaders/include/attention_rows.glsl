// What every attention kernel knows about a row: which keys it may see. All structured masks are one interval of keys per row (attention.h).
// Needs `queries`, `keys`, `maskKind`, `maskParameter`, `validQueries`, `validKeys` as push constants.

const uint MASK_NONE = 0u, MASK_CAUSAL = 1u, MASK_PREFIX = 2u, MASK_BLOCKS = 3u;

// The keys [x, y) that row `i` sees, without regard to validQueries.
uvec2 keysOfRow(uint i) {
  uint first = 0u, limit = validKeys;
  int last = int(i) + int(keys) - int(queries);           // causal: the last query sees all keys
  if (maskKind == MASK_CAUSAL) limit = min(limit, uint(max(last + 1, 0)));
  if (maskKind == MASK_PREFIX) limit = min(limit, max(maskParameter, uint(max(last + 1, 0))));
  if (maskKind == MASK_BLOCKS) {
    first = i / maskParameter * maskParameter;
    limit = min(limit, first + maskParameter);
  }
  return uvec2(first, limit);
}
