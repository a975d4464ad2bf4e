"""How each genre tends to look: scenes, palettes, lettering, accents, and its titles' words."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keyart.demo.painting import (
    accents,
    buildings,
    emblems,
    objects,
    places,
    relics,
    rooms,
)
from keyart.demo.painting.accents import Accent
from keyart.demo.painting.canvas import Canvas, TitleAt
from keyart.demo.painting.palettes import Palette

Scene = Callable[[Canvas, Palette, np.random.Generator], TitleAt]


@dataclass(frozen=True)
class Look:
    """A genre's habits.

    share: of films that have it as their first genre. with_: genres that often come second.
    years: first and last. first: words that stand before a noun; second: nouns.
    """

    share: float
    with_: tuple[str, ...]
    scenes: tuple[Scene, ...]
    palettes: tuple[str, ...]
    letterings: tuple[str, ...]
    accents: tuple[Accent, ...]
    years: tuple[int, int]
    first: tuple[str, ...]
    second: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


LOOKS = {
    "Action": Look(
        8, ("Adventure", "Thriller", "Crime", "Sci-Fi"),
        (emblems.blast, emblems.blast, emblems.target, buildings.skyline, places.road),
        ("ember", "blaze", "smoke", "ink"), ("racing", "stacked", "racing"),
        (accents.embers, accents.stripes, accents.bullet_holes), (1975, 2024),
        _words("Maximum Iron Double Burning Rapid Steel Savage Overdrive"),
        _words("Impact Strike Pursuit Fury Justice Reload Payback Convoy"),
    ),
    "Adventure": Look(
        4.5, ("Action", "Family", "Fantasy"),
        (places.mountain, places.sea, buildings.temple, objects.globe, buildings.pyramids),
        ("lagoon", "gold", "canyon", "forest"), ("gilt", "arched", "condensed"),
        (accents.birds, accents.sparkles), (1950, 2024),
        _words("Lost Golden Hidden Seven Far Forbidden Sunken"),
        _words("Island Expedition Treasure Horizon Compass Lagoon Atlas Voyage"),
    ),
    "Animation": Look(
        4, ("Family", "Comedy", "Adventure"),
        (objects.critter, objects.critter, places.balloons, objects.duck),
        ("noon", "candy", "sunshine", "mint"), ("tumbling", "tumbling", "shouting"),
        (accents.confetti, accents.bunting), (1960, 2024),
        _words("Little Bouncing Tiny Curious Flying Fuzzy Wobbly"),
        _words("Penguin Robot Pals Dragon Parade Noodle Pickle Monster"),
    ),
    "Comedy": Look(
        19, ("Romance", "Drama", "Family", "Crime"),
        (objects.duck, objects.disguise, objects.breakfast, emblems.rays, emblems.faces),
        ("sunshine", "bubblegum", "noon", "marigold"), ("shouting", "stacked", "tumbling", "sign"),
        (accents.confetti, accents.stripes), (1950, 2024),
        _words("Crazy Accidental Borrowed Awkward Nervous Unlikely Second-Hand"),
        _words("Neighbours Vacation Wedding Roommate Uncle Disaster Landlord Reunion Dentist"),
    ),
    "Crime": Look(
        5.5, ("Drama", "Thriller", "Mystery"),
        (rooms.blinds, objects.card, objects.card, buildings.skyline, rooms.staircase),
        ("noir", "ink", "newsprint"), ("condensed", "slender", "sign"),
        (accents.bullet_holes, accents.rain), (1950, 2024),
        _words("Dirty Cold Easy Stolen Loaded Crooked"),
        _words("Money Alibi Cargo Verdict Informer Heist Jackpot Getaway"),
    ),
    "Documentary": Look(
        6.5, ("History", "Music", "War"),
        (objects.frames, objects.frames, rooms.screening, objects.globe),
        ("paper", "newsprint", "slate"), ("label", "plain", "label"),
        (accents.laurels,), (1970, 2024),
        _words("Ordinary Unseen Forgotten Living Recorded"),
        _words("Archive River Machines Season Signals Harvest Voices Witness"),
    ),
    "Drama": Look(
        25, ("Romance", "Crime", "History", "Music"),
        (places.horizon, rooms.kitchen_table, emblems.faces, places.umbrella, places.sea),
        ("slate", "winter", "sepia", "smoke"), ("quiet", "plain", "slender", "quiet"),
        (accents.laurels, accents.birds, accents.rain), (1950, 2024),
        _words("Autumn Paper Quiet Broken Distant Borrowed Seventh Salt"),
        _words("Letters Rooms Daughters Summer Bridges Orchard Brother Silence"),
    ),
    "Family": Look(
        3.2, ("Comedy", "Animation", "Adventure"),
        (places.balloons, objects.critter, places.hills, buildings.castle, objects.duck),
        ("mint", "noon", "marigold"), ("tumbling", "arched", "plain"),
        (accents.bunting, accents.snow), (1955, 2024),
        _words("Snowy Magic Big Grandmother's Runaway Lucky"),
        _words("Puppy Holiday Treehouse Circus Garden Pony Picnic"),
    ),
    "Fantasy": Look(
        3.3, ("Adventure", "Family", "Romance"),
        (buildings.castle, relics.sword, places.forest, relics.sword, places.mountain),
        ("royal", "lagoon", "forest"), ("gilt", "gilt", "hand"),
        (accents.sparkles, accents.sparkles, accents.bats), (1975, 2024),
        _words("Ember Silver Dragon's Enchanted Last Thorned"),
        _words("Realm Sorcerer Gate Oath Kingdom Crown Moon"),
    ),
    "History": Look(
        2.8, ("Drama", "War"),
        (buildings.temple, relics.crown, relics.crown, buildings.pyramids, places.battlefield),
        ("sepia", "gold", "paper"), ("gilt", "machine", "slender"),
        (accents.laurels, accents.birds), (1950, 2024),
        _words("Marble Young Royal Besieged Third"),
        _words("Empire Queen Republic Siege King Dynasty Throne Ashes"),
    ),
    "Horror": Look(
        6.5, ("Thriller", "Mystery", "Sci-Fi"),
        (buildings.haunted_house, relics.hand, places.forest, emblems.eye, rooms.corridor),
        ("blood", "venom", "noir"), ("dripping", "dripping", "worn"),
        (accents.bats, accents.bats, accents.rain), (1960, 2024),
        _words("Crimson Rotten Hollow Screaming Midnight Buried Pale"),
        _words("Harvest Cellar Flesh Lake Whisper House Grave Visitor"),
    ),
    "Music": Look(
        2.6, ("Drama", "Documentary"),
        (emblems.record, objects.guitar, objects.guitar, rooms.stage),
        ("neon", "velvet", "marigold"), ("neon", "stacked"),
        (accents.notes,), (1960, 2024),
        _words("Electric Blue Loud Backstage Unplugged Sleepless"),
        _words("Encore Vinyl Rhythm Tour Chorus Feedback Trumpet"),
    ),
    "Musical": Look(
        3.0, ("Comedy", "Romance"),
        (rooms.stage, rooms.stage, emblems.rays),
        ("velvet", "gold", "candy"), ("arched", "neon"),
        (accents.notes, accents.confetti), (1950, 1985),
        _words("Dancing Singing Top-Hat Sequinned Moonlit"),
        _words("Footlights Melody Follies Serenade Matinee Revue"),
    ),
    "Mystery": Look(
        3, ("Thriller", "Crime", "Drama"),
        (relics.keyhole, relics.keyhole, emblems.eye, rooms.staircase, rooms.corridor),
        ("wine", "ink", "noir"), ("slender", "machine", "quiet"),
        (accents.rain, accents.bats), (1950, 2024),
        _words("Vanishing Thirteenth Silent Locked Missing"),
        _words("Portrait Guest Cipher Room Key Heiress Staircase"),
    ),
    "Romance": Look(
        5.5, ("Drama", "Comedy"),
        (emblems.love, emblems.love, places.umbrella, places.balloons, places.sea),
        ("rose", "blush", "dusk"), ("hand", "hand", "plain"),
        (accents.hearts, accents.hearts, accents.birds), (1950, 2024),
        _words("Sweet Stolen Tender First September Parisian"),
        _words("Kiss Tomorrow Heart Waltz Promise Letters Spring"),
    ),
    "Sci-Fi": Look(
        4.5, ("Action", "Thriller", "Adventure"),
        (emblems.space, emblems.space, emblems.machine_eye),
        ("cosmos", "neon", "mars"), ("machine", "neon", "machine"),
        (accents.scanlines, accents.scanlines, accents.embers), (1960, 2024),
        _words("Orbital Zero Quantum Dark Android Seventh"),
        _words("Protocol Station Signal Colony Eclipse Paradox Moon"),
    ),
    "Thriller": Look(
        5, ("Crime", "Mystery", "Action"),
        (emblems.eye, emblems.target, emblems.target, rooms.corridor, rooms.staircase),
        ("ink", "noir", "smoke"), ("condensed", "worn", "stacked"),
        (accents.rain, accents.bullet_holes), (1970, 2024),
        _words("Deadly Final Blind Wrong Sleeping"),
        _words("Exit Witness Hour Trace Motive Stranger Caller"),
    ),
    "War": Look(
        2.6, ("Drama", "History", "Action"),
        (places.battlefield, relics.parachutes, relics.helmet),
        ("khaki", "smoke", "khaki"), ("stencil",),
        (accents.embers, accents.rain), (1950, 2024),
        _words("Brave Eastern Red Last Burning"),
        _words("Platoon Front Company Bridge Regiment Ridge"),
    ),
    "Western": Look(
        2.9, ("Action", "Drama"),
        (places.desert, places.desert, relics.wagon, relics.badge),
        ("canyon", "mars", "sepia"), ("arched", "sign"),
        (accents.birds, accents.bullet_holes), (1950, 1985),
        _words("Lonesome Dusty Sundown Outlaw Crooked"),
        _words("Trail Canyon Sheriff Spurs Gulch Saddle Stagecoach"),
    ),
}  # fmt: skip
