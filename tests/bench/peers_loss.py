"""ORI, forward and backward, by PyTorch's autograd through log-domain Sinkhorn iterations, and POT's Sinkhorn.

usage: peers_loss.py pytorch MAPS.f32 BATCH MAPS SIDE THREADS CHUNK      one worker (worker.py)
       peers_loss.py pot MAPS.f32 BATCH MAPS SIDE THREADS

The loss (spec losses.md 8.2, intensity cost): for every sample and every ordered pair n != m of its maps,
C[p, q] = |s_p - t_q| + |xy_p - xy_q| with s = S_n, t = 1 - S_m; 100 iterations with eps 0.1 and no early stop;
sum exp((u + v - C) / eps) C, summed over pairs and samples; the gradient goes through every iteration.

PyTorch keeps two cost matrices a pair and an iteration for its backward pass: at 14 x 14 those of a batch of 128 are more than
24 GB, so the batch is gone through in chunks of CHUNK samples whose gradients add up, which also suits its caches.
"""
import sys

import numpy as np

import worker

EPS, ITERATIONS, FLOOR = 0.1, 100, 1e-8


def spatial(side):
    y, x = np.meshgrid(np.arange(side) / (side - 1), np.arange(side) / (side - 1), indexing="ij")
    points = np.stack([x.ravel(), y.ravel()], 1)
    return np.linalg.norm(points[:, None] - points[None], axis=2)


def ordered_pairs(n_maps):
    return [(n, m) for n in range(n_maps) for m in range(n_maps) if n != m]


def pytorch_ori(maps, xy):
    """maps [B, M, P] with requires_grad -> the loss"""
    import torch
    pairs = ordered_pairs(maps.shape[1])
    s = maps[:, [n for n, _ in pairs]].flatten(0, 1)
    t = 1 - maps[:, [m for _, m in pairs]].flatten(0, 1)
    C = ((s[:, :, None] - t[:, None, :]).abs() + xy) / EPS
    log_marginal = float(np.log(1 / maps.shape[2] + FLOOR))
    v = torch.zeros_like(t)
    for _ in range(ITERATIONS):  # potentials in units of eps
        u = log_marginal - torch.logsumexp(v[:, None, :] - C, 2)
        v = log_marginal - torch.logsumexp(u[:, :, None] - C, 1)
    return (torch.exp(u[:, :, None] + v[:, None, :] - C) * C).sum() * EPS


def pytorch(path, batch, n_maps, side, threads, chunk):
    import torch
    torch.set_num_threads(threads)
    maps = torch.from_numpy(np.fromfile(path, np.float32).reshape(batch, n_maps, side * side))
    xy = torch.from_numpy(spatial(side).astype(np.float32))

    def call():
        total, gradients = 0.0, []
        for part in maps.split(chunk):
            part = part.detach().requires_grad_()
            loss = pytorch_ori(part, xy)
            loss.backward()
            total += loss.item()
            gradients.append(part.grad)
        return total, torch.cat(gradients)

    return call, "PyTorch", torch.__version__


def pot(path, batch, n_maps, side, threads):
    """Forward only, in double precision, one problem after the other: for information."""
    import ot
    maps, xy = np.fromfile(path, np.float32).reshape(batch, n_maps, -1).astype(float), spatial(side)
    uniform = np.full(side * side, 1 / (side * side))

    def call():
        total = 0.0
        for sample in maps:
            for n, m in ordered_pairs(n_maps):
                C = np.abs(sample[n][:, None] - (1 - sample[m])[None]) + xy
                total += (ot.sinkhorn(uniform, uniform, C, EPS, method="sinkhorn_log", numItermax=ITERATIONS, stopThr=0, warn=False) * C).sum()
        return total, None

    return call, "POT sinkhorn_log (forward only, f64)", ot.__version__


def main():
    path, numbers = sys.argv[2], [int(a) for a in sys.argv[3:]]
    call, name, version = {"pytorch": pytorch, "pot": pot}[sys.argv[1]](path, *numbers)
    value, gradient = call()
    if gradient is not None:
        gradient.numpy().astype(np.float32).tofile(path.replace(".f32", ".gradient.f32"))
    worker.serve(call, warm=False, name=name, version=version, value=value)


if __name__ == "__main__":
    main()
