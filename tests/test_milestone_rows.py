"""milestone/: which rows run, with what settings, and what the study published about them."""

import pytest

from keyart.errors import KeyartError
from keyart.milestone.metrics import STUDY_METRICS
from keyart.milestone.published import PUBLISHED, SCRATCH_NOTEBOOK, VGG16_NOTEBOOK
from keyart.milestone.rows import (
    ROWS,
    check_settings,
    check_weights,
    choose_rows,
    parse_settings,
    parse_weights,
)


def test_rows_are_in_the_order_of_the_table_whatever_order_they_are_named_in() -> None:
    names = [row.name for row in choose_rows(["scratch", "null", "qda"])]
    assert names == ["null", "qda", "scratch"]
    assert choose_rows(None) == list(ROWS)


@pytest.mark.parametrize(("names", "hint"), [(["scrach"], "scratch"), (["null", "rate"], "rates")])
def test_an_unknown_row_is_an_error_with_the_nearest_name_and_all_names(
    names: list[str], hint: str
) -> None:
    with pytest.raises(KeyartError) as error:
        choose_rows(names)
    assert f"did you mean {hint!r}?" in str(error.value)
    assert all(row.name in str(error.value) for row in ROWS)


def test_an_empty_list_of_rows_is_refused() -> None:
    with pytest.raises(KeyartError, match="no rows to run"):
        choose_rows([])


def test_weights_are_given_by_row() -> None:
    given = parse_weights(["vgg16=hub", "mobilenetv2=some/file=1.safetensors"])
    assert given == {"vgg16": "hub", "mobilenetv2": "some/file=1.safetensors"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vgg16", "write ROW=FILE or ROW=hub"),
        ("vgg16=", "write ROW=FILE or ROW=hub"),
        ("vgg=hub", "did you mean 'vgg16'"),
        ("posternet=x", "Rows that do: vgg16, mobilenetv2"),
    ],
)
def test_weights_that_no_row_takes_are_refused(text: str, message: str) -> None:
    with pytest.raises(KeyartError, match=message):
        check_weights(parse_weights([text]))


def test_settings_are_given_by_row_and_keep_their_order() -> None:
    given = parse_settings(["scratch.height=64", "posternet.epochs=3", "scratch.width=64"])
    assert given == {"scratch": ("height=64", "width=64"), "posternet": ("epochs=3",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("height=64", "write ROW.KEY=VALUE"),
        ("scratch.height", "write ROW.KEY=VALUE"),
        ("postrnet.epochs=3", "did you mean 'posternet'"),
        ("scratch-leak.epochs=3", "set scratch.epochs=3 instead, which both rows take"),
    ],
)
def test_settings_that_no_row_takes_are_refused(text: str, message: str) -> None:
    with pytest.raises(KeyartError, match=message):
        check_settings(parse_settings([text]))


def test_published_metrics_are_known_by_name_and_belong_to_rows() -> None:
    names = {row.name for row in ROWS}
    for row, texts in PUBLISHED.items():
        assert row in names
        for text in texts:
            assert text.metrics.keys() <= STUDY_METRICS.keys()
            assert all(0 <= value <= 1 for value in text.metrics.values())


def test_a_few_published_metrics_are_as_they_were_printed() -> None:
    assert SCRATCH_NOTEBOOK.metrics["top_class"] == 0.8403
    assert VGG16_NOTEBOOK.metrics["label_accuracy"] < VGG16_NOTEBOOK.metrics["nothing"]
