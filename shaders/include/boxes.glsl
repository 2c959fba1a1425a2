// Boxes as vec4 (x1, y1, x2, y2), half-open: width = x2 - x1.

float areaOf(vec4 box) { return (box.z - box.x) * (box.w - box.y); }

// The area that both cover; 0 when they do not meet.
float intersectionOf(vec4 a, vec4 b) {
  vec2 size = min(a.zw, b.zw) - max(a.xy, b.xy);
  return size.x > 0.0 && size.y > 0.0 ? size.x * size.y : 0.0;
}

// The area of the smallest box around both.
float hullOf(vec4 a, vec4 b) {
  vec2 size = max(a.zw, b.zw) - min(a.xy, b.xy);
  return size.x * size.y;
}
