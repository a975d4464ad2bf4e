"""How each genre tends to look: scenes, palettes, lettering, and the words of its titles."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keyart.catalog.sources.painting import buildings, emblems, places, rooms
from keyart.catalog.sources.painting.canvas import Canvas, TitleAt
from keyart.catalog.sources.painting.palettes import Palette

Scene = Callable[[Canvas, Palette, np.random.Generator], TitleAt]


@dataclass(frozen=True)
class Look:
    """A genre's habits.

    share: of films that have it as their first genre. with_: genres that often come second.
    size: of the title, 1 is usual. capitals: how often it is set in them. years: first and last.
    """

    share: float
    with_: tuple[str, ...]
    scenes: tuple[Scene, ...]
    palettes: tuple[str, ...]
    size: float
    capitals: float
    years: tuple[int, int]
    first: tuple[str, ...]
    second: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


LOOKS = {
    "Action": Look(
        9, ("Adventure", "Thriller", "Crime", "Sci-Fi"),
        (emblems.blast, emblems.target, buildings.skyline, places.road),
        ("ember", "blaze", "smoke", "ink"), 1.25, 0.9, (1975, 2024),
        _words("Maximum Iron Double Last Burning Rapid Steel"),
        _words("Impact Strike Pursuit Fury Target Justice Reload"),
    ),
    "Adventure": Look(
        5, ("Action", "Family", "Fantasy"),
        (places.mountain, places.sea, buildings.temple, places.desert, buildings.pyramids),
        ("lagoon", "gold", "canyon", "forest"), 1.1, 0.7, (1950, 2024),
        _words("Lost Golden Hidden Seven Far Forbidden"),
        _words("Island Expedition River Treasure Horizon Compass"),
    ),
    "Animation": Look(
        4, ("Family", "Comedy", "Adventure"),
        (places.balloons, emblems.rays, places.hills),
        ("noon", "candy", "sunshine", "mint"), 1.25, 0.4, (1960, 2024),
        _words("Little Bouncing Tiny Curious Flying"),
        _words("Penguin Robot Pals Dragon Parade Noodle"),
    ),
    "Comedy": Look(
        17, ("Romance", "Drama", "Family", "Crime"),
        (places.umbrella, emblems.faces, emblems.rays, places.balloons),
        ("sunshine", "bubblegum", "noon", "marigold"), 1.2, 0.5, (1950, 2024),
        _words("Totally My Meet Almost Crazy Accidental"),
        _words("Neighbours Vacation Wedding Roommate Uncle Disaster"),
    ),
    "Crime": Look(
        6, ("Drama", "Thriller", "Mystery"),
        (rooms.blinds, buildings.skyline, rooms.staircase, emblems.target),
        ("noir", "ink", "newsprint"), 1.0, 0.8, (1950, 2024),
        _words("Dirty Cold Easy Stolen Loaded Quiet"),
        _words("Money Alibi Cargo Verdict Informer Heist"),
    ),
    "Documentary": Look(
        7, ("History", "Music", "War"),
        (rooms.screening, places.horizon, emblems.faces, emblems.record),
        ("paper", "newsprint", "slate"), 0.75, 0.35, (1970, 2024),
        _words("Inside After Voices Notes Becoming Witness"),
        _words("Archive River Machine Season Signal Harvest"),
    ),
    "Drama": Look(
        22, ("Romance", "Crime", "History", "Music"),
        (places.horizon, rooms.kitchen_table, rooms.staircase, places.umbrella, places.sea),
        ("slate", "winter", "sepia", "smoke"), 0.85, 0.3, (1950, 2024),
        _words("Autumn Paper Quiet Broken Winter Distant"),
        _words("Letters Rooms Daughters Light Summer Bridges"),
    ),
    "Family": Look(
        3, ("Comedy", "Animation", "Adventure"),
        (places.balloons, places.hills, buildings.castle),
        ("mint", "noon", "marigold"), 1.1, 0.3, (1955, 2024),
        _words("Grandma's Snowy Magic Our Big"),
        _words("Puppy Holiday Treehouse Circus Garden"),
    ),
    "Fantasy": Look(
        3.5, ("Adventure", "Family", "Romance"),
        (buildings.castle, places.forest, places.mountain),
        ("royal", "lagoon", "forest"), 1.05, 0.6, (1975, 2024),
        _words("Crown Ember Moon Silver Dragon's"),
        _words("Realm Sorcerer Gate Oath Kingdom"),
    ),
    "History": Look(
        2.5, ("Drama", "War"),
        (buildings.temple, buildings.pyramids, places.battlefield),
        ("sepia", "gold", "paper"), 0.95, 0.85, (1950, 2024),
        _words("Empire Queen Republic Siege King"),
        _words("Ashes Marble Dynasty Letters Throne"),
    ),
    "Horror": Look(
        7, ("Thriller", "Mystery", "Sci-Fi"),
        (buildings.haunted_house, places.forest, emblems.eye, rooms.corridor),
        ("blood", "venom", "noir"), 1.3, 0.9, (1960, 2024),
        _words("Crimson Rotten Hollow Screaming Midnight"),
        _words("Harvest Cellar Flesh Lake Whisper House"),
    ),
    "Music": Look(
        2.5, ("Drama", "Documentary"),
        (emblems.record, rooms.stage),
        ("neon", "velvet", "marigold"), 1.1, 0.6, (1960, 2024),
        _words("Electric Blue Loud Backstage"),
        _words("Encore Vinyl Rhythm Tour Chorus"),
    ),
    "Musical": Look(
        2.2, ("Comedy", "Romance"),
        (rooms.stage, emblems.rays),
        ("velvet", "gold", "candy"), 1.25, 0.5, (1950, 1985),
        _words("Dancing Broadway Sing Top"),
        _words("Footlights Melody Follies Serenade"),
    ),
    "Mystery": Look(
        3, ("Thriller", "Crime", "Drama"),
        (rooms.corridor, emblems.eye, rooms.staircase, rooms.blinds),
        ("wine", "ink", "noir"), 0.95, 0.6, (1950, 2024),
        _words("Vanishing Thirteenth Silent Locked"),
        _words("Portrait Guest Cipher Room Key"),
    ),
    "Romance": Look(
        6, ("Drama", "Comedy"),
        (emblems.love, places.umbrella, places.sea, places.balloons),
        ("rose", "blush", "dusk"), 0.95, 0.15, (1950, 2024),
        _words("Always Forever Sweet Loving One"),
        _words("Kiss Tomorrow Heart Paris September"),
    ),
    "Sci-Fi": Look(
        4, ("Action", "Thriller", "Adventure"),
        (emblems.space, emblems.machine_eye, buildings.skyline),
        ("cosmos", "neon", "mars"), 1.1, 0.95, (1960, 2024),
        _words("Orbital Zero Quantum Dark Android"),
        _words("Protocol Station Signal Colony Eclipse"),
    ),
    "Thriller": Look(
        5, ("Crime", "Mystery", "Action"),
        (emblems.eye, emblems.target, rooms.corridor, places.road),
        ("ink", "noir", "smoke"), 1.1, 0.85, (1970, 2024),
        _words("Deadly Final No Without Blind"),
        _words("Exit Witness Hour Trace Motive"),
    ),
    "War": Look(
        2.6, ("Drama", "History", "Action"),
        (places.battlefield, places.horizon),
        ("khaki", "smoke"), 1.05, 0.9, (1950, 2024),
        _words("Brave Hill Eastern Red"),
        _words("Platoon Front Company Bridge"),
    ),
    "Western": Look(
        2.4, ("Action", "Drama"),
        (places.desert, places.road),
        ("canyon", "mars"), 1.15, 0.85, (1950, 1985),
        _words("Lonesome Dusty Six Outlaw"),
        _words("Trail Canyon Sheriff Spurs Gulch"),
    ),
}  # fmt: skip
