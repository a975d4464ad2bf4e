"""How the posters of each genre tend to look, and the words of its titles."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Look:
    """Habits of a genre. Most are lists of words: a word that is there twice comes twice as often.

    share: of the films that have it as their first genre. years: first and last.
    company: genres that often come second. adjectives, nouns: words of titles.
    scenes, palettes, letterings, accents: names in the tables SCENES, PALETTES and so on.
    """

    share: float
    years: tuple[int, int]
    company: str
    scenes: str
    palettes: str
    letterings: str
    accents: str
    adjectives: str
    nouns: str


def one_of(words: str, rng: np.random.Generator) -> str:
    """One of the words, by chance."""
    return str(rng.choice(words.split()))


LOOKS = {
    "Action": Look(8, (1975, 2024), "Adventure Thriller Crime Sci-Fi", "blast blast skyline",
        "ember blaze smoke ink", "racing stacked racing", "embers shots embers",
        "Maximum Iron Double Burning Rapid Steel Savage Overdrive",
        "Impact Strike Pursuit Fury Justice Reload Payback Convoy"),
    "Adventure": Look(4.5, (1950, 2024), "Action Family Fantasy", "mountain mountain castle",
        "lagoon gold canyon forest", "arched condensed", "birds sparkles",
        "Lost Golden Hidden Seven Far Forbidden Sunken",
        "Island Expedition Treasure Horizon Compass Lagoon Atlas Voyage"),
    "Animation": Look(4, (1960, 2024), "Family Comedy Adventure", "critter",
        "noon candy sunshine mint", "tumbling tumbling shouting", "confetti",
        "Little Bouncing Tiny Curious Flying Fuzzy Wobbly",
        "Penguin Robot Pals Dragon Parade Noodle Pickle Monster"),
    "Comedy": Look(19, (1950, 2024), "Romance Drama Family Crime", "disguise disguise critter",
        "sunshine bubblegum noon", "shouting stacked tumbling sign", "confetti",
        "Crazy Accidental Borrowed Awkward Nervous Unlikely Second-Hand",
        "Neighbours Vacation Wedding Roommate Uncle Disaster Landlord Reunion Dentist"),
    "Crime": Look(5.5, (1950, 2024), "Drama Thriller Mystery", "skyline skyline target", "noir ink",
        "condensed slender sign", "shots rain", "Dirty Cold Easy Stolen Loaded Crooked",
        "Money Alibi Cargo Verdict Informer Heist Jackpot Getaway"),
    "Documentary": Look(6.5, (1970, 2024), "History Music War", "frames", "paper slate",
        "label plain label", "birds", "Ordinary Unseen Forgotten Living Recorded",
        "Archive River Machines Season Signals Harvest Voices Witness"),
    "Drama": Look(25, (1950, 2024), "Romance Crime History Music", "horizon faces umbrella",
        "slate winter sepia smoke", "quiet plain slender quiet", "birds rain",
        "Autumn Paper Quiet Broken Distant Borrowed Seventh Salt",
        "Letters Rooms Daughters Summer Bridges Orchard Brother Silence"),
    "Family": Look(3.2, (1955, 2024), "Comedy Animation Adventure", "critter castle mountain",
        "mint noon marigold", "tumbling arched plain", "snow snow confetti",
        "Snowy Magic Big Grandmother's Runaway Lucky",
        "Puppy Holiday Treehouse Circus Garden Pony Picnic"),
    "Fantasy": Look(3.3, (1975, 2024), "Adventure Family Romance", "castle",
        "royal lagoon forest", "hand arched hand", "sparkles sparkles bats",
        "Ember Silver Dragon's Enchanted Last Thorned",
        "Realm Sorcerer Gate Oath Kingdom Crown Moon"),
    "History": Look(2.8, (1950, 2024), "Drama War", "crown crown battlefield", "sepia gold paper",
        "slender machine slender", "birds", "Marble Young Royal Besieged Third",
        "Empire Queen Republic Siege King Dynasty Throne Ashes"),
    "Horror": Look(6.5, (1960, 2024), "Thriller Mystery Sci-Fi", "haunted_house",
        "blood venom noir", "dripping", "bats bats rain",
        "Crimson Rotten Hollow Screaming Midnight Buried Pale",
        "Harvest Cellar Flesh Lake Whisper House Grave Visitor"),
    "Music": Look(2.6, (1960, 2024), "Drama Documentary", "record record stage",
        "neon velvet marigold", "neon stacked", "notes",
        "Electric Blue Loud Backstage Unplugged Sleepless",
        "Encore Vinyl Rhythm Tour Chorus Feedback Trumpet"),
    "Musical": Look(3, (1950, 1985), "Comedy Romance", "stage", "velvet gold candy", "arched neon",
        "notes confetti", "Dancing Singing Top-Hat Sequinned Moonlit",
        "Footlights Melody Follies Serenade Matinee Revue"),
    "Mystery": Look(3, (1950, 2024), "Thriller Crime Drama", "keyhole", "wine ink noir",
        "slender machine quiet", "rain bats", "Vanishing Thirteenth Silent Locked Missing",
        "Portrait Guest Cipher Room Key Heiress Staircase"),
    "Romance": Look(5.5, (1950, 2024), "Drama Comedy", "love love umbrella", "rose blush",
        "hand hand plain", "hearts hearts birds", "Sweet Stolen Tender First September Parisian",
        "Kiss Tomorrow Heart Waltz Promise Letters Spring"),
    "Sci-Fi": Look(4.5, (1960, 2024), "Action Thriller Adventure", "space", "cosmos neon mars",
        "machine neon machine", "scanlines", "Orbital Zero Quantum Dark Android Seventh",
        "Protocol Station Signal Colony Eclipse Paradox Moon"),
    "Thriller": Look(5, (1970, 2024), "Crime Mystery Action", "target", "ink noir smoke",
        "condensed stacked", "rain shots", "Deadly Final Blind Wrong Sleeping",
        "Exit Witness Hour Trace Motive Stranger Caller"),
    "War": Look(2.6, (1950, 2024), "Drama History Action", "battlefield", "khaki smoke khaki",
        "stacked", "embers rain", "Brave Eastern Red Last Burning",
        "Platoon Front Company Bridge Regiment Ridge"),
    "Western": Look(2.9, (1950, 1985), "Action Drama", "desert", "canyon mars sepia", "arched sign",
        "birds shots", "Lonesome Dusty Sundown Outlaw Crooked",
        "Trail Canyon Sheriff Spurs Gulch Saddle Stagecoach"),
}  # fmt: skip
