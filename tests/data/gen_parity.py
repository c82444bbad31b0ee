"""Writes net_parity.h: what PyTorch, torchvision and transformers give on formula weights (tests/support/formula.h).

    python3 gen_parity.py > net_parity.h

Everything is computed in float64 on weights and inputs rounded to float32, so that a difference is ours alone.
Needs torch, torchvision, transformers.
"""
import sys

import numpy as np
import torch
import torchvision
import transformers

from formula import bits, fill, fnv

torch.set_grad_enabled(True)

SHIFT = 0.0  # of BN biases


def weight(name, shape):
    offset, scale, rank = 0.0, 0.1, len(shape)
    if rank == 4:
        scale = np.sqrt(6.0 / float(shape[1] * shape[2] * shape[3]))
    if rank == 2:
        scale = np.sqrt(3.0 / float(shape[1]))
    if "embeddings." in name and rank == 2:
        scale = 1.0
    if rank == 1 and name.endswith(".weight"):
        offset = 0.5 if name.endswith("bn2.weight") else 1.0
    if name.endswith("running_var"):
        offset, scale = 1.0, 0.5
    if name.endswith(".bias") and (".bn" in name or "downsample.1" in name):
        offset = SHIFT
    return fill(name, offset, scale, shape)


def samples(name, tensor, n):
    flat = tensor.detach().reshape(-1).numpy()
    return flat[(bits(fnv(name) ^ 0x5A5A5A5A5A5A5A5A, np.arange(n)) % np.uint64(flat.size)).astype(np.int64)]


def numbers(x):
    return ", ".join("%.9g" % v for v in x)


def load(module, prefix):
    state = module.state_dict()
    for key in state:
        if not key.endswith("num_batches_tracked") and not key.endswith("position_ids"):
            state[key] = weight(prefix + key, list(state[key].shape))
    module.load_state_dict(state)
    return module


def trunk(prefix, channels):
    net = torchvision.models.resnet18()
    net.conv1 = torch.nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    net.avgpool = torch.nn.Identity()
    net.fc = torch.nn.Identity()
    return load(net.double(), prefix)


def features(net, x):
    x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
    return net.layer4(net.layer3(net.layer2(net.layer1(x))))


# ---- forward passes ---------------------------------------------------------------------------------------------
SAMPLES = 64
print("/* Written by gen_parity.py; do not edit. */")
print("enum { PARITY_SAMPLES = %d, GRADIENT_SAMPLES = 8 };" % SAMPLES)
print("typedef struct parity_trunk {\n    int audio, train, batch, height, width;\n    double largest, "
      "values[PARITY_SAMPLES];\n} parity_trunk;")
print("static const parity_trunk parity_trunks[] = {")
for audio, h, w in ((0, 224, 224), (0, 224, 448), (1, 257, 200), (1, 257, 276)):
    for train in (0, 1):
        for batch in (1, 4):
            net = trunk("audnet." if audio else "imgnet.", 1 if audio else 3).train(bool(train))
            x = fill("sound" if audio else "picture", 0.0, 1.7, (batch, 1 if audio else 3, h, w))
            with torch.no_grad():
                y = features(net, x)
                low = features(trunk("audnet." if audio else "imgnet.", 1 if audio else 3).float().train(bool(train)),
                               x.float())
            print("trunk", audio, train, batch, tuple(y.shape), float(y.abs().max()), float(y.abs().mean()),
                  "torch f32 error", float((low - y).abs().max() / y.abs().max()), file=sys.stderr)
            print("    {%d, %d, %d, %d, %d, %.9g, {%s}}," % (audio, train, batch, h, w, y.abs().max(),
                                                             numbers(samples("features", y, SAMPLES))))
print("};")


# ---- one OA-SSL step, written from losses.md ----------------------------------------------------------------------
def unit(x, dim):
    return x / x.norm(dim=dim, keepdim=True).clamp_min(1e-12)


def soft_mean(x, w):
    return (w * x).sum(-1) / w.sum(-1)


def lvs(S):
    B = S.shape[0]
    A = S[torch.arange(B), torch.arange(B)]
    pos = soft_mean(A, torch.sigmoid((A - 0.65) / 0.03))
    hard = soft_mean(A, 1 - torch.sigmoid((A - 0.4) / 0.03))
    X = soft_mean(S, torch.sigmoid((S - 0.65) / 0.03)) * (1 - 100 * torch.eye(B, dtype=S.dtype))
    logits = torch.cat([pos[:, None], X, hard[:, None]], 1) / 0.07
    return torch.nn.functional.cross_entropy(logits, torch.zeros(B, dtype=torch.long))


def oca(F, a, Rp, rn):
    B = F.shape[0]
    S = torch.einsum("bcp,bc->bp", unit(F, 1), unit(a, 1))
    vp = unit((F * torch.sigmoid((S - 0.65) / 0.03)[:, None]).mean(2), 1)
    vn = unit((F * (1 - torch.sigmoid((S - 0.4) / 0.03))[:, None]).mean(2), 1)
    rp, rn = unit(Rp.mean(1), 1), unit(rn, 1)
    total = 0
    for i in range(B):
        t = [vp[i] @ rp[i], vn[i] @ rp[i]]
        t += [vp[j] @ rp[i] for j in range(B) if j != i and float(vp[j] @ rp[i]) <= 0.7]
        total = total + torch.logsumexp(torch.stack(t), 0) - t[0]
        t = [vn[i] @ rn[i], vp[i] @ rn[i]]
        total = total + torch.logsumexp(torch.stack(t), 0) - t[0]
    return total / (2 * B)


def sinkhorn(s, t, h, w):
    y, x = np.divmod(np.arange(h * w), w)
    xy = torch.tensor(np.stack([x / max(w - 1, 1), y / max(h - 1, 1)], 1))
    C = (s[:, None] - t[None, :]).abs() + (xy[:, None] - xy[None]).norm(dim=2)
    P = len(s)
    log_marginal = float(np.log(1.0 / P + 1e-8))
    u, v = torch.zeros(P, dtype=s.dtype), torch.zeros(P, dtype=s.dtype)
    for _ in range(100):
        before = u
        u = 0.1 * (log_marginal - torch.logsumexp((v[None] - C) / 0.1, 1))
        v = 0.1 * (log_marginal - torch.logsumexp((u[:, None] - C) / 0.1, 0))
        if float((u - before).abs().sum()) < 0.1:
            break
    return (torch.exp((u[:, None] + v[None] - C) / 0.1) * C).sum()


def ori(F, Rp, rn, h, w):
    total = 0
    for b in range(F.shape[0]):
        maps = unit(torch.cat([Rp[b], rn[b][None]]), 1) @ unit(F[b], 0)
        for n in range(len(maps)):
            for m in range(len(maps)):
                if n != m:
                    total = total + sinkhorn(maps[n], 1 - maps[m], h, w)
    return total


B, K, T = 2, 2, 48
print("enum { STEP_BATCH = %d, STEP_CAPTIONS = %d, STEP_TEXT = %d };" % (B, K, T))
print("typedef struct parity_tensor {\n    const char *name;\n    double norm, largest, values[GRADIENT_SAMPLES];\n"
      "} parity_tensor;")


def table(name, tensors):
    print("static const parity_tensor %s[] = {" % name)
    for key, t in tensors:
        print("    {\"%s\", %.9g, %.9g, {%s}}," % (key, t.norm(), t.abs().max(), numbers(samples(key, t, 8))))
    print("};")


def step(name):
    vision, hearing = trunk("imgnet.", 3).train(), trunk("audnet.", 1).train()
    proj = torch.nn.Linear(T, 512).double()
    proj.load_state_dict({"weight": weight("text_proj.weight", (512, T)), "bias": weight("text_proj.bias", (512,))})
    F = features(vision, fill("picture", 0.0, 1.7, (B, 3, 224, 224)))
    a = features(hearing, fill("sound", 0.0, 1.7, (B, 1, 257, 200))).amax((2, 3))
    Rp, rn = proj(fill("foreground", 0.0, 1.0, (B, K, T))), proj(fill("background", 0.0, 1.0, (B, T)))
    h, w = F.shape[2:]
    F = F.flatten(2)
    S = torch.einsum("ncp,kc->nkp", unit(F, 1), unit(a, 1))
    parts = [lvs(S), oca(F, a, Rp, rn), ori(F, Rp, rn, h, w)]
    total = parts[0] + parts[1] + 0.1 * parts[2]
    total.backward()
    print(name, "total", float(total), [float(p) for p in parts], "S", float(S.min()), float(S.max()), file=sys.stderr)
    print("static const double %s_parts[4] = {%s}; /* total, base, oca, ori */" %
          (name, numbers([float(v) for v in [total] + parts])))
    nets = (("imgnet.", vision), ("audnet.", hearing), ("text_proj.", proj))
    table(name + "_gradients", [(p + k, q.grad) for p, net in nets for k, q in net.named_parameters()])
    table(name + "_states", [(p + k, q) for p, net in nets for k, q in net.named_buffers() if "num_batches" not in k])


step("plain")
SHIFT = 3.0
step("shifted")
SHIFT = 0.0

# ---- BERT -------------------------------------------------------------------------------------------------------
print("typedef struct parity_bert {\n    int layers, width, heads, ffn, vocab, positions, batch, length;\n"
      "    double largest, cls[PARITY_SAMPLES], mean[PARITY_SAMPLES];\n} parity_bert;")
print("static const parity_bert parity_berts[] = {")
for layers, width, heads, ffn, vocab, positions, batch, length in ((2, 768, 12, 3072, 500, 64, 3, 21),
                                                                    (12, 96, 6, 384, 500, 64, 3, 37),
                                                                    (2, 32, 4, 80, 50, 40, 2, 40)):
    config = transformers.BertConfig(vocab_size=vocab, hidden_size=width, num_hidden_layers=layers,
                                     num_attention_heads=heads, intermediate_size=ffn, max_position_embeddings=positions)
    net = transformers.BertModel(config, add_pooling_layer=False).double().eval()
    load(net, "")
    ids = torch.from_numpy((bits(fnv("ids"), np.arange(batch * length)) % np.uint64(vocab)).astype(np.int64)).reshape(batch, length)
    lengths = torch.tensor([length - 5 * i for i in range(batch)])
    mask = (torch.arange(length)[None] < lengths[:, None]).long()
    with torch.no_grad():
        out = net(input_ids=ids, attention_mask=mask).last_hidden_state
    cls = out[:, 0]
    mean = (out * mask[:, :, None]).sum(1) / lengths[:, None]
    print("bert", layers, width, float(cls.abs().max()), float(cls.std()), file=sys.stderr)
    print("    {%d, %d, %d, %d, %d, %d, %d, %d, %.9g,\n     {%s},\n     {%s}}," %
          (layers, width, heads, ffn, vocab, positions, batch, length, cls.abs().max(), numbers(samples("cls", cls, SAMPLES)),
           numbers(samples("mean", mean, SAMPLES))))
print("};")
