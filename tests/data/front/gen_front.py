"""Writes front_vectors.h: what Pillow, torch, torchvision and scipy make of pseudo-random inputs.

Needs torch, torchvision, scipy and a Pillow before 12.3: like all published systems it resizes across first, then down;
newer ones swap the passes for some tall pictures.  Run:  python gen_front.py > front_vectors.h
"""
import zlib

import numpy as np
import PIL
import scipy
import torch
import torchvision
from PIL import Image
from scipy.signal import spectrogram
from torchvision.transforms import v2 as T


def noise(n):
    """n pseudo-random bytes; test_picture_files.c and test_audio.c have the same formula."""
    v = (np.arange(n, dtype=np.uint64) * 2654435761) & 0xFFFFFFFF
    v ^= v >> np.uint64(15)
    v = (v * 2246822519) & 0xFFFFFFFF
    return (v >> np.uint64(24)).astype(np.uint8)


def picture(w, h, c=3):
    return noise(w * h * c).reshape((h, w, c) if c > 1 else (h, w))



def c_float(v):
    s = "%.9g" % v
    return (s if "." in s or "e" in s else s + ".0") + "f"


def table(name, values):
    body = ", ".join(c_float(v) for v in np.asarray(values).ravel())
    print("static const float %s[] = {%s};" % (name, body))


print("/* Made by gen_front.py with pillow %s, torch %s, torchvision %s, scipy %s. */" %
      (PIL.__version__, torch.__version__, torchvision.__version__, scipy.__version__))
print("/* clang-format off */")

SIZES = [(9, 6, 5, 4), (4, 3, 7, 5), (640, 480, 328, 246), (640, 480, 224, 224), (481, 360, 299, 224), (100, 100, 100, 50),
         (100, 100, 50, 100), (31, 17, 31, 17), (1, 1, 8, 8), (8, 8, 1, 1), (1, 64, 7, 9), (64, 1, 9, 7), (500, 333, 246, 369),
         (256, 256, 224, 224), (64, 64, 224, 224), (1280, 20, 33, 200), (20, 1280, 200, 33), (37, 53, 36, 52), (53, 37, 54, 38),
         (224, 224, 223, 225), (300, 301, 149, 150), (17, 19, 170, 190), (1000, 7, 3, 3), (7, 1000, 3, 3), (2, 3, 3, 2),
         (123, 45, 67, 89), (45, 123, 89, 67), (333, 500, 128, 192), (5, 5, 4, 4), (257, 129, 128, 64)]
print("static const struct { int32_t in_w, in_h, out_w, out_h; uint32_t bicubic, bilinear; } pillow_crc[] = {")
for iw, ih, ow, oh in SIZES:
    im = Image.fromarray(picture(iw, ih))
    crc = [zlib.crc32(im.resize((ow, oh), f).tobytes()) for f in (Image.BICUBIC, Image.BILINEAR)]
    print("    {%d, %d, %d, %d, 0x%08Xu, 0x%08Xu}," % (iw, ih, ow, oh, *crc))
print("};")

MODES = [(3, "bicubic", False, False), (4, "bilinear", False, False), (5, "bicubic", False, True),
         (6, "bilinear", False, True), (7, "bicubic", True, False), (8, "bilinear", True, False)]
print("/* input: noise byte / 255 - 0.5, 7 wide, 5 high */")
print("static const struct { int32_t kernel, out_w, out_h, first; } torch_resize[] = {")
values = []
for kernel, mode, corners, aa in MODES:
    x = torch.tensor(picture(7, 5, 1) / 255.0 - 0.5, dtype=torch.float64)[None, None]
    for ow, oh in ((4, 9), (11, 2), (1, 1), (3, 3)):
        y = torch.nn.functional.interpolate(x, (oh, ow), mode=mode, align_corners=corners, antialias=aa)
        print("    {%d, %d, %d, %d}," % (kernel, ow, oh, len(values)))
        values += y.ravel().tolist()
print("};")
table("torch_resized", values)

print("/* pictures of 53 x 37 noise prepared at size 32: mean of all, then channel 0 at (0,0), 1 at (5,17), 2 at (31,31) */")
im = Image.fromarray(picture(53, 37))
to_float = T.Compose([T.ToImage(), T.ToDtype(torch.float32, scale=True)])
norm = T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
clip = T.Normalize([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
B = T.InterpolationMode.BICUBIC
for name, f in (("lvs", T.Compose([T.Resize(32, B), T.CenterCrop(32), to_float, norm])),
                ("ezvsl", T.Compose([T.Resize((32, 32), B), to_float, norm])),
                ("sslalignment", T.Compose([to_float, T.Resize((32, 32), B, antialias=False), norm])),
                ("sslalignment_aa", T.Compose([to_float, T.Resize((32, 32), B, antialias=True), norm])),
                ("clip_crop", T.Compose([T.Resize(32, B), T.CenterCrop(32), to_float, clip]))):
    t = f(im)
    table("prepared_" + name, [t.double().mean(), t[0, 0, 0], t[1, 5, 17], t[2, 31, 31]])

print("/* scipy: noise byte / 255 - 0.5 at 16 kHz, 5000 samples; rows 0, 1, 50, 255, 256 */")
x = noise(5000) / 255.0 - 0.5
for overlap in (274, 353):
    _, _, p = spectrogram(x, 16000, nperseg=512, noverlap=overlap)
    table("scipy_%d" % overlap, (np.log(p + 1e-7) / 12)[[0, 1, 50, 255, 256]])
