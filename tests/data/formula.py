"""The weights and inputs of tests/support/formula.h as PyTorch tensors: float32 values in float64."""
import numpy as np
import torch

MASK = (1 << 64) - 1


def fnv(name):
    h = 0xCBF29CE484222325
    for c in name.encode():
        h = ((h ^ c) * 0x100000001B3) & MASK
    return h


def bits(h, index):
    with np.errstate(over="ignore"):
        z = np.uint64(h) + (np.asarray(index, np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def fill(name, offset, scale, shape):
    n = int(np.prod(shape))
    u = (bits(fnv(name), np.arange(n)) >> np.uint64(40)).astype(np.float64) * 2.0 ** -23 - 1.0
    return torch.from_numpy((offset + scale * u).astype(np.float32).astype(np.float64)).reshape(tuple(shape))
