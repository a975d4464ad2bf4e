"""Palettes: five colours that go together, and how colours are mixed and compared."""

from typing import NamedTuple

import numpy as np

Color = tuple[int, int, int]


class Palette(NamedTuple):
    """Five colours: sky at the top, haze lower down, shade for silhouettes, an accent, a light."""

    sky: Color
    haze: Color
    shade: Color
    accent: Color
    light: Color

    def printed(self, rng: np.random.Generator) -> "Palette":
        """The palette as one print shows it: every colour is slightly off, and has some of another.

        Shade stays dark and light bright, so that silhouettes and titles stand out from the sky.
        """
        tones = np.array(self) + rng.normal(0, 7, (5, 3)) + rng.normal(0, 5, 3)
        share = rng.uniform(0, [[0.35], [0.35], [0.1], [0.35], [0.1]])
        tones += share * (tones[rng.permutation(5)] - tones)
        return Palette(*((int(r), int(g), int(b)) for r, g, b in tones.clip(0, 255)))


def mix(first: Color, second: Color, share: float) -> Color:
    """The colour `share` of the way from `first` to `second`."""
    red, green, blue = (
        round(one + (other - one) * share) for one, other in zip(first, second, strict=True)
    )
    return red, green, blue


def luminance(tone: Color) -> float:
    """How bright a colour looks, 0 to 1."""
    return (0.299 * tone[0] + 0.587 * tone[1] + 0.114 * tone[2]) / 255


def contrast(tone: Color, ground: Color) -> float:
    """Contrast between two colours, at least 1. A simple form of the ratio in WCAG 2."""
    dark, bright = sorted((luminance(tone), luminance(ground)))
    return (bright + 0.05) / (dark + 0.05)


PALETTES = {
    name: Palette(*((r, g, b) for r, g, b in map(bytes.fromhex, codes.split())))
    for name, codes in {
        #            sky    haze   shade  accent light
        "noir":      "101014 45454e 050506 c8102e e9e4d8",
        "ink":       "1b2430 5a6a78 0b0f14 d9a441 ece6d6",
        "ember":     "3b0a0a d8431f 140405 ffb02e ffe8c2",
        "blaze":     "06313b ef8a3a 031419 ffc15e fff0da",
        "lagoon":    "0f5566 7fc8b8 06262f fb8b24 f4f1de",
        "bubblegum": "ff8fab ffd6a5 5a189a 3a86ff fffaf0",
        "sunshine":  "ffcb2d fff0a8 23395b ee4266 ffffff",
        "noon":      "35b5e8 d0f4ff 1d3557 ff595e ffffff",
        "mint":      "86d1ab e9f5db 1b4332 f4845f ffffff",
        "candy":     "8f4fe0 ff9ecb 2b0f54 ffe14d ffffff",
        "neon":      "14033a 8a2be2 07011a 00e5ff ff7ce5",
        "cosmos":    "040c33 0a6fb0 01040f 90e0ef eaf8ff",
        "mars":      "2a0f18 c1502e 12060a 6fd3e0 ffe9d6",
        "khaki":     "5a5a3c b5a76c 23241a b23a2e ece3c6",
        "smoke":     "3a4048 9aa3a8 15181b d1603d e8e6df",
        "winter":    "9dbfd6 eef5f8 20384a b5312c ffffff",
        "sepia":     "7a4f2a dcb785 2b1a0d 8c2f1b f5e6c8",
        "canyon":    "f2a541 f7d9a0 4a1c10 b5341c fff4dc",
        "rose":      "b5446e ffc2d1 4a0e2a ff4d6d fff0f3",
        "blush":     "f7c3cd fff1e6 7a2e4d e5383b ffffff",
        "wine":      "3c0d1e 9d2a4a 1a050c f2b5a7 fdeeea",
        "forest":    "0b332c 6aa878 051512 e9c46a eef4e1",
        "venom":     "0e1a12 5a8a34 050a06 b6ff3b e6f2d0",
        "blood":     "1a0000 8a0d0d 050000 ff3b2a f2ddd0",
        "paper":     "efe8d8 dcd2bb 222222 c8452d ffffff",
        "slate":     "2c3e50 8aa1b1 131c26 e7b75f eef2f3",
        "gold":      "151006 7a5a20 070502 e6b84f fbf0d0",
        "royal":     "2a0a55 9d4edd 10002b ffd23f fdf0ff",
        "velvet":    "5c0011 c9184a 20000a ffd166 fff3e0",
        "marigold":  "f48c06 ffd97d 4a0a1c 9d0208 fff8e7",
    }.items()
}  # fmt: skip
