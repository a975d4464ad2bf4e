"""Draw the picture in the README: a poster and the scores that a model gives it.

python -m scripts.picture MODEL POSTER OUT.png
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import keyart

PAPER, INK, FAINT, CHOSEN = "#f4f1ea", "#1d1b18", "#8a8478", "#c8452d"
WIDTH, HEIGHT, MARGIN, SHOWN = 1200, 640, 48, 8


def main(model: Path, poster: Path, out: Path) -> None:
    """Predict the genres of `poster` with `model`, and draw both."""
    predictor = keyart.load(model)
    prediction = predictor.predict(poster)
    sheet = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(sheet)
    tall = HEIGHT - 2 * MARGIN
    art = Image.open(poster).convert("RGB").resize((tall * 2 // 3, tall), Image.Resampling.LANCZOS)
    sheet.paste(art, (MARGIN, MARGIN))
    left, right = MARGIN + art.width + 56, WIDTH - MARGIN
    title = " · ".join(prediction.genres) or "unsure"
    draw.text((left, MARGIN + 4), title, INK, ImageFont.load_default(40))
    note = "calibrated scores; the mark is each genre's threshold"
    draw.text((left, MARGIN + 62), note, FAINT, ImageFont.load_default(18))
    start, bar_left, bar_right = MARGIN + 120, left + 150, right - 70
    step = (HEIGHT - MARGIN - start) / SHOWN
    font = ImageFont.load_default(22)
    for line, (genre, score) in enumerate(prediction.top(SHOWN).items()):
        chosen = genre in prediction.genres
        middle, ink = start + step * (line + 0.5), INK if chosen else FAINT
        draw.text((left, middle), genre, ink, font, anchor="lm")
        draw.rectangle((bar_left, middle - 9, bar_right, middle + 9), "#e7e2d6")
        reach = bar_left + (bar_right - bar_left) * score
        draw.rectangle((bar_left, middle - 9, reach, middle + 9), CHOSEN if chosen else "#b3ab9a")
        mark = bar_left + (bar_right - bar_left) * predictor.thresholds[genre]
        draw.rectangle((mark - 1, middle - 14, mark + 1, middle + 14), INK)
        draw.text((right, middle), f"{score:.0%}", ink, font, anchor="rm")
    sheet.save(out, optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
