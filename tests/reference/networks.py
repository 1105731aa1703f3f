"""Networks written out in float64 from their papers' layer lists, in evaluation mode.

He et al. 2016, table 1, with the CIFAR stem; Zagoruyko and Komodakis 2016, table 1; Han et al. 2017; Howard et al.
2017, table 1. Each takes images x: (B, C, H, H), and the weights in the order of their use: `convolutions`, a list of
(out, in / groups, k, k); `norms`, a list of (weight, bias, mean, variance); the linear layer's `weight` and `bias`.
Each asserts that it used them all.
"""

import torch


def convolve(x, weight, stride=1, groups=1):
    """Convolution without a bias that keeps the size, by one product a pixel of the kernel."""
    out_channels, per_group, k, _ = weight.shape
    batch, channels, height, _ = x.shape
    size = (height - 1) // stride + 1
    padded = torch.zeros(batch, channels, height + k - 1, height + k - 1, dtype=x.dtype)
    padded[:, :, k // 2 : k // 2 + height, k // 2 : k // 2 + height] = x
    y = torch.zeros(batch, out_channels, size, size, dtype=x.dtype)
    for group in range(groups):
        read = slice(group * per_group, (group + 1) * per_group)
        written = slice(group * out_channels // groups, (group + 1) * out_channels // groups)
        for i in range(k):
            for j in range(k):
                seen = padded[:, read, i : i + stride * size : stride, j : j + stride * size : stride]
                y[:, written] += torch.einsum("bchw,oc->bohw", seen, weight[written, :, i, j])
    return y


def normalise(x, norm):
    """Batch norm with the running statistics."""
    weight, bias, mean, variance = (each.reshape(1, -1, 1, 1) for each in norm)
    return (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias


def relu(x):
    return torch.where(x > 0, x, torch.zeros_like(x))


def classify(x, weight, bias):
    """Mean over all pixels, then the linear layer."""
    return x.sum(dim=(2, 3)) / (x.shape[2] * x.shape[3]) @ weight.T + bias


def resnet18(x, convolutions, norms, weight, bias):
    convolutions, norms = iter(convolutions), iter(norms)
    x = relu(normalise(convolve(x, next(convolutions)), next(norms)))
    for stage in range(4):
        for block in range(2):
            stride = 2 if stage > 0 and block == 0 else 1
            h = relu(normalise(convolve(x, next(convolutions), stride), next(norms)))
            h = normalise(convolve(h, next(convolutions)), next(norms))
            if stride == 2:
                x = normalise(convolve(x, next(convolutions), stride), next(norms))
            x = relu(x + h)
    assert not [*convolutions, *norms]
    return classify(x, weight, bias)


def wide_resnet(x, convolutions, norms, weight, bias, blocks):
    convolutions, norms = iter(convolutions), iter(norms)
    x = convolve(x, next(convolutions))
    for stage in range(3):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            before = relu(normalise(x, next(norms)))
            first, norm, second = next(convolutions), next(norms), next(convolutions)
            h = convolve(relu(normalise(convolve(before, first, stride), norm)), second)
            if first.shape[0] != first.shape[1]:  # the shortcut, too, sees batch norm and ReLU
                x = convolve(before, next(convolutions), stride)
            x = x + h
    x = relu(normalise(x, next(norms)))
    assert not [*convolutions, *norms]
    return classify(x, weight, bias)


def pyramidnet(x, convolutions, norms, weight, bias, blocks):
    convolutions, norms = iter(convolutions), iter(norms)
    x = normalise(convolve(x, next(convolutions)), next(norms))
    for stage in range(3):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            h = convolve(normalise(x, next(norms)), next(convolutions), stride)  # no first ReLU
            h = convolve(relu(normalise(h, next(norms))), next(convolutions))
            h = normalise(h, next(norms))
            if stride == 2:
                x = (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4
            h[:, : x.shape[1]] += x  # the channels that x lacks are zero
            x = h
    x = relu(normalise(x, next(norms)))
    assert not [*convolutions, *norms]
    return classify(x, weight, bias)


def relu6(x):
    return torch.where(x < 6, relu(x), torch.full_like(x, 6))


def mobilenet_v1(x, convolutions, norms, weight, bias, stem_stride, last_stride=1, activation=relu):
    convolutions, norms = iter(convolutions), iter(norms)
    x = activation(normalise(convolve(x, next(convolutions), stem_stride), next(norms)))
    for stride in (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, last_stride):
        x = activation(normalise(convolve(x, next(convolutions), stride, groups=x.shape[1]), next(norms)))
        x = activation(normalise(convolve(x, next(convolutions)), next(norms)))
    assert not [*convolutions, *norms]
    return classify(x, weight, bias)
