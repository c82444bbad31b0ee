"""Writes clip_parity.h: what transformers gives for CLIP's text transformer and a MiniLM-shaped BERT on formula weights
(tests/support/formula.h), in float64.

    python3 gen_clip_text.py > clip_parity.h        needs torch, transformers, numpy
"""
import sys

import numpy as np
import torch
import transformers

from formula import bits, fill, fnv


def weight(name, shape):
    offset, scale = 0.0, 0.1
    if len(shape) == 2:
        scale = 1.0 if "embeddings." in name else np.sqrt(3.0 / float(shape[1]))
    if len(shape) == 1 and name.endswith(".weight"):
        offset = 1.0
    return fill(name, offset, scale, shape)


def load(module, prefix):
    state = module.state_dict()
    for key in state:
        if not key.endswith("position_ids"):
            state[key] = weight(key.removeprefix(prefix), list(state[key].shape))
    module.load_state_dict(state)
    return module.double().eval()


def token_ids(vocab, batch, length, lengths):
    ids = (bits(fnv("ids"), np.arange(batch * length)) % np.uint64(vocab - 1)).astype(np.int64).reshape(batch, length)
    for row, n in zip(ids, lengths):
        row[n - 1] = vocab - 1  # CLIP's end token, the largest id
    return torch.from_numpy(ids)


def samples(tensor, n=32):
    flat = tensor.reshape(-1).numpy()
    return ", ".join("%.9g" % v for v in
                     flat[(bits(fnv("out") ^ 0x5A5A5A5A5A5A5A5A, np.arange(n)) % np.uint64(flat.size)).astype(np.int64)])


print("/* Written by gen_clip_text.py; do not edit. */")
print("enum { CLIP_SAMPLES = 32 };")
print("typedef struct parity_text {\n    int clip, layers, width, heads, ffn, vocab, positions, projection, batch, "
      "length;\n    double largest, values[CLIP_SAMPLES];\n} parity_text;")
print("static const parity_text parity_texts[] = {")
for clip, layers, width, heads, ffn, vocab, positions, projection, batch, length in (
        (1, 3, 512, 8, 2048, 600, 77, 512, 3, 77), (1, 3, 512, 8, 2048, 600, 77, 1024, 3, 33),
        (1, 2, 64, 4, 160, 50, 20, 48, 4, 20), (1, 2, 64, 4, 160, 50, 20, 0, 4, 20),
        (0, 6, 384, 12, 1536, 500, 64, 0, 3, 37)):
    lengths = [max(length - 5 * i, 1) for i in range(batch)]
    ids = token_ids(vocab, batch, length, lengths)
    mask = (torch.arange(length)[None] < torch.tensor(lengths)[:, None]).long()
    sizes = dict(vocab_size=vocab, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
                 intermediate_size=ffn, max_position_embeddings=positions)
    with torch.no_grad():
        if clip:
            config = transformers.CLIPTextConfig(**sizes, projection_dim=projection or 1, eos_token_id=vocab - 1,
                                                 bos_token_id=0, pad_token_id=vocab - 1)
            if projection:
                net = load(transformers.CLIPTextModelWithProjection(config), "text_model.")
                out = net(input_ids=ids, attention_mask=mask).text_embeds
            else:
                net = load(transformers.CLIPTextModel(config), "text_model.")
                out = net(input_ids=ids, attention_mask=mask).pooler_output
        else:
            net = load(transformers.BertModel(transformers.BertConfig(**sizes), add_pooling_layer=False), "")
            out = net(input_ids=ids, attention_mask=mask).last_hidden_state
            out = (out * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    print("clip" if clip else "bert", layers, width, tuple(out.shape), float(out.abs().max()), file=sys.stderr)
    print("    {%d, %d, %d, %d, %d, %d, %d, %d, %d, %d, %.9g,\n     {%s}}," % (
        clip, layers, width, heads, ffn, vocab, positions, projection, batch, length, out.abs().max(), samples(out)))
print("};")
