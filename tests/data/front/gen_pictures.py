"""Writes pictures.h: tiny JPEG and PNG files of the kinds the library's own writer does not make, and the CRC-32 of the
RGB bytes Pillow decodes.  Needs pillow and numpy.  Run:  python gen_pictures.py > pictures.h
"""
import io
import zlib

import numpy as np
from PIL import Image

y, x = np.mgrid[0:19, 0:23]
rgb = np.stack([x * 11 % 256, y * 13 % 256, (x * y) % 256], 2).astype(np.uint8)
grey = rgb[..., 2]
alpha = np.dstack([rgb, (x * 9).astype(np.uint8)])
kinds = {
    "jpeg_rgb": (Image.fromarray(rgb), "JPEG", {"quality": 80}),
    "jpeg_444": (Image.fromarray(rgb), "JPEG", {"quality": 95, "subsampling": 0}),
    "jpeg_progressive": (Image.fromarray(rgb), "JPEG", {"quality": 80, "progressive": True}),
    "jpeg_grey": (Image.fromarray(grey), "JPEG", {"quality": 80}),
    "jpeg_cmyk": (Image.fromarray(rgb).convert("CMYK"), "JPEG", {"quality": 90}),
    "png_rgba": (Image.fromarray(alpha), "PNG", {}),
    "png_grey": (Image.fromarray(grey), "PNG", {}),
    "png_grey_alpha": (Image.fromarray(alpha[..., 2:]), "PNG", {}),
    "png_bilevel": (Image.fromarray((grey > 100)), "PNG", {}),
    "png_palette": (Image.fromarray(rgb).convert("P", palette=Image.Palette.ADAPTIVE, colors=13), "PNG", {}),
    "png_palette_alpha": (Image.fromarray(rgb).convert("P", palette=Image.Palette.ADAPTIVE, colors=13), "PNG",
                          {"transparency": 3}),
    "png_grey_16": (Image.fromarray((grey.astype(np.uint16) * 256 + x.astype(np.uint16))), "PNG", {}),
}
print("/* Made by gen_pictures.py: 23 x 19 pixels each. */\n/* clang-format off */")
rows = []
for name, (im, form, options) in kinds.items():
    f = io.BytesIO()
    im.save(f, form, **options)
    back = np.stack([grey] * 3, 2) if name == "png_grey_16" else np.array(Image.open(f).convert("RGB"))
    data = f.getvalue()
    print("static const uint8_t %s[] = {%s};" % (name, ",".join(map(str, data))))
    rows.append('    {"%s", %s, sizeof %s, 0x%08Xu},' % (name, name, name, zlib.crc32(back.tobytes())))
print("static const struct { const char *name; const uint8_t *bytes; size_t n; uint32_t crc; } pictures[] = {")
print("\n".join(rows) + "\n};")
