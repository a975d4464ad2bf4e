"""Layouts: how much of its scene a poster shows, where its title stands, and what surrounds it.

Without them, two films of one scene and palette would have near-duplicate posters.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from keyart.demo.canvas import Canvas

_RAISED = 30.0  # a scene above a title at the foot, in poster units
_FOOT = 132.0  # where a border widens for the credits


@dataclass(frozen=True)
class Layout:
    """How a poster is laid out.

    foot: the title stands at the foot, otherwise at the top. mirrored: left and right of the scene
    are swapped. zoom: how close the scene is, at least 1. across, down: which part of it is seen
    then, 0 to 1 each. band, border: the names of their inks, if the title stands on a band, or
    the poster in a border.
    """

    foot: bool
    mirrored: bool
    zoom: float
    across: float
    down: float
    band: str | None
    border: str | None

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Layout":
        """A layout by chance."""
        inks = str(rng.choice(["light", "shade", "accent"])), str(rng.choice(["light", "shade"]))
        return cls(
            foot=bool(rng.random() < 0.4),
            mirrored=bool(rng.random() < 0.5),
            zoom=float(rng.uniform(1, 1.45)),
            across=float(rng.uniform()),
            down=float(rng.uniform(0.3, 0.9)),
            band=inks[0] if rng.random() < 0.2 else None,
            border=inks[1] if rng.random() < 0.25 else None,
        )

    def frame(self, art: Canvas) -> None:
        """Show the scene that is painted on `art` as this layout does."""
        wide, tall = art.image.size
        left = self.across * (wide - wide / self.zoom)
        top = self.down * (tall - tall / self.zoom)
        seen = (left, top, left + wide / self.zoom, top + tall / self.zoom)
        scene = art.image.resize((wide, tall), Image.Resampling.BILINEAR, box=seen)
        if self.mirrored:
            scene = ImageOps.mirror(scene)
        raised = round(_RAISED * art.unit_y) if self.foot else 0
        art.image.paste(scene, (0, -raised))
        # Below a raised scene, its lower end is shown once more, upside down.
        below = scene.crop((0, tall - raised, wide, tall))
        art.image.paste(ImageOps.flip(below), (0, tall - raised))

    def surround(self, art: Canvas) -> None:
        """Paint the border. The credits stand in its lower part."""
        if self.border:
            ink = getattr(art, self.border)
            for left, top, right, bottom in (
                (0, 0, 100, 4),
                (0, _FOOT, 100, 150),
                (0, 0, 4, 150),
                (96, 0, 100, 150),
            ):
                art.box(left, top, right, bottom, ink)
