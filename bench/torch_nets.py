#!/usr/bin/env python3
"""Nets in PyTorch, to time gocaffe against (make bench-peers): forward pass, backward pass and update by SGD, float32.

usage: torch_nets.py NET THREADS [--batch N] [--iters N] [--channels-last] [--macs]
NET: cifar10-full liunet-cifar10-quarter resnet-50 googlenet mobilenet-v1

The nets are those that tools/benchpeers writes for Caffe, layer by layer: pooling rounds up, GoogLeNet has its
normalization across channels and both auxiliary losses. The data is random. Debian has PyTorch: python3-torch.
"""
import argparse
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def max_pool(kernel=3, stride=2, padding=0):
    return nn.MaxPool2d(kernel, stride, padding, ceil_mode=True)


def conv(inputs, outputs, kernel, stride=1, groups=1, norm=False, relu=True):
    """A convolution with BatchNorm or a bias, and a ReLU."""
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=not norm)]
    if norm:
        layers.append(nn.BatchNorm2d(outputs))
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class WithinChannelLRN(nn.Module):
    """Caffe's LRN with norm_region: WITHIN_CHANNEL."""

    def __init__(self, size, alpha, beta):
        super().__init__()
        self.mean, self.alpha, self.beta = nn.AvgPool2d(size, 1, size // 2), alpha, beta

    def forward(self, x):
        return x * (1 + self.alpha * self.mean(x * x)) ** -self.beta


class Residual(nn.Module):
    """Three convolutions and a shortcut; the 3x3 convolution has the stride."""

    def __init__(self, inputs, channels, stride):
        super().__init__()
        outputs = 4 * channels
        self.branch = nn.Sequential(
            conv(inputs, channels, 1, norm=True),
            conv(channels, channels, 3, stride, norm=True),
            conv(channels, outputs, 1, norm=True, relu=False))
        self.shortcut = nn.Identity() if inputs == outputs else conv(inputs, outputs, 1, stride, norm=True, relu=False)

    def forward(self, x):
        return F.relu(self.shortcut(x) + self.branch(x), inplace=True)


class Inception(nn.Module):
    def __init__(self, inputs, one, reduce3, three, reduce5, five, pooled):
        super().__init__()
        self.branches = nn.ModuleList([
            conv(inputs, one, 1),
            nn.Sequential(conv(inputs, reduce3, 1), conv(reduce3, three, 3)),
            nn.Sequential(conv(inputs, reduce5, 1), conv(reduce5, five, 5)),
            nn.Sequential(max_pool(3, 1, 1), conv(inputs, pooled, 1))])
        self.outputs = one + three + five + pooled

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class GoogLeNet(nn.Module):
    """Returns the outputs of the net and of its two auxiliary classifiers."""

    def __init__(self):
        super().__init__()
        lrn = lambda: nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75)
        parts = [[conv(3, 64, 7, 2), max_pool(), lrn(), conv(64, 64, 1), conv(64, 192, 3), lrn(), max_pool()]]
        self.auxiliary, channels = nn.ModuleList(), 192
        for sizes, after in (
                ((64, 96, 128, 16, 32, 32), ''), ((128, 128, 192, 32, 96, 64), 'pool'),
                ((192, 96, 208, 16, 48, 64), 'auxiliary'), ((160, 112, 224, 24, 64, 64), ''),
                ((128, 128, 256, 24, 64, 64), ''), ((112, 144, 288, 32, 64, 64), 'auxiliary'),
                ((256, 160, 320, 32, 128, 128), 'pool'), ((256, 160, 320, 32, 128, 128), ''),
                ((384, 192, 384, 48, 128, 128), '')):
            module = Inception(channels, *sizes)
            parts[-1].append(module)
            channels = module.outputs
            if after == 'pool':
                parts[-1].append(max_pool())
            if after == 'auxiliary':
                self.auxiliary.append(nn.Sequential(
                    nn.AvgPool2d(5, 3, ceil_mode=True), conv(channels, 128, 1), nn.Flatten(), nn.Linear(128 * 4 * 4, 1024),
                    nn.ReLU(inplace=True), nn.Dropout(0.7), nn.Linear(1024, 1000)))
                parts.append([])
        parts[-1] += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.4), nn.Linear(channels, 1000)]
        self.parts = nn.ModuleList(nn.Sequential(*part) for part in parts)

    def forward(self, x):
        outputs = []
        for part, auxiliary in zip(self.parts, self.auxiliary):
            x = part(x)
            outputs.append(auxiliary(x))
        return [self.parts[-1](x)] + outputs


def resnet50():
    layers, channels = [conv(3, 64, 7, 2, norm=True), max_pool()], 64
    for group, (blocks, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512))):
        for block in range(blocks):
            layers.append(Residual(channels, width, 2 if group > 0 and block == 0 else 1))
            channels = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


def mobilenet():
    layers, channels = [conv(3, 32, 3, 2, norm=True)], 32
    for outputs, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)) + 5 * ((512, 1),) + ((1024, 2), (1024, 1)):
        layers += [conv(channels, channels, 3, stride, channels, norm=True), conv(channels, outputs, 1, norm=True)]
        channels = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


def cifar10_full():
    mean_pool = lambda: nn.AvgPool2d(3, 2, ceil_mode=True)
    lrn = lambda: WithinChannelLRN(3, 5e-5, 0.75)
    return nn.Sequential(
        conv(3, 32, 5, relu=False), max_pool(), nn.ReLU(inplace=True), lrn(),
        conv(32, 32, 5), mean_pool(), lrn(),
        conv(32, 64, 5), mean_pool(), nn.Flatten(), nn.Linear(64 * 4 * 4, 10))


def liunet_quarter():
    layers, channels = [conv(3, 16, 3, norm=True)], 16
    for width in (16, 32, 64):
        for _ in range(4):
            layers.append(conv(channels, width, 3, norm=True))
            channels = width
        layers.append(max_pool(2, 2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * 4 * 4, 64, bias=False), nn.BatchNorm1d(64),
                         nn.ReLU(inplace=True), nn.Linear(64, 10, bias=False))


NETS = {  # how to make it, side of the images, classes, batch
    'cifar10-full': (cifar10_full, 32, 10, 100),
    'liunet-cifar10-quarter': (liunet_quarter, 32, 10, 128),
    'resnet-50': (resnet50, 224, 1000, 8),
    'googlenet': (GoogLeNet, 224, 1000, 8),
    'mobilenet-v1': (mobilenet, 224, 1000, 16),
}


def multiply_adds(net, x):
    """Multiply-adds of convolutions and fully connected layers for an image."""
    total = []

    def count(layer, _, out):
        total.append(out[0].numel() * layer.weight[0].numel())
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(count)
    net(x)
    return sum(total)


def peak_mib():
    """Returns the largest resident memory of this program. ru_maxrss is at least that of the
    program which started it."""
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith('VmHWM:'))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('net', choices=NETS)
    parser.add_argument('threads', type=int)
    parser.add_argument('--batch', type=int)
    parser.add_argument('--iters', type=int, default=7)
    parser.add_argument('--channels-last', action='store_true')
    parser.add_argument('--macs', action='store_true', help='print multiply-adds and weights, time nothing')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    make, side, classes, batch = NETS[args.net]
    batch = args.batch or batch
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    net = make().to(memory_format=layout).train()
    x = torch.randn(batch, 3, side, side).to(memory_format=layout)
    labels = torch.randint(0, classes, (batch,))
    if args.macs:
        print(args.net, 'multiply-adds per image', multiply_adds(net, x), 'weights', sum(p.numel() for p in net.parameters()))
        return
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6, momentum=0.9, weight_decay=5e-4)

    def step():
        optimizer.zero_grad(set_to_none=True)
        start = time.perf_counter()
        outputs = net(x)
        if isinstance(outputs, list):  # the first is the net's, the others are auxiliary
            loss = F.cross_entropy(outputs[0], labels) + 0.3 * sum(F.cross_entropy(o, labels) for o in outputs[1:])
        else:
            loss = F.cross_entropy(outputs, labels)
        loss.backward()
        optimizer.step()
        return 1e3 * (time.perf_counter() - start)

    for _ in range(2):
        step()
    times = sorted(step() for _ in range(args.iters))
    median = times[len(times) // 2]
    print('%s torch %s batch %d threads %d: median %.1f ms (min %.1f max %.1f, n=%d) %.1f images/s, peak %d MiB' % (
        args.net, torch.__version__, batch, args.threads, median, times[0], times[-1], len(times), 1e3 * batch / median,
        peak_mib()))


main()
