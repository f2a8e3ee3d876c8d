"""Writes color.golden.json: what Pillow's colour operations make of a small synthetic picture. Run by hand: python3 color_goldens.py"""

import json
from pathlib import Path

import PIL
from PIL import Image, ImageEnhance, ImageOps

WIDTH, HEIGHT = 13, 9


def picture():
    """The twin of syntheticPixels("noise", 13, 9) in synthetic_pixels.ts, a third of it darkened so that histograms are not flat."""
    state, data = WIDTH * 65536 + HEIGHT, bytearray()
    for i in range(WIDTH * HEIGHT * 3):
        state = (state * 1664525 + 1013904223) % 2**32
        data.append((state >> 24) // 4 + 20 if i % 2 == 0 else state >> 24)
    return Image.frombytes("RGB", (WIDTH, HEIGHT), bytes(data))


def turned(image, turn):
    """Hue as torchvision turns it, on Pillow's 8-bit HSV."""
    h, s, v = image.convert("HSV").split()
    h = h.point(lambda value: (value + round(turn * 256)) % 256)
    return Image.merge("HSV", (h, s, v)).convert("RGB")


results = {}
for factor in (0.1, 0.7, 1, 1.4, 1.9):
    results[f"brightness {factor}"] = ImageEnhance.Brightness(picture()).enhance(factor)
    results[f"contrast {factor}"] = ImageEnhance.Contrast(picture()).enhance(factor)
    results[f"saturation {factor}"] = ImageEnhance.Color(picture()).enhance(factor)
    results[f"sharpness {factor}"] = ImageEnhance.Sharpness(picture()).enhance(factor)
for threshold in (1, 100, 256):
    results[f"solarize {threshold}"] = ImageOps.solarize(picture(), threshold)
for bits in (4, 6, 8):
    results[f"posterize {bits}"] = ImageOps.posterize(picture(), bits)
results["stretch 0"] = ImageOps.autocontrast(picture())
results["equalize 0"] = ImageOps.equalize(picture())
for turn in (-0.25, 0.125, 0.5):
    results[f"hue {turn}"] = turned(picture(), turn)

golden = {"by": f"color_goldens.py with Pillow {PIL.__version__}", "hex": {k: v.tobytes().hex() for k, v in results.items()}}
Path(__file__).with_name("color.golden.json").write_text(json.dumps(golden, indent=2) + "\n")
