#!/usr/bin/env python3
"""Writes the seed corpora below tests/fuzz/corpus: small files of every format, made of nothing but this script.

  python3 tests/fuzz/make_seeds.py     needs the Python library; JPEG seeds also Pillow, compressed sound libsndfile
                                       (seeds that cannot be made are left as they are)

Files that the fuzzer found are named found-* and are not touched.
"""
import ctypes
import io
import json
import math
import os
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"
CUT = b"\n====\n"


def put(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)


def parts(*texts):
    return CUT.join(t.encode() if isinstance(t, str) else t for t in texts)


# ---- weights ---------------------------------------------------------------------------------------------------

SIZES = {"F32": 4, "F64": 8, "F16": 2, "BF16": 2, "I64": 8, "U8": 1}


def safetensors(tensors, metadata=None, pad=True):
    """tensors: name -> (dtype, shape); the data is a ramp of bytes below 0x40, small numbers in every float type."""
    header, offset = ({"__metadata__": metadata} if metadata else {}), 0
    for name, (dtype, shape) in tensors.items():
        size = SIZES[dtype] * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8 if pad else 0)
    return struct.pack("<Q", len(text)) + text + bytes(k % 0x40 for k in range(offset))


def resnet18(prefix, channels, width, dtype):
    out = {}

    def norm(name, n):
        for part in ("weight", "bias", "running_mean", "running_var"):
            out[prefix + name + "." + part] = (dtype, [n])

    out[prefix + "conv1.weight"] = (dtype, [width, channels, 7, 7])
    norm("bn1", width)
    before = width
    for layer in range(1, 5):
        n = width << (layer - 1)
        for block in range(2):
            base = f"layer{layer}.{block}."
            for k, inside in ((1, before if block == 0 else n), (2, n)):
                out[prefix + base + f"conv{k}.weight"] = (dtype, [n, inside, 3, 3])
                norm(base + f"bn{k}", n)
            if block == 0 and layer > 1:
                out[prefix + base + "downsample.0.weight"] = (dtype, [n, before, 1, 1])
                norm(base + "downsample.1", n)
        before = n
    return out


TRUNK = {"network": "resnet18", "in_channels": 3, "width": 1, "stem": "conv1", "layer4_stride": 2}
PAIR = {"kind": "pair", "visual": TRUNK, "audio": {**TRUNK, "in_channels": 1}, "text_dim": 2}
CLASSIFIER = {"kind": "classifier", "visual": TRUNK, "n_classes": 2}
TRAINING = {"image_size": "64", "audio_preset": "lvs", "mix_mode": "waveform_mean"}
CALIBRATION = {"scale": 3.5, "offset": -1}


def weights():
    put("weights", "types", safetensors({"a": ("F32", [2, 3]), "b": ("F64", [2]), "c": ("F16", [3]), "d": ("BF16", []), "e": ("I64", [1]), "f": ("U8", [0, 4])}))
    put("weights", "unaligned", safetensors({"module.model.a.weight": ("F32", [2])}, {"k": "v"}, pad=False))
    net = resnet18("", 3, 1, "BF16")
    put("weights", "classifier", safetensors({**net, "fc.weight": ("BF16", [2, 8]), "fc.bias": ("F32", [2])}))
    put("weights", "wrapped", safetensors({"model_state_dict.module." + k: net[k] for k in list(net)[:12]} | {"epoch": ("I64", [])}))
    put("weights", "config", safetensors({"imgnet.conv1.weight": ("F32", [1, 3, 7, 7]), "text_proj.bias": ("F32", [8])},
                                         {"oassl_config": json.dumps(PAIR), "oassl_training": json.dumps(TRAINING), "oassl_calibration": json.dumps(CALIBRATION)}))
    put("weights", "lvs", safetensors({"imgnet.conv1.weight": ("F16", [1, 3, 7, 7]), "audnet.conv1_a.weight": ("F16", [1, 1, 7, 7]),
                                       "text_proj.weight": ("F16", [8, 2])}))
    put("weights", "wide", safetensors({"a": ("F32", [1])}, {"oassl_config": json.dumps({**CLASSIFIER, "visual": {**TRUNK, "width": 1024}})}))
    put("weights", "empty", struct.pack("<Q", 2) + b"{}")


def checkpoints():
    progress = {"step": 1, "log_bytes": 10, "validated": 0, "best_step": 0, "calibrated": 0, "val_score": -1.0, "best_score": -1.0}
    put("checkpoint", "good", json.dumps(progress))
    put("checkpoint", "late", json.dumps({**progress, "step": 2**63 - 1, "log_bytes": 2**63 - 1}))
    put("checkpoint", "other", parts(json.dumps(progress), json.dumps({"lr": 1}), b""))
    put("checkpoint", "changed", parts(json.dumps(progress), "", bytes([0, 0, 3, 1, 0, 1, 0, 65, 1, 0, 0, 127, 1, 0, 1, 128])))


def encoders():
    bert = {"embeddings.word_embeddings.weight": [5, 2], "embeddings.position_embeddings.weight": [8, 2], "embeddings.token_type_embeddings.weight": [1, 2]}
    bert |= {f"embeddings.LayerNorm.{k}": [2] for k in ("gamma", "beta")}
    for name, out, inside in (("attention.self.query", 2, 2), ("attention.self.key", 2, 2), ("attention.self.value", 2, 2), ("attention.output.dense", 2, 2),
                              ("intermediate.dense", 3, 2), ("output.dense", 2, 3)):
        bert |= {f"encoder.layer.0.{name}.weight": [out, inside], f"encoder.layer.0.{name}.bias": [out]}
    for name in ("attention.output", "output"):
        bert |= {f"encoder.layer.0.{name}.LayerNorm.{k}": [2] for k in ("weight", "bias")}
    config = {"model_type": "bert", "vocab_size": 5, "hidden_size": 2, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 3,
              "max_position_embeddings": 8, "type_vocab_size": 1}
    put("encoder", "bert", parts(json.dumps(config), json.dumps({"pooling_mode_mean_tokens": True}), safetensors({k: ("F16", v) for k, v in bert.items()})))
    put("encoder", "bert-wide", parts(json.dumps({**config, "hidden_size": 65536, "num_hidden_layers": 100}), " ", safetensors({"a": ("F16", [1])})))
    clip = {"token_embedding.weight": [5, 64], "positional_embedding": [4, 64], "ln_final.weight": [64], "ln_final.bias": [64], "text_projection": [64, 2]}
    put("encoder", "openai", parts("", safetensors({k: ("U8" if k == "x" else "F16", v) for k, v in clip.items()})))
    small = {"vocab_size": 5, "hidden_size": 2, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 3, "max_position_embeddings": 8, "projection_dim": 2}
    text = {"embeddings.token_embedding.weight": [5, 2], "embeddings.position_embedding.weight": [8, 2], "final_layer_norm.weight": [2], "final_layer_norm.bias": [2]}
    for name, out, inside in (("self_attn.q_proj", 2, 2), ("self_attn.k_proj", 2, 2), ("self_attn.v_proj", 2, 2), ("self_attn.out_proj", 2, 2), ("mlp.fc1", 3, 2), ("mlp.fc2", 2, 3)):
        text |= {f"encoder.layers.0.{name}.weight": [out, inside], f"encoder.layers.0.{name}.bias": [out]}
    text |= {f"encoder.layers.0.layer_norm{n}.{k}": [2] for n in (1, 2) for k in ("weight", "bias")}
    tensors = {"text_model." + k: ("F16", v) for k, v in text.items()} | {"text_projection.weight": ("F16", [2, 2])}
    put("encoder", "clip", parts(json.dumps({"model_type": "clip_text_model", **small}), " ", safetensors(tensors)))


# ---- texts -----------------------------------------------------------------------------------------------------

def captions():
    good = {"id": "a", "foreground": ["an image of  x", "An image\tof y"], "background": "an image of b", "labels": ["x", "y"], "model": "m"}
    lines = [good, {"file": "b", "foreground": "an image of f", "background": "an image of b"},
             {"id": "c", "foreground": ["an image of f"], "background": ["one", "two"]},
             {"id": "d", "foreground": [], "background": ""}, {"id": "a", "foreground": "again", "background": "x", "other": 1}]
    text = "".join(json.dumps(x) + "\n" for x in lines)
    put("captions", "lines", parts(text, '{"id": "ab", "parts": ["a", "b"]}\n{"id": "z", "parts": ["a", "nobody"]}\n'))
    put("captions", "map", json.dumps({"a": {"foreground": "f", "background": "b"}, "b": {k: v for k, v in good.items() if k != "id"}}, indent=1))
    put("captions", "fenced", 'Here it is:\n```json\n{"id": "a", "foreground": "f {x}", "background": "b"}\n```\n\xEF\xBB\xBF'.encode("latin1"))
    put("captions", "unicode", '\ufeff{"id": "\u00e9", "foreground": "an image of \u4e2d\u0301", "background": "\\u00e9\\ud83d\\ude00"}\r\n')


def manifests():
    source = {"label": "guitar", "box": [1, 2, 30, 40]}
    records = [
        {"id": "a", "image": "a.png", "audio": "a.wav", "split": "train", "sources": [source]},
        {"image": "b.png", "audio": "b.wav", "label": "drum", "group": "g", "playing": True, "frame": [224, 224], "ground_truth": "consensus",
         "coordinates": "xyxy 0..1", "sources": [{"label": "drum", "boxes": [[0, 0, 10, 10], [5, 5, 20, 20]], "raw_boxes": [[0, 0, 0.5, 0.5], [0.1, 0.2, -2.88e16, 1]]}],
         "silent": [{"label": "drum", "box": [3, 3, 9, 9], "twin": True}]},
        {"id": "c", "image": "c.png", "audio": "c.wav", "sources": [{"label": "x", "mask": "c_mask.png"}]},
        {"id": "m", "mix": ["a", "c"], "axis": "height", "split": "test"},
        {"id": "n", "mix": ["a", "lent"], "axis": "width"},
    ]
    lent = json.dumps({"id": "lent", "image": "l.png", "audio": "l.wav", "sources": [source]})
    put("manifest", "records", parts("".join(json.dumps(r) + "\n" for r in records), lent))
    put("manifest", "defects", '{"id": "a"}\n{"id": "a", "image": "x"}\n[1]\n{"id": 3}\n{"id": "b", "mix": ["b"]}\n{"id": "c", "sources": [{"box": [4, 4, 1, 1]}]}\n\xff')
    put("manifest", "plain", json.dumps({"image": "a.png", "label": "l", "boxes": [[1, 2, 3, 4], [0, 0, 9, 9]]}) + "\n" + json.dumps({"id": "b", "image": "b.png", "box": [1, 2, 3, 4]}))
    put("manifest", "raw", json.dumps({"id": "a", "image": "a.jpg", "audio": "a.wav", "frame": [224, 224], "coordinates": "xywh 0..1", "group": "v", "playing": False,
                                       "sources": [{"label": "l", "box": [33, 69, 79, 199], "raw_box": [0.149671, 0.308333, 0.205592, 0.583333]}]}) + "\n")


def scenes():
    row = lambda n, filter_type: bytes([filter_type]) + bytes((k * 37) % 256 for k in range(n))
    picture, mask = png(6, 5, 8, 2, row(18, 0) * 5), png(6, 5, 1, 0, b"\0\x70" * 5)
    base = {"image": "a.png", "audio": "a.wav"}
    boxed = {**base, "id": "a", "sources": [{"label": "x", "box": [1, 1, 4, 5]}], "silent": [{"label": "x", "box": [4, 0, 6, 2], "twin": True}]}
    raw = {**base, "id": "r", "frame": [224, 224], "ground_truth": "consensus", "coordinates": "xyxy 0..1", "group": "g",
           "sources": [{"label": "y", "boxes": [[0, 0, 112, 112], [56, 56, 224, 224]], "raw_boxes": [[0, 0, 0.5, 0.5], [0.25, 0.25, 1, 1]]}]}
    masked = {**base, "id": "k", "sources": [{"label": "z", "mask": "m.png"}, {"label": "y", "box": [0, 0, 2, 2]}]}
    mix = {"id": "mix", "mix": ["a", "r"], "axis": "height"}
    lines = lambda *records: "".join(json.dumps(r) + "\n" for r in records)
    put("scene", "boxes", parts(lines(boxed, raw), picture, mask))
    put("scene", "mask", parts(lines(masked), picture, mask))
    put("scene", "mixture", parts(lines(boxed, raw, mix), picture, mask))
    put("scene", "far", parts(lines({**boxed, "sources": [{"box": [-1e30, 0, 1e30, 3e38]}]}, {**raw, "coordinates": "xywh 0..1"}), picture, mask))


VGGSS = [{"file": "bbbbbbbbbbb_000032", "class": "elk bugling", "bbox": [[0.403125, 0.253125, 0.6, 0.75]]},
         {"file": "-aaaaaaaaaa_000030", "class": "female speech, woman speaking", "bbox": [[0, 0, 0.5, 0.5], [0.2, 0.3, -2.88e16, 1], [0.25, 0.5, 1, 1]]},
         {"file": "ccccccccccc_000079", "class": "horse clip-clop", "bbox": [[0.5, 0.5, 0.5, 1]]}]
XML = """<annotations>
 <annotator><a>1</a>%s</annotator>
 <annotator><bbox><k>1</k><xmin>0</xmin><ymin>12</ymin><xmax>250</xmax><ymax>256</ymax></bbox><other>x</other></annotator>
</annotations>
""" % "<bbox><label>obj</label><xmin>13</xmin><ymin>77</ymin><xmax>200</xmax><ymax>256</ymax></bbox>"


def annotations():
    one = lambda name, head, *texts: put("annotations", name, head.encode() + b"\n" + parts(*texts))
    one("vggss", "vggss flat", json.dumps(VGGSS), "bbbbbbbbbbb_000032,elk_bugling\r\n\r\n-aaaaaaaaaa_000030,\"female speech, woman speaking\"\nzpWuikVorYg_32000_42000\n", "",
        "video,audio,label\nbbbbbbbbbbb_000032,ccccccccccc_000079,non-sounding\n", "bbbbbbbbbbb_000032,elk,-aaaaaaaaaa_000030,speech\n")
    one("vggss-frame", "vggss frame mix2 height media keep", "\ufeff" + json.dumps(VGGSS, indent=1))
    one("vggsound", "vggsound mix3", '---g-f_I2yQ,1,"people marching",test\nbbbbbbbbbbb,30,x,train\n-0p7hKXZ1ww,130,y,test\n')
    one("list", "list strict", "Fsu8KjtWhPo_79000_89000\nvideos/1/2/1234567890.mp4\nabc,label one,label two\n")
    one("music-list", "music-list", "acoustic_guitar/aaaaaaaaaaa.mp4\ncello/bbbbbbbbbbb,cello\n")
    solo = [{"file": "aaaaaaaaaaa_000_00012", "class": "cello", "bbox": [[0.1, 0.2, 0.3, 0.4]]}, {"file": "bad", "class": "x", "bbox": []}]
    duet = [{"file": "aaaaaaaaaaa_000_00012", "class_src1": "cello", "bbox_src1": [[0.1, 0.2, 0.3, 0.4]], "class_src2": "tuba", "bbox_src2": [[0.5, 0.2, 0.3, 0.4]]}]
    one("music-solo", "music-solo", json.dumps(solo))
    one("music-duet", "music-duet height", json.dumps(duet))
    one("music-solo-tvsl", "music-solo-tvsl", json.dumps({"cello/aaaaaaaaaaa/000012.jpg": {
        "bbox": [{"box": [10, 20, 30, 40], "normbox": [0.1, 0.2, 0.3, 0.4], "category_id": 3}], "wdith": 640, "height": 480}, "bad": 1}))
    one("music-videos", "music-videos", "MUSIC_raw/solo/cello/aaaaaaaaaaa\nMUSIC_raw/solo/tuba/bbbbbbbbbbb\n")
    one("flickr", "flickr", XML)
    one("flickr-entity", "flickr", '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    one("extended", "extended", "video,audio,label\na_000001,b_000002,non-sounding\n")
    one("s4", "avsbench-s4", "name,category,split\n-5TrR_OxQ9M,ambulance_siren,train\nabc,cat,test\n")
    one("ms3", "avsbench-ms3", "name,split\nabc,val\nabd,test\n")
    one("s4-acl", "avsbench-s4", "abc_1,cat\nabc_5,cat\nabc_6,dog\n")
    s4 = [{"image": "visual_frames/test/cat/abc/abc_1.png", "audio": "audio_wav/test/cat/abc.wav", "gt_box": [10, 20, 100, 200]}]
    seg = [{"image": "abc.mp4_1.png", "audio": "abc.wav", "gt_box": "gt_masks/test/cat/abc/abc_1.png", "offset": 1}]
    one("s4-box", "avsbench-s4", json.dumps(s4), "", json.dumps(seg))
    is3 = [{"image": "accordion_1_guitar.jpg", "audio": "accordion_1.wav", "gt_box": [111.9, 106, 126, 114.5], "class": "accordion"},
           {"image": "accordion_1_guitar.jpg", "audio": "guitar_1.wav", "gt_box": [0, 0, 0, 0], "class": "guitar"}]
    one("is3", "is3 frame", json.dumps(is3))
    one("vpo-ss", "vpo-ss", json.dumps([{**is3[0], "offset": 4}]))
    one("vpo-ms", "vpo-ms media", json.dumps(is3))


def configs():
    put("config", "pair", json.dumps(PAIR))
    put("config", "classifier", json.dumps(CLASSIFIER))
    put("config", "training", json.dumps({"lr": 1e-4, "task": "classify", "n_steps": 400, "flip": True, "schedule": "cosine", "loss.lambda_ori": 0.1,
                                          "loss.ori_cost": "mass", "loss.ori_iterations": 100, "seed": 7, "base_width": "16"}))
    put("config", "set", "loss.lambda_oca=0.5e1")
    put("config", "hearing", json.dumps({**TRAINING, "image_size": 64, **CALIBRATION}))
    put("config", "ranges", json.dumps({"samples": 4, "ranges": {"a": {"input": [-2.5, 2.6], "relu": [0, 5.3]}}}))
    put("config", "bert", json.dumps({"vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
                                      "max_position_embeddings": 32, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu", "position_embedding_type": "absolute"}))
    put("config", "clip", json.dumps({"text_config": {"vocab_size": 600, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
                                                      "max_position_embeddings": 77, "projection_dim": 4, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}, "projection_dim": 4}))


def byte_symbols():
    shown = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    return [chr(b) for b in shown] + [chr(256 + k) for k in range(256 - len(shown))]


def vocabularies():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "violin", "##s", "##'", "'", "s", "b", "##o", "##w", ",", "cafe", "\u4e2d", "un", "12", "&"]
    put("vocabulary", "wordpiece", parts("\n".join(words) + "\n", '{"do_lower_case": false}', "Cafe's red b-o-w [SEP] \u4e2d\u6587 12\u00e9"))
    put("vocabulary", "wordpiece.json", json.dumps({"model": {"type": "WordPiece", "vocab": {w: k for k, w in enumerate(words)}}, "normalizer": {"lowercase": True}}))
    symbols = byte_symbols()
    tokens = symbols + [s + "</w>" for s in symbols]
    merges = ["a r", "r e", "re d</w>", "v i", "vi o", "b o", "bo w</w>"]
    put("vocabulary", "openai", parts("#version: 0.2\n" + "\n".join(merges) + "\n"))
    put("vocabulary", "openai.gz", zlib_gzip(("#version: 0.2\n" + "\n".join(merges) + "\n").encode()))
    vocabulary = {t: k for k, t in enumerate(tokens + [m.replace(" ", "") for m in merges] + ["<|startoftext|>", "<|endoftext|>"])}
    text = json.dumps(vocabulary, ensure_ascii=False, separators=(",", ":"))
    put("vocabulary", "pair", parts(text, "#version: 0.2\n" + "\n".join(merges) + "\n", "A red bow's &lt; 12"))
    put("vocabulary", "clip.json", json.dumps({"model": {"type": "BPE", "vocab": vocabulary, "merges": merges[:3] + [m.split() for m in merges[3:]]}},
                                              ensure_ascii=False, separators=(",", ":")))


def zlib_gzip(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


# ---- arrays ----------------------------------------------------------------------------------------------------

def npy(descr, shape, data, order="False", version=1):
    text = "{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }" % (descr, order, "".join("%d," % n for n in shape))
    head = 10 if version == 1 else 12
    text += " " * (-(head + len(text) + 1) % 64) + "\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text.encode("latin1") + data


def floats(*values, code="f"):
    return struct.pack("<%d%s" % (len(values), code), *values)


def unicode(width, *texts):
    return b"".join(t.encode("utf-32-le").ljust(4 * width, b"\0") for t in texts)


def npz(members, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for name, data in members.items():
            z.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, method)
    return out.getvalue()


def arrays():
    features = {
        "ids.npy": npy("<U2", [2], unicode(2, "a", "b\u00e9")), "offsets.npy": npy("<i8", [3], struct.pack("<3q", 0, 1, 3)),
        "foreground.npy": npy("<f4", [3, 2], floats(1, 2, 3, 4, 5, 6)), "background.npy": npy("<f4", [2, 2], floats(0, 0, 1, 0)),
        "encoder.npy": npy("<U4", [], unicode(4, "bert")), "encoder_hash.npy": npy("<U1", [], unicode(1, "0")),
    }
    retrieval = {"pictures.npy": npy("<f8", [2, 2], floats(1, 0, 0, 1, code="d")), "sounds.npy": npy("<f4", [2, 2], floats(1, 0, 0, 1)),
                 "labels.npy": npy("<U1", [2], unicode(1, "x", "y"))}
    put("npz", "features", npz({k: features[k] for k in list(features)}))
    put("npz", "deflated", npz({"a.npy": npy("<f4", [64], bytes(256)), "b.npy": npy("|S3", [2], b"abcd\0\0")}, zipfile.ZIP_DEFLATED))
    put("npz", "retrieval", npz(retrieval, zipfile.ZIP_DEFLATED))
    f, r = list(features.values()), list(retrieval.values())
    put("npz", "parts", parts(f[0], f[1], f[2], f[3], f[4], r[0], f[5], r[1], npy("<i4", [2], struct.pack("<2i", 0, 1))))
    put("npz", "array.npy", npy("<f2", [2, 1, 2], bytes(8), version=2))
    put("npz", "scalar.npy", npy("|b1", [], b"\1", version=3))
    put("npz", "zip64", zip64(npy("|u1", [3], b"\1\2\3")))
    stack = npy("<f4", [2, 2, 3], floats(*range(12)))
    four = npy("|u1", [2, 2, 1, 2], bytes(range(8)))
    put("maps", "stack.npy", stack)
    put("maps", "four.npy", four)
    put("maps", "stack.npz", npz({"maps.npy": stack}, zipfile.ZIP_DEFLATED))
    put("maps", "parts", parts(four, npy("<U1", [2], unicode(1, "a", "b")), npy("<i4", [2], struct.pack("<2i", 1, 2)), npy("<f2", [2, 1, 1], bytes(4)),
                               npy("<f8", [2], floats(0.5, 1, code="d"))))


def zip64(data):
    """One stored member with zip64 sizes everywhere, as large files have them."""
    name, crc = b"a.npy", zlib.crc32(data)
    extra = struct.pack("<HHQQ", 1, 16, len(data), len(data))
    local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 45, 0, 0, 0, 0, crc, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(extra)) + name + extra + data
    extra = struct.pack("<HHQQQ", 1, 24, len(data), len(data), 0)
    central = struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 45, 45, 0, 0, 0, 0, crc, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(extra), 0, 0, 0, 0, 0xFFFFFFFF) + name + extra
    end64 = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 1, 1, len(central), len(local))
    locator = struct.pack("<IIQI", 0x07064B50, 0, len(local) + len(central), 1)
    return local + central + end64 + locator + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)


# ---- pictures --------------------------------------------------------------------------------------------------

def png(width, height, depth, colour, rows, interlace=0, extra=b""):
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def pictures():
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    row = lambda n, filter_type: bytes([filter_type]) + bytes((k * 37) % 256 for k in range(n))
    put("picture", "rgb.png", png(5, 4, 8, 2, b"".join(row(15, f) for f in (0, 1, 2, 4))))
    put("picture", "rgba16.png", png(3, 2, 16, 6, row(24, 3) + row(24, 1)))
    put("picture", "grey1.png", png(9, 2, 1, 0, row(2, 0) + row(2, 2)))
    put("picture", "palette.png", png(4, 2, 4, 3, row(2, 0) * 2, extra=chunk(b"PLTE", bytes(range(48))) + chunk(b"tRNS", b"\0\x80")))
    put("picture", "interlaced.png", png(3, 3, 8, 0, row(1, 0) + row(1, 0) + row(2, 1) + row(1, 0) * 2 + row(3, 0), 1))
    try:
        from PIL import Image
    except ImportError:
        return
    picture = Image.new("RGB", (20, 14))
    picture.putdata([((x * 13) % 256, (y * 17) % 256, (x * y) % 256) for y in range(14) for x in range(20)])
    for name, mode, options in (("plain", "RGB", {}), ("progressive", "RGB", {"progressive": True}), ("grey", "L", {"optimize": True}), ("cmyk", "CMYK", {}),
                                ("restart", "RGB", {"subsampling": 2, "restart_marker_blocks": 1})):
        out = io.BytesIO()
        picture.convert(mode).save(out, "JPEG", quality=60, **options)
        put("picture", name + ".jpg", out.getvalue())


# ---- sounds ----------------------------------------------------------------------------------------------------

def wav(code, channels, rate, bits, data, fmt_extra=b"", before=b""):
    block = channels * bits // 8
    fmt = struct.pack("<HHIIHH", code, channels, rate, rate * block, block, bits) + fmt_extra
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(fmt)) + fmt + before + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def sounds():
    tone = [0.5 * math.sin(k * 0.3) for k in range(600)]
    put("audio", "pcm16.wav", wav(1, 1, 16000, 16, b"".join(struct.pack("<h", int(v * 32767)) for v in tone)))
    put("audio", "pcm8-stereo.wav", wav(1, 2, 8000, 8, bytes(128 + int(v * 100) for v in tone)))
    put("audio", "float.wav", wav(3, 1, 22050, 32, floats(*tone[:300]), b"\0\0", b"LIST\4\0\0\0abcd"))
    put("audio", "pcm24.wav", wav(1, 1, 44100, 24, b"".join(struct.pack("<i", int(v * 8e6))[:3] for v in tone[:300])))
    put("audio", "ulaw.wav", wav(7, 1, 8000, 8, bytes(k % 256 for k in range(200))))
    put("audio", "aiff", b"FORM" + struct.pack(">I", 46 + 80) + b"AIFFCOMM" + struct.pack(">IhIh", 18, 1, 40, 16) + b"\x40\x0c\xfa\0\0\0\0\0\0\0" + b"SSND"
        + struct.pack(">III", 88, 0, 0) + bytes(80))
    compressed(tone)


class Info(ctypes.Structure):
    _fields_ = [("frames", ctypes.c_int64), ("samplerate", ctypes.c_int), ("channels", ctypes.c_int), ("format", ctypes.c_int), ("sections", ctypes.c_int), ("seekable", ctypes.c_int)]


def compressed(tone):
    """Through libsndfile: major format | encoding."""
    try:
        sndfile = ctypes.CDLL("libsndfile.so.1")
    except OSError:
        return
    sndfile.sf_open.restype = ctypes.c_void_p
    for name, code, n in (("flac", 0x170002, 600), ("vorbis.ogg", 0x200060, 300), ("opus.ogg", 0x200064, 480), ("mp3", 0x230082, 1200), ("alac.caf", 0x180070, 300), ("ima.wav", 0x010012, 300)):
        if (CORPUS / "audio" / name).exists():  # Ogg streams get a number by chance: the same seeds for everybody
            continue
        info = Info(samplerate=16000, channels=1, format=code)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "sound")
            handle = sndfile.sf_open(path.encode(), 0x20, ctypes.byref(info))
            if not handle:
                print("libsndfile cannot write", name)
                continue
            samples = (ctypes.c_float * n)(*(tone[k % len(tone)] for k in range(n)))
            sndfile.sf_writef_float(ctypes.c_void_p(handle), samples, ctypes.c_int64(n))
            sndfile.sf_close(ctypes.c_void_p(handle))
            put("audio", name, Path(path).read_bytes())


# ---- graphs: single bytes, read by fuzz_graph.c ------------------------------------------------------------------

OPS = {}
for line in (Path(__file__).resolve().parents[2] / "include/oassl/ops.inc").read_text().splitlines():
    if line.startswith("OASSL_OP("):
        number, name = line[9:].split(",")[:2]
        OPS[name.strip()] = int(number)

INPUT, PARAM, CONSTANT = 0, 1, 2
I32 = 5  # a number of a type as add_input of fuzz_graph.c reads it; 0 is f32


def value(kind, shape, dtype=0):
    return bytes([kind + 3 * dtype, len(shape), *shape])


def node(op, inputs, ints=(), reals=()):
    return bytes([OPS[op], len(inputs), *inputs, len(ints), *ints, len(reals), *reals])


def graph(name, values, nodes, outputs=(), flags=0, changes=b""):
    tail = bytes([0, len(outputs), *outputs]) if len(nodes) < 24 else bytes([len(outputs), *outputs])
    put("graph", name, bytes([flags, len(values) - 1]) + b"".join(values) + b"".join(nodes) + tail + changes)


def graphs():
    v, i, p, c = value, INPUT, PARAM, CONSTANT
    matrix = [v(i, [2, 3]), v(p, [2, 3]), v(c, [3])]
    graph("elementwise", matrix, [node(op, [0, 1]) for op in ("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "LESS_EQUAL", "RELU_GRAD", "GELU_GRAD", "QUICK_GELU_GRAD")]
          + [node("ADD", [0, 2])], [3, 4])
    unary = ("EXP", "LOG", "SQRT", "RECIPROCAL", "ABS", "SIGN", "RELU", "SIGMOID", "TANH", "SOFTPLUS", "GELU", "QUICK_GELU", "STOP_GRADIENT", "COUNT_NON_FINITE")
    graph("unary", [v(i, [3])], [node(op, [k]) for k, op in enumerate(unary)] + [node("AFFINE", [1], (), (2, 1))], [1, 2, 3])
    graph("reduce", [v(i, [2, 3, 2]), v(i, [2, 2])], [node(op, [0], (2, 0)) for op in ("REDUCE_SUM", "REDUCE_MEAN", "REDUCE_MAX", "REDUCE_LSE")]
          + [node("REDUCE_MAX_GRAD", [0, 1], (2, 0)), node("REDUCE_SUM", [2], (3, 1))], [3, 4, 5], 1)
    graph("matmul", [v(i, [2, 1, 3]), v(p, [3, 2]), v(p, [2])], [node("MATMUL", [0, 1, 2]), node("MATMUL", [3, 1], (0, 1)), node("SOFTMAX", [4], (2,)),
                                                                 node("LOG_SOFTMAX", [4], (1,)), node("SOFTMAX_GRAD", [5, 4], (2,)), node("LOG_SOFTMAX_GRAD", [5, 4], (2,))], [3, 5], 1)
    conv = (2, 1, 1, 0, 1, 1, 1)
    graph("conv", [v(i, [1, 2, 5, 5]), v(p, [3, 2, 3, 2]), v(p, [3])], [node("CONV2D", [0, 1, 2], conv), node("RELU", [3])], [3], 1)
    graph("conv-grads", [v(i, [1, 2, 4, 4]), v(i, [2, 1, 3, 3]), v(i, [1, 2, 4, 4])], [
        node("CONV2D", [0, 1], (1, 1, 1, 1, 1, 1, 2)), node("CONV2D_GRAD_INPUT", [1, 2], (1, 1, 1, 1, 1, 1, 2, 4, 4)),
        node("CONV2D_GRAD_WEIGHT", [0, 2], (1, 1, 1, 1, 1, 1, 2, 3, 3))], [3, 4])
    pool = (2, 2, 2, 2, 1, 0)
    graph("pool", [v(i, [1, 2, 4, 4]), v(i, [1, 2, 3, 2])], [node("MAX_POOL", [0], pool), node("AVG_POOL", [0], pool), node("MAX_POOL_GRAD", [0, 1], pool),
                                                             node("AVG_POOL_GRAD", [1], pool + (0, 4, 4))], [2, 3, 4], 0)
    bn = [v(i, [2, 3, 2, 2])] + [v(p, [3])] * 4
    graph("norm", bn + [v(i, [2])], [node("BATCH_NORM", [0, 1, 2, 3, 4], (), (4, 3)), node("BATCH_NORM_GRAD", [0, 1, 7, 8, 6], (), (4,)),
                                     node("BATCH_NORM_INFER", [0, 1, 2, 3, 4], (), (4,)), node("BATCH_NORM_INFER_GRAD", [0, 1, 3, 4, 6], (), (4,)),
                                     node("LAYER_NORM", [0, 5, 5], (), (4,))], [6, 11, 14], 0)
    graph("fold", [v(i, [1, 2, 3, 3]), v(p, [3, 2, 1, 1]), v(p, [3]), v(p, [3])], [node("CONV2D", [0, 1], (1, 1, 0, 0, 1, 1, 1)), node("BATCH_NORM_INFER", [4, 2, 3, 2, 3], (), (4,))], (), 2)
    graph("move", [v(i, [2, 3, 4]), v(c, [2, 3, 1])], [
        node("RESHAPE", [0], (2, 6, 4)), node("TRANSPOSE", [0], (2, 0, 1)), node("CONCAT", [0, 1, 0], (2,)), node("SLICE", [0], (1, 1, 2)), node("PAD", [0], (0, 1, 2)),
        node("BROADCAST", [1], (3, 2, 3, 5))], [2, 3, 4, 5, 6], 1)
    graph("gather", [v(i, [3, 2]), v(i, [4], I32), v(i, [4, 2])], [node("GATHER", [0, 1]), node("SCATTER_ADD", [1, 2], (3,))], [3])
    sink = (2, 2, 3, 0, 0, 0)
    graph("sinkhorn", [v(i, [2, 4]), v(i, [2, 4]), v(i, [2])], [node("SINKHORN", [0, 1], sink, (3, 4, 1)), node("SINKHORN_GRAD", [0, 1, 4, 5, 6, 2], sink + (1,), (3, 4, 1))], [3], 0)
    graph("sinkhorn-mass", [v(i, [1, 4]), v(i, [1, 4])], [node("SINKHORN", [0, 1], (1, 4, 5, 1, 1, 1), (1, 4, 0))], [], 1)
    graph("adam", [v(i, [3])] * 4 + [v(i, [3])], [node("ADAM", [0, 1, 2, 3, 4], (), (11, 12, 4, 0))], [5, 6])
    graph("changed", matrix, [node("ADD", [0, 1]), node("MUL", [3, 2])], [3], 0, bytes([0, 0, 3, 255, 1, 0, 2, 200, 2, 0, 1, 9, 3, 0, 0, 240]))
    graph("huge", [v(i, [250, 254]), v(i, [248])], [node("MUL", [0, 1])])


if __name__ == "__main__":
    for make in (weights, checkpoints, encoders, captions, manifests, scenes, annotations, configs, vocabularies, arrays, pictures, sounds, graphs):
        make()
    for folder in sorted(CORPUS.iterdir()):
        print(folder.name, len(list(folder.iterdir())), "files", sum(f.stat().st_size for f in folder.iterdir()), "bytes")
