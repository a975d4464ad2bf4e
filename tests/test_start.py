"""Starting from a trained model: what it knows is kept, also by a model of other genres."""

import csv
import html
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from keyart.bundle import NetworkFiles, boxed_bundle, content_of, read_bundle, write_bundle
from keyart.calibration import Calibration, GenreCalibration, sigmoid
from keyart.catalog.catalog import Catalog
from keyart.demo.painted import paint_films
from keyart.errors import BundleError, RecipeError
from keyart.evaluation import promise
from keyart.evaluation.box import film_keys, trained_on
from keyart.evaluation.evaluate import catalog_logits, evaluate_model
from keyart.genres import DEFAULT_VOCABULARY, Vocabulary
from keyart.model_metrics import METRICS, BoxMetrics, Difference, ModelMetrics
from keyart.models.heads import GenreHead
from keyart.network import Network
from keyart.predictor import Predictor
from keyart.run import Run
from keyart.terminal.scores import show_scores
from keyart.titles import hash_of, title_parts
from keyart.training.evaluate import evaluate
from keyart.training.finish import unused_evidence
from keyart.training.near import fit_near
from keyart.training.networks import load_best
from keyart.training.recipe import Recipe
from keyart.training.start import Start, fit_head, open_start, starting_recipe
from keyart.training.train import learn, train
from tests.test_finetune import SILENT, TINY
from tests.tiny import tiny_bundle

PENALTIES = (100.0, 10.0, 1.0)
TRUE = np.random.default_rng(99).normal(size=(20, 1))


@pytest.fixture(scope="module")
def box() -> Start:
    torch.set_num_threads(1)
    return open_start("box")


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    paint_films(60, folder)
    return folder


def rates(genres: int) -> torch.Tensor:
    return torch.full((genres,), 0.25)


def test_the_weights_in_the_box_score_posters_as_its_network_does(box: Start) -> None:
    bundle = read_bundle(boxed_bundle())
    model = box.network().eval()
    noise = np.random.default_rng(0).integers(0, 256, (3, 192, 128, 3), dtype=np.uint8)
    with torch.no_grad():
        scores = torch.sigmoid(model(torch.from_numpy(noise))).numpy()
    assert np.abs(scores - sigmoid(Network(bundle.onnx).logits(noise).astype(float))).max() < 1e-5


def test_a_new_vocabulary_takes_the_alike_genres_and_starts_others_at_their_rates(
    box: Start,
) -> None:
    vocabulary = Vocabulary(("Space", "Western", "Science Fiction"), {"Documentary": ("Space",)})
    new = box.classifier(vocabulary, rates(3), 0.1).head
    old = box.classifier(DEFAULT_VOCABULARY, rates(19), 0.1).head
    assert isinstance(new, GenreHead)
    assert isinstance(old, GenreHead)
    for genre, name in enumerate(("Documentary", "Western", "Sci-Fi")):
        column = DEFAULT_VOCABULARY.index(name)
        torch.testing.assert_close(new.linear.weight[genre], old.linear.weight[column])
        torch.testing.assert_close(new.linear.bias[genre], old.linear.bias[column])
    unknown = box.classifier(Vocabulary(("Noir",)), rates(1), 0.1).head
    assert isinstance(unknown, GenreHead)
    assert not unknown.linear.weight.any()
    assert torch.sigmoid(unknown.linear.bias).item() == pytest.approx(0.25)


def test_sets_of_genres_start_in_a_new_vocabulary(box: Start) -> None:
    vocabulary = Vocabulary(("Western", "Noir", "Science Fiction"))
    known = box.bundle.films
    assert known is not None
    assert known.sets is not None
    fusions = box.fusions(vocabulary)
    for evidence, fusion in fusions.items():
        assert (fusion.fusion.sets is None) == (known.fusions[evidence].sets is None)
        assert fusion.fusion.sets_weight == known.fusions[evidence].sets_weight
    sets = fusions["title",].fusion.sets
    assert sets is not None
    for genre, name in ((0, "Western"), (2, "Sci-Fi")):
        having = known.sets.members[:, DEFAULT_VOCABULARY.index(name)]
        assert sets.films[sets.members[:, genre]].sum() == known.sets.films[having].sum()
    assert not sets.members[:, 1].any()
    assert box.fusions(Vocabulary(("Noir",)))["title",].fusion.sets is None


def made(films: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Films of one genre, and whether they have it."""
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(films, 20))
    return inputs, random.random((films, 1)) < sigmoid(inputs @ TRUE)


def loss(weights: np.ndarray, intercept: float = 0.0) -> float:
    inputs, truth = made(4_000, 1)
    logits = inputs @ weights + intercept
    return float(np.logaddexp(0, np.where(truth, -logits, logits)).mean())


@pytest.mark.parametrize("films", [20, 60, 200])
def test_weights_that_are_right_already_hardly_move(films: int) -> None:
    inputs, truth = made(films, films)
    moved, _ = fit_near(inputs, truth, inputs @ TRUE, np.arange(films), PENALTIES)
    assert loss(TRUE + moved.slopes, moved.intercepts[0]) < loss(TRUE) + 0.03


def test_weights_that_are_wrong_move_once_there_are_films_enough() -> None:
    inputs, truth = made(400, 3)
    start = -0.5 * TRUE
    moved, penalty = fit_near(inputs, truth, inputs @ start, np.arange(400), PENALTIES)
    assert penalty in PENALTIES
    assert loss(start + moved.slopes, moved.intercepts[0]) < loss(TRUE) + 0.05 < loss(start)


def test_nothing_moves_for_a_gain_that_may_be_chance() -> None:
    kept = 0
    for seed in range(20):
        inputs, truth = made(60, seed)
        moved, penalty = fit_near(inputs, truth, inputs @ TRUE, np.arange(60), PENALTIES)
        if not (moved.slopes.any() or moved.intercepts.any()):
            kept += 1
            assert penalty == float("inf")
    assert kept >= 15


def test_cells_that_say_nothing_do_not_count() -> None:
    inputs, truth = made(400, 4)
    lies = np.concatenate([truth, ~truth])
    counted = np.arange(800)[:, None] < 400
    moved, _ = fit_near(
        np.concatenate([inputs, inputs]), lies, np.zeros((800, 1)), np.arange(800), PENALTIES,
        counted=counted,
    )  # fmt: skip
    assert loss(moved.slopes, moved.intercepts[0]) < loss(0 * TRUE) - 0.2


def random_features(box: Start, films: int) -> np.ndarray:
    head = box.network().head
    assert isinstance(head, GenreHead)
    return np.abs(np.random.default_rng(1).normal(size=(films, head.linear.in_features)))


def test_a_start_that_nothing_moves_answers_as_the_model_does(box: Start) -> None:
    features = torch.from_numpy(random_features(box, 50)).float()
    head = box.classifier(DEFAULT_VOCABULARY, rates(19), 0.0).head
    with torch.no_grad():
        logits, known = head.decide(features), box.network().eval().head.decide(features)
    torch.testing.assert_close(logits, known, rtol=0, atol=0)
    assert box.decision(DEFAULT_VOCABULARY).calibration == box.bundle.calibration
    films = box.bundle.films
    assert films is not None
    for evidence, known_one in box.fusions(DEFAULT_VOCABULARY).items():
        assert known_one.decision.calibration == films.decisions[evidence].calibration
        np.testing.assert_array_equal(known_one.fusion.intercept, films.fusions[evidence].intercept)


def test_a_genre_of_several_known_ones_starts_at_the_mean_of_their_calibrated_logits(
    box: Start,
) -> None:
    names = ("Animation", "Documentary", "Thriller")
    vocabulary = Vocabulary(("Mixed", "Drama"), {name: ("Mixed",) for name in names})
    features = torch.from_numpy(random_features(box, 20)).float()
    with torch.no_grad():
        logits = box.classifier(vocabulary, rates(2), 0.0).head.decide(features).numpy()
        known = box.network().eval().head.decide(features).numpy()
    columns = [DEFAULT_VOCABULARY.index(name) for name in names]
    lines = [box.bundle.calibration.genres[column].line for column in columns]
    means = np.mean([a * known[:, c] + b for c, (a, b) in zip(columns, lines, strict=True)], axis=0)
    np.testing.assert_allclose(logits[:, 0], means, rtol=1e-4)
    curves = box.decision(vocabulary).calibration.genres
    assert curves == (GenreCalibration("identity"), box.bundle.calibration.genres[6])


def test_a_new_vocabulary_starts_with_the_thresholds_of_the_alike_genres(box: Start) -> None:
    mixed = {name: ("Mixed",) for name in ("Animation", "Thriller")}
    vocabulary = Vocabulary(("Western", "Noir", "Mixed"), mixed)
    columns = [DEFAULT_VOCABULARY.index(name) for name in ("Western", "Animation", "Thriller")]
    found, known = box.decision(vocabulary), box.bundle.decisions
    western, *several = known.thresholds[columns]
    expected = [western, np.nan, max(several)]
    np.testing.assert_array_equal(found.thresholds, expected)
    cuts = known.precision_thresholds[0.6]
    western, *several = cuts[columns]
    expected = [western, np.nan, max(several)]
    np.testing.assert_array_equal(found.precision_thresholds[0.6], expected)
    assert found.precision_thresholds.keys() == known.precision_thresholds.keys()
    assert not replace(box, promises=False).decision(vocabulary).precision_thresholds
    assert not box.decision(Vocabulary(("Noir", "Musical Noir"))).precision_thresholds


def test_a_head_whose_logits_are_scaled_moves_as_much(box: Start) -> None:
    features = random_features(box, 200)
    truth = np.random.default_rng(3).random((200, 19)) < 0.5
    moved = []
    for scale in (1.0, 0.25):
        head = box.classifier(DEFAULT_VOCABULARY, rates(19), 0.0).head
        assert isinstance(head, GenreHead)
        curves = Calibration((GenreCalibration("platt", 1 / scale, 0.5),) * 19)
        with torch.no_grad():
            for one in head.linear.parameters():
                one.mul_(scale)
        assert fit_head(head, features, truth, np.arange(200), curves) < float("inf")
        with torch.no_grad():
            logits = head.decide(torch.from_numpy(features).float()).numpy()
        moved.append(curves.logits(logits))
    np.testing.assert_allclose(moved[1], moved[0], atol=1e-3)


def test_a_head_of_few_films_that_it_predicts_well_stays_as_it_is(box: Start) -> None:
    features = random_features(box, 60)
    head = box.classifier(DEFAULT_VOCABULARY, rates(19), 0.0).head
    assert isinstance(head, GenreHead)
    before = head.linear.weight.clone()
    with torch.no_grad():
        scores = box.bundle.calibration.apply(head.decide(torch.from_numpy(features).float()))
    truth = np.random.default_rng(2).random(scores.shape) < scores
    groups = np.arange(60)
    assert fit_head(head, features, truth, groups, box.bundle.calibration) == float("inf")
    torch.testing.assert_close(head.linear.weight, before, rtol=0, atol=0)


@pytest.fixture(scope="module")
def own_genres(next_to_box: None, painted: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that starts from the box, of films with genres of their own, next to the box."""
    folder = tmp_path_factory.mktemp("own")
    names = folder / "genres.txt"
    names.write_text("Drama\nFunny = Comedy\nHorror\n")
    catalog = Catalog.build(
        painted / "films.csv", painted / "posters", folder / "catalog", vocabulary=names
    )
    return train(catalog, out=folder / "run", start="box", callbacks=SILENT)


def test_few_films_train_the_head_alone_and_leave_the_network(own_genres: Run, box: Start) -> None:
    trained = open_start(own_genres.path)
    assert trained.bundle.vocabulary.names == ("Drama", "Funny", "Horror")
    ours = trained.classifier(trained.bundle.vocabulary, rates(3), 0.1).backbone.state_dict()
    theirs = box.classifier(DEFAULT_VOCABULARY, rates(19), 0.1).backbone.state_dict()
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name])


def test_what_the_start_promised_counts_and_is_kept_when_a_run_is_evaluated_again(
    own_genres: Run,
) -> None:
    bundle, catalog = own_genres.bundle, own_genres.catalog
    assert bundle.provenance["start_catalog"] == read_bundle(boxed_bundle()).provenance["catalog"]
    rows = catalog.rows("validation")
    scores = bundle.calibration.apply(catalog_logits(Predictor(bundle), catalog, rows))
    alone = promise.promised_thresholds(scores, catalog.truth[rows], catalog.groups[rows], 0.6)
    assert (alone == promise.SILENT).all()
    assert (bundle.precision_thresholds[0.6] < promise.SILENT).any()
    assert any("cannot prove a precision of 0.6" in note for note in bundle.provenance["notes"])
    decision, films, _, _ = evaluate_model(Predictor(bundle), catalog, ["validation"], 0.72)
    assert films is not None
    assert bundle.films is not None
    pairs = [(decision.decisions, bundle.decisions)]
    pairs += [(films.decisions[one], bundle.films.decisions[one]) for one in films.decisions]
    for now, before in pairs:
        np.testing.assert_array_equal(now.thresholds, before.thresholds)
        assert set(now.precision_thresholds) == {*before.precision_thresholds, 0.72}
        for precision, cuts in before.precision_thresholds.items():
            np.testing.assert_array_equal(now.precision_thresholds[precision], cuts)


def test_what_a_start_took_over_counts_on_the_same_films_and_what_they_proved_does_not(
    own_genres: Run, tmp_path: Path
) -> None:
    catalog, first = own_genres.catalog, own_genres.bundle
    again = train(catalog, out=tmp_path / "again", start=own_genres.path, callbacks=SILENT).bundle
    assert again.provenance["start_catalog"] == first.provenance["start_catalog"]
    notes = " ".join(again.provenance["notes"])
    assert "It started from run, of the same catalog and splits." in notes
    assert "The box, from which run started, was trained on none of the test films." in notes
    np.testing.assert_array_equal(again.precision_thresholds[0.6], first.precision_thresholds[0.6])
    facts = {key: fact for key, fact in first.provenance.items() if key != "start_catalog"}
    bare = write_bundle(tmp_path / "bare", replace(content_of(first), provenance=facts))
    third = train(catalog, out=tmp_path / "third", start=bare.path, callbacks=SILENT).bundle
    assert "start_catalog" not in third.provenance
    assert (third.precision_thresholds[0.6] == promise.SILENT).all()


def test_evaluate_says_of_each_evidence_what_the_training_said(own_genres: Run) -> None:
    before = own_genres.metrics
    assert {one.model.unsure.precision for one in before.evidence.values() if one.model.unsure}
    assert evaluate(own_genres).evidence == before.evidence


def test_a_head_that_was_fitted_in_one_step_has_a_history_of_one_row(own_genres: Run) -> None:
    history = own_genres.history
    assert history is not None
    assert list(history["epoch"]) == [1]
    loss = history["validation_loss"][0]
    page = html.unescape(re.sub("<[^>]+>", " ", own_genres.report_path.read_text()))
    assert "run was not trained in several epochs, so there are no curves." in page
    assert f"On the validation films its loss is {loss:.4f}" in page


def test_titles_are_known_from_the_start(own_genres: Run) -> None:
    model = Predictor.load(own_genres.path)
    films = model.bundle.films
    assert films is not None
    assert ("title",) in films.fusions
    laughs = model.predict(title="The Funniest Comedy Show on Earth")
    screams = model.predict(title="Blood of the Vampire")
    assert laughs.scores["Funny"] > screams.scores["Funny"]
    assert screams.scores["Horror"] > laughs.scores["Horror"]


def test_a_recipe_for_another_network_is_refused(own_genres: Run, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="box has posternet-large"):
        train(own_genres.catalog, "mobilenetv2", out=tmp_path / "run", start="box")
    assert not (tmp_path / "run").exists()


def test_a_run_is_compared_with_the_box_in_the_genres_that_both_know(own_genres: Run) -> None:
    box = own_genres.metrics.split("test").box
    assert box is not None
    assert box.genres == ("Drama", "Funny", "Horror")
    assert (box.films, box.seen, box.unlike) == (len(own_genres.catalog.rows("test")), 0, 0)
    found, model = box.differences["top_class"], box.model
    assert found is not None
    assert model is not None
    assert model["top_class"] is not None
    assert found.other == model["top_class"].value
    assert own_genres.metrics.split("validation").box is None


def test_notes_say_whether_the_start_knows_test_films(
    own_genres: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = own_genres.catalog
    rows = catalog.rows("test")
    assert "trained on none of the test films" in own_genres.metrics.notes[-1]
    keys = np.sort(np.concatenate(list(film_keys(catalog, rows[:2]))))
    monkeypatch.setattr("keyart.evaluation.box._trained_films", lambda: keys)
    box = evaluate(own_genres.bundle_path, catalog).split("test").box
    assert box is not None
    assert box.seen == 2


def test_a_note_says_which_evidence_of_the_start_is_not_used(box: Start) -> None:
    films = box.bundle.films
    assert films is not None
    assert unused_evidence(box, films) == ()
    without = replace(films, fusions={}, decisions={})
    for now in (None, without):
        (note,) = unused_evidence(box, now)
        assert re.search("a usable title or a usable year: unlike (the )?box, this", note)
    kept = {kind: one for kind, one in films.fusions.items() if "year" not in kind}
    (note,) = unused_evidence(box, replace(films, fusions=kept))
    assert "has a usable year: unlike" in note


def test_a_model_of_films_without_titles_says_that_it_uses_none(
    painted: Path, tmp_path: Path
) -> None:
    with (painted / "films.csv").open(newline="") as file:
        films = [(row["film_id"], row["genres"]) for row in csv.DictReader(file)]
    with (tmp_path / "films.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("film_id", "genres"), *films])
    catalog = Catalog.build(tmp_path / "films.csv", painted / "posters", tmp_path / "catalog")
    run = train(catalog, out=tmp_path / "run", start="box", callbacks=SILENT)
    assert re.search("usable title or a usable year: unlike (the )?box", run.metrics.notes[-1])


def test_the_box_is_scored_as_keyart_predicts(own_genres: Run) -> None:
    catalog, model = own_genres.catalog, Predictor.load()
    rows = catalog.rows("test")
    answers = [model.predict(catalog.poster(row)) for row in rows]
    predicted = sum("Comedy" in (*film.genres, *film.maybe) for film in answers)
    box = own_genres.metrics.split("test").box
    assert box is not None
    assert box.model is not None
    assert box.model.genres["Funny"].predicted == predicted


def test_terminal_report_and_card_say_whether_the_box_is_beaten(
    own_genres: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    box = own_genres.metrics.split("test").box
    assert box is not None
    show_scores(own_genres.metrics, "test")
    printed = capsys.readouterr().out
    for text in (printed, own_genres.report_path.read_text(), own_genres.bundle.card):
        assert " ".join(box.verdict.split()) in " ".join(html.unescape(text).split())
    header = next(line for line in printed.splitlines() if "95% interval" in line)
    assert "box" in header.split()


def test_a_model_that_proves_no_precision_says_how_it_predicts_genres(
    own_genres: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    table = own_genres.metrics
    test = table.split("test")
    assert test.model.unsure is not None
    nothing = replace(test.model.unsure, precision=None, genres=None, recall=None)
    silent = replace(test, model=replace(test.model, unsure=nothing))
    show_scores(replace(table, splits={**table.splits, "test": silent}), "test")
    printed = " ".join(capsys.readouterr().out.split())
    assert "to keep a precision of 0.6, no genre is predicted. More validation films" in printed
    assert "`keyart predict --balanced`" in printed


def compared(value: float, low: float, high: float, **facts: int) -> BoxMetrics:
    """The box against a model that differs from it by this much mAP."""
    every = dict.fromkeys(METRICS)
    found = Difference(0.3 + value, 0.3, value, low, high)
    counts = {"films": 100, "seen": 0, "unlike": 0, **facts}
    return BoxMetrics(
        **counts,
        genres=("Drama", "Horror"),
        model=ModelMetrics(every, {}),
        differences={**every, "mean_average_precision": found},
    )


@pytest.mark.parametrize(
    ("box", "says"),
    [
        (compared(0.02, 0.01, 0.03), "Better than the box on 100 films: mAP 0.320 compared with"),
        (compared(-0.1, -0.2, -0.05), "Worse than the box on 100 films"),
        (compared(-0.1, -0.2, -0.05), "start from it with --from box"),
        (compared(0.01, -0.01, 0.03), "No clear difference from the box"),
        (compared(0.0, 0.0, 0.0), "Ranks films exactly as the box does on 100 films: mAP 0.300."),
        (compared(0.02, 0.01, 0.03, seen=7), "that it was not trained on (7 were left out)"),
        (compared(0.02, 0.01, 0.03, unlike=1), "in the 2 genres that both know"),
        (BoxMetrics(0, 95, 0, (), None, {}), "No comparison with the box is fair"),
    ],
)
def test_a_verdict_says_who_is_better_and_on_what(box: BoxMetrics, says: str) -> None:
    assert says in box.verdict
    assert BoxMetrics.from_json(box.to_json()) == box


def test_films_of_the_box_are_known_by_id_by_title_and_year_and_by_poster(
    painted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Catalog.build(painted / "films.csv", painted / "posters", tmp_path / "catalog")
    rows = np.arange(len(catalog))
    films = catalog.to_table().to_pylist()
    texts = {
        3: f"id {films[3]['film_id']}",
        5: f"title {title_parts(films[5]['title'])[0]} {films[5]['year']}",
        7: f"poster {films[7]['poster_hash']:016x}",
    }
    known = np.sort(np.array([hash_of(text) for text in texts.values()], np.uint32))
    monkeypatch.setattr("keyart.evaluation.box._trained_films", lambda: known)
    assert np.flatnonzero(trained_on(catalog, rows)).tolist() == list(texts)


def test_no_painted_film_was_ever_in_the_box(own_genres: Run) -> None:
    catalog = own_genres.catalog
    assert not trained_on(catalog, np.arange(len(catalog))).any()


@pytest.mark.parametrize(
    ("films", "frozen", "stages"),
    [(60, True, 0), (2_999, True, 0), (3_000, False, 6), (10_000, False, 0)],
)
def test_more_films_train_more_of_the_network(films: int, *, frozen: bool, stages: int) -> None:
    network = starting_recipe("box", None, {}, films).network
    assert (network.frozen, network.frozen_stages) == (frozen, stages)
    assert network.backbone == "posternet-large"


def test_a_setting_or_a_recipe_decides_instead_of_the_number_of_films() -> None:
    assert not starting_recipe("box", None, {"frozen": False}, 60).network.frozen
    assert not starting_recipe("box", "own-films", {}, 60).network.frozen


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ('[classifier]\nkind = "qda"', "not linear"),
        ('[network]\nbackbone = "milestone-scratch"', "not linear"),
        ("[", "cannot be read"),
    ],
)
def test_a_model_without_a_linear_head_is_no_start(recipe: str, says: str, tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "model", recipe=recipe)
    with pytest.raises(RecipeError, match=says):
        open_start(tmp_path / "model")


def test_weights_that_are_not_those_of_the_recipe_are_refused(tmp_path: Path) -> None:
    content = content_of(read_bundle(boxed_bundle()))
    other = str(content.provenance["recipe"]).replace("posternet-large", "posternet")
    write_bundle(tmp_path / "model", replace(content, provenance={"recipe": other}))
    with pytest.raises(BundleError, match="not those of its recipe"):
        open_start(tmp_path / "model").network()


def test_the_start_is_kept_if_no_epoch_is_better(painted: Path, tmp_path: Path) -> None:
    catalog = Catalog.build(painted / "films.csv", painted / "posters", tmp_path / "catalog")
    tiny = Recipe().with_settings(backbone="posternet-small", **TINY)
    first = train(catalog, tiny, out=tmp_path / "first", callbacks=SILENT)
    wild = {"epochs": 1, "learning_rate": 1.0, "ema_decay": None, "compile": "off", "dtype": "fp32"}
    recipe = starting_recipe(first.path, "own-films", wild, 60)
    run = Run(tmp_path / "second")
    learn(catalog, recipe, run, SILENT, resume=False)
    before, after = (load_best(one)[0].backbone.state_dict() for one in (first, run))
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor)


def test_a_network_is_trained_by_the_calibrated_scores_of_its_start(
    painted: Path, tmp_path: Path
) -> None:
    catalog = Catalog.build(painted / "films.csv", painted / "posters", tmp_path / "catalog")
    tiny = Recipe().with_settings(backbone="posternet-small", **TINY)
    content = content_of(train(catalog, tiny, out=tmp_path / "first", callbacks=SILENT).bundle)
    assert isinstance(content.model, NetworkFiles)
    assert content.model.weights is not None
    still = {"epochs": 1, "learning_rate": 1e-9, "compile": "off", "dtype": "fp32", "dropout": 0.0}
    rows = []
    for scale in (1.0, 0.25):
        tensors = safetensors.torch.load(content.model.weights)
        scaled = {
            name: (tensor * scale if name.startswith("head.linear") else tensor).contiguous()
            for name, tensor in tensors.items()
        }
        curves = Calibration((GenreCalibration("temperature", 1 / scale),) * 19)
        changed = replace(
            content,
            model=replace(content.model, weights=safetensors.torch.save(scaled)),
            decisions=replace(content.decisions, calibration=curves),
        )
        start = write_bundle(tmp_path / f"start-{scale}", changed)
        recipe = starting_recipe(start.path, "own-films", still, 60)
        run = Run(tmp_path / f"run-{scale}")
        learn(catalog, recipe, run, SILENT, resume=False)
        rows.append(next(csv.DictReader(run.history_path.read_text().splitlines())))
    for key in ("train_loss", "validation_loss", "validation_mean_average_precision"):
        assert float(rows[1][key]) == pytest.approx(float(rows[0][key]), rel=1e-3)
