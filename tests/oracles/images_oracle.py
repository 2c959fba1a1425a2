"""Expected values for tests/kernels/pytorch_test.cpp from PyTorch in double precision: convolutions, pooling, resizing, sampling, norms.

    pip install torch numpy
    python3 tests/oracles/images_oracle.py > tests/oracles/images_expected.txt

Element i of an input with seed s is sin(0.7 i + s); gradients are those of sum_i y_i sin(0.3 i + 1). One line per result: name, count, values.
Neither the build nor the tests need Python.
"""
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def wave(shape, seed, scale=1.0):
    count = 1
    for extent in shape:
        count *= extent
    return (scale * torch.sin(0.7 * torch.arange(count, dtype=torch.float64) + seed)).reshape(shape).requires_grad_(True)


def emit(name, tensor):
    values = tensor.detach().flatten().tolist()
    print(name, len(values), *(f"{v:.12g}" for v in values))


def case(name, y, **inputs):
    emit(name, y)
    weights = torch.sin(0.3 * torch.arange(y.numel(), dtype=torch.float64) + 1).reshape(y.shape)
    for key, gradient in zip(inputs, torch.autograd.grad((y * weights).sum(), inputs.values())):
        emit(f"{name}/{key}", gradient)


x, w = wave((1, 4, 6, 5), 0), wave((6, 2, 3, 2), 1)
case("conv2d", F.conv2d(x, w, None, stride=(2, 1), padding=(1, 1), dilation=(1, 2), groups=2), x=x, w=w)
x, w = wave((1, 4, 3, 2), 2), wave((4, 1, 3, 2), 3)
case("conv_transpose2d", F.conv_transpose2d(x, w, None, stride=(2, 3), padding=(1, 0), output_padding=(1, 2), groups=2), x=x, w=w)

x = wave((1, 2, 7, 6), 4)
case("max_pool2d", F.max_pool2d(x, (3, 2), stride=(2, 3), padding=(1, 1), ceil_mode=True), x=x)
case("max_pool2d_dilated", F.max_pool2d(x, (2, 3), stride=(2, 1), padding=(1, 1), dilation=(3, 2)), x=x)
for inside in (False, True):
    y = F.avg_pool2d(x, (3, 4), stride=(2, 3), padding=(1, 1), ceil_mode=True, count_include_pad=not inside)
    case("avg_pool2d_inside" if inside else "avg_pool2d", y, x=x)
case("adaptive_avg_pool2d", F.adaptive_avg_pool2d(x, (3, 4)), x=x)

x = wave((1, 1, 5, 4), 5)
for size in ((8, 7), (3, 2)):
    for mode in ("nearest", "bilinear", "bicubic"):
        for align in (False, True):
            if mode == "nearest" and align:
                continue
            y = F.interpolate(x, size, mode=mode, align_corners=None if mode == "nearest" else align)
            case(f"{mode}_{size[0]}x{size[1]}" + ("_aligned" if align else ""), y, x=x)

x, grid = wave((1, 2, 4, 5), 6), wave((1, 3, 4, 2), 7, 1.3)
for padding in ("zeros", "border"):
    for align in (False, True):
        y = F.grid_sample(x, grid, mode="bilinear", padding_mode=padding, align_corners=align)
        case(f"grid_sample_{padding}" + ("_aligned" if align else ""), y, x=x, grid=grid)

x, gain, shift = wave((2, 4, 3, 2), 8), wave((4,), 9), wave((4,), 10)
case("group_norm", F.group_norm(x, 2, gain, shift), x=x, gain=gain, shift=shift)
x, gain, shift = wave((3, 7), 11), wave((7,), 12), wave((7,), 13)
case("layer_norm", F.layer_norm(x, (7,), gain, shift), x=x, gain=gain, shift=shift)
case("rms_norm", F.rms_norm(x, (7,), gain, eps=1e-5), x=x, gain=gain)
x = wave((1, 8, 2, 3), 14)
case("pixel_shuffle", F.pixel_shuffle(x, 2), x=x)
