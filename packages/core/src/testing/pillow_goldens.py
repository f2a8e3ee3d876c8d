"""Writes resize.golden.json: what Pillow makes of small synthetic pictures. Run by hand: python3 pillow_goldens.py"""

import hashlib
import json
from pathlib import Path

import PIL
from PIL import Image

SIZES = [  # input width, height; output width, height
    (1, 1, 1, 1), (1, 1, 7, 5), (7, 5, 1, 1), (2, 3, 3, 2), (5, 7, 11, 13), (64, 48, 64, 48), (64, 48, 32, 48),
    (64, 48, 64, 31), (33, 17, 16, 16), (100, 75, 224, 168), (127, 95, 50, 37), (341, 256, 299, 224), (200, 2, 3, 64),
    (2, 200, 64, 3), (1000, 3, 2, 2), (3, 1000, 2, 2), (500, 375, 341, 256), (224, 224, 160, 160), (97, 97, 96, 98),
    (16, 16, 250, 1), (199, 61, 1, 200),
]
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
PATTERNS = ["noise", "extremes"]


def picture(pattern, width, height):
    """The twin of syntheticPixels in synthetic_pixels.ts."""
    state, data = width * 65536 + height, bytearray()
    for _ in range(width * height * 3):
        state = (state * 1664525 + 1013904223) % 2**32
        data.append(state >> 24 if pattern == "noise" else 255 * (state >> 31))
    return Image.frombytes("RGB", (width, height), bytes(data))


sha256 = {
    f"{pattern} {w}x{h} to {ow}x{oh} {name}":
        hashlib.sha256(picture(pattern, w, h).resize((ow, oh), code).tobytes()).hexdigest()
    for w, h, ow, oh in SIZES for name, code in FILTERS.items() for pattern in PATTERNS
}
golden = {"by": f"pillow_goldens.py with Pillow {PIL.__version__}", "sha256": sha256}
Path(__file__).with_name("resize.golden.json").write_text(json.dumps(golden, indent=2) + "\n")
