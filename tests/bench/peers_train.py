"""One OA-SSL training step in PyTorch: LVS + OCA + ORI, K = 1, with Adam, on a full-size ResNet-18 pair, losses vectorised over the batch.

usage: peers_train.py PRECISION BATCH THREADS      one worker (worker.py); PRECISION is f32 or bf16 (autocast of the networks,
                                                   f32 weights and losses)
"""
import contextlib
import sys

import worker

import torch
import torch.nn.functional as F
import torchvision


def unit(x, dim):
    return F.normalize(x, dim=dim, eps=1e-12)


def trunk(channels):
    net = torchvision.models.resnet18()
    net.conv1 = torch.nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    return torch.nn.Sequential(*list(net.children())[:-2])


def soft_mean(x, w):
    return (w * x).sum(-1) / w.sum(-1).clamp_min(1e-30)


def lvs(S):
    n = S.shape[0]
    A = S.diagonal(dim1=0, dim2=1).T
    pos = soft_mean(A, torch.sigmoid((A - 0.65) / 0.03))
    hard = soft_mean(A, 1 - torch.sigmoid((A - 0.4) / 0.03))
    X = soft_mean(S, torch.sigmoid((S - 0.65) / 0.03)) * (1 - 100 * torch.eye(n))
    return F.cross_entropy(torch.cat([pos[:, None], X, hard[:, None]], 1) / 0.07, torch.zeros(n, dtype=torch.long))


def oca(V, A, rp, rn):
    n = V.shape[0]
    mp, mn = torch.sigmoid((A - 0.65) / 0.03), 1 - torch.sigmoid((A - 0.4) / 0.03)
    mp, mn = mp / mp.amax(1, True).detach(), mn / mn.amax(1, True).detach()
    lp, ln = unit((V * mp[:, None]).mean(2), 1), unit((V * mn[:, None]).mean(2), 1)
    rp, rn = unit(rp, 1), unit(rn, 1)
    sim = lp @ rp.T                                   # [j, i]
    diagonal = sim.diagonal()
    soft = sim.masked_fill((sim > 0.7) | torch.eye(n, dtype=torch.bool), float("-inf"))
    foreground = torch.logsumexp(torch.cat([diagonal[None], (ln * rp).sum(1)[None], soft]), 0) - diagonal
    p = (ln * rn).sum(1)
    background = torch.logsumexp(torch.stack([p, (lp * rn).sum(1)]), 0) - p
    return (foreground.mean() + background.mean()) / 2


def ori(V, rp, rn, xy):
    maps = torch.einsum("bkc,bcp->bkp", unit(torch.stack([rp, rn], 1), 2), unit(V, 1))
    s, t = torch.cat([maps[:, 0], maps[:, 1]]), 1 - torch.cat([maps[:, 1], maps[:, 0]])
    C = (s[:, :, None] - t[:, None, :]).abs() + xy
    P = s.shape[1]
    log_marginal = float(torch.log(torch.tensor(1.0 / P + 1e-8)))
    u, v = torch.zeros_like(s), torch.zeros_like(s)
    running = torch.ones(len(s), 1, dtype=torch.bool)
    for _ in range(100):                              # each pair stops by itself
        u1 = 0.1 * (log_marginal - torch.logsumexp((v[:, None] - C) / 0.1, 2))
        v1 = 0.1 * (log_marginal - torch.logsumexp((u1[:, :, None] - C) / 0.1, 1))
        moved = (u1 - u).abs().sum(1, True)
        u, v = torch.where(running, u1, u), torch.where(running, v1, v)
        running = running & (moved >= 0.1)
        if not running.any():
            break
    return (torch.exp((u[:, :, None] + v[:, None] - C) / 0.1) * C).sum()


class Peer:
    def __init__(self, batch, precision):
        self.mode = torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()
        self.x, self.s = torch.randn(batch, 3, 224, 224), torch.randn(batch, 1, 257, 200)
        self.fg, self.bg = torch.randn(batch, 768), torch.randn(batch, 768)
        self.image, self.audio, self.text = trunk(3), trunk(1), torch.nn.Linear(768, 512)
        self.parameters = [p for net in (self.image, self.audio, self.text) for p in net.parameters()]
        self.adam = torch.optim.Adam(self.parameters, 1e-4)
        y, x = torch.meshgrid(torch.arange(7) / 6, torch.arange(7) / 6, indexing="ij")
        points = torch.stack([x.flatten(), y.flatten()], 1)
        self.xy = (points[:, None] - points[None]).norm(dim=2)

    def step(self):
        with self.mode:
            V = self.image(self.x).flatten(2).float()
            a = self.audio(self.s).amax((2, 3)).float()
        S = torch.einsum("ncp,kc->nkp", unit(V, 1), unit(a, 1))
        rp, rn = self.text(self.fg), self.text(self.bg)
        A = S.diagonal(dim1=0, dim2=1).T
        loss = lvs(S) + oca(V, A, rp, rn) + 0.1 * ori(V, rp, rn, self.xy)
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()


def main():
    precision, batch, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    imported = worker.peak_memory()
    worker.serve(Peer(batch, precision).step, name="PyTorch", version=torch.__version__, import_bytes=imported)


if __name__ == "__main__":
    main()
