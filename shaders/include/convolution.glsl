// Convolution and its weight gradient as implicit matrix products C = A B: what A and B hold, found by index, and where C goes. Shared by
// conv2d_tiled.comp and conv2d_matrix.comp.
// MODE 0: C[r, (n, oy, ox)] = sum over k = (channel, ky, kx) of weight[r, k] image[n, channel, oy sy + ky dy - py, ox sx + kx dx - px].
// MODE 1: C[r, k] = sum over the pixels of a part of gradient[n, r, oy, ox] image[...]: one sum per part. A part has `images` images and of these
// `planeHeight` lines, `planeWidth` such parts an image.
layout(constant_id = 0) const uint MODE = 0u;
layout(constant_id = 1) const uint BIAS = 0u;
layout(set = 0, binding = 0, std430) readonly buffer Left { float left[]; };      // weights, or gradient
layout(set = 0, binding = 1, std430) readonly buffer Image { float image[]; };
layout(set = 0, binding = 2, std430) readonly buffer Bias { float bias[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Result { float c[]; };
layout(push_constant) uniform Push {
  uint rows, groups, channels, N, kh, kw, outHeight, outWidth;
  int height, width, upY, upX, strideY, strideX, paddingY, paddingX, dilationY, dilationX;
  uint groupStride, rowStride, channelStride;
  int tapStart, tapStepY, tapStepX;
  uint images, tileRows, planeHeight, planeWidth, stepY, stepX, offset;
};

// Of this workgroup, set by beginProduct(): its group and part; the extents of its C; the part's first image and pixel.
uint group, part, columns, depth, firstImage, firstPixel, partPixels;

// The first row and column of this workgroup's tile.
uvec2 beginProduct(uint tileM, uint tileN) {
  group = gl_WorkGroupID.z % groups;
  part = gl_WorkGroupID.z / groups;
  uint pixels = outHeight * outWidth, reach = channels * kh * kw;
  firstImage = 0u, firstPixel = 0u, partPixels = pixels, columns = N * pixels, depth = reach;
  if (MODE == 1u) {
    uint block = part / planeWidth, line = (part - block * planeWidth) * planeHeight;
    firstImage = block * images;
    firstPixel = line * outWidth;
    partPixels = (min(outHeight, line + planeHeight) - line) * outWidth;
    columns = reach;
    depth = (min(N, firstImage + images) - firstImage) * partPixels;
  }
  return uvec2(gl_WorkGroupID.x * tileM, (MODE == 0u ? part * tileRows + gl_WorkGroupID.y : gl_WorkGroupID.y) * tileN);
}

float imageAt(uint n, uint p, uint k) {
  uint taps = kh * kw, channel = k / taps, tap = k - channel * taps, ky = tap / kw, kx = tap - ky * kw, oy = p / outWidth, ox = p - oy * outWidth;
  int y = int(oy) * strideY + int(ky) * dilationY - paddingY, x = int(ox) * strideX + int(kx) * dilationX - paddingX;
  if (y < 0 || x < 0 || y % upY != 0 || x % upX != 0) return 0.0;
  y /= upY;
  x /= upX;
  if (y >= height || x >= width) return 0.0;
  return image[((n * groups + group) * channels + channel) * uint(height * width) + uint(y * width + x)];
}

float elementA(uint m, uint k) {
  if (k >= depth || m >= rows) return 0.0;
  if (MODE == 0u) {
    uint taps = kh * kw, channel = k / taps, tap = k - channel * taps, ky = tap / kw, kx = tap - ky * kw;
    return left[group * groupStride + m * rowStride + channel * channelStride + uint(tapStart + int(ky) * tapStepY + int(kx) * tapStepX)];
  }
  uint inPart = k / partPixels, p = firstPixel + k - inPart * partPixels;
  return left[(((firstImage + inPart) * groups + group) * rows + m) * outHeight * outWidth + p];
}

float elementB(uint k, uint j) {
  if (k >= depth || j >= columns) return 0.0;
  if (MODE == 0u) {
    uint pixels = outHeight * outWidth, n = j / pixels;
    return imageAt(n, j - n * pixels, k);
  }
  uint inPart = k / partPixels;
  return imageAt(firstImage + inPart, firstPixel + k - inPart * partPixels, j);
}
#define A_ALONG_K true
#define B_ALONG_K (MODE == 1u)

void finish(uint m, uint j, float sum) {
  if (m >= rows || j >= columns) return;
  uint channel = group * rows + m;
  if (MODE == 0u) {
    if (BIAS != 0u) sum += bias[channel];
    uint pixels = outHeight * outWidth, n = j / pixels, p = j - n * pixels, oy = p / outWidth;
    c[((n * groups * rows + channel) * planeHeight + oy * stepY) * planeWidth + (p - oy * outWidth) * stepX + offset] = sum;
  } else {
    c[(part * groups * rows + channel) * columns + j] = sum;
  }
}
