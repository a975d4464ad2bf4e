"""Wrong usage of commands: what another command has is named with its owner."""

import sys

import pytest

from keyart.__main__ import main


def usage_error(
    words: str, monkeypatch: pytest.MonkeyPatch, shown: pytest.CaptureFixture[str]
) -> str:
    """The message of a wrong command line, without the box around it."""
    monkeypatch.setattr(sys, "argv", ["keyart", *words.split()])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    (line,) = [line for line in shown.readouterr().err.splitlines() if line.startswith("│")]
    return line.strip("│ ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("predict x --recipe y", "No such option: --recipe. keyart train and keyart tune have it."),
        ("predict x --seed=3", "No such option: --seed. keyart catalog build has it."),
        (
            "catalog build --model x",
            "No such option: --model. keyart predict, keyart explain, keyart fill, keyart browse, "
            "keyart index and 5 more have it.",
        ),
        (
            "--host x serve",
            "No such option: --host. keyart serve and keyart review have it. "
            "Options go after the command.",
        ),
        (
            "train x --out y --epochs 3",
            "No such option: --epochs. keyart milestone has it. "
            "A key of the recipe is set with --set epochs=VALUE.",
        ),
        (
            "train x --batch-size 3",
            "No such option: --batch-size. A key of the recipe is set with --set batch_size=VALUE.",
        ),
        (
            "predict x --poster y",
            "No such option: --poster. keyart pictures has it. (Possible options: --poster-column, "
            "--posters)",
        ),
        ("train x --oot y", "No such option: --oot (Possible options: --log, --out, --set)"),
        ("similar x --zzz", "No such option: --zzz"),
        ("build", "No such command 'build'. Did you mean catalog build?"),
        ("predit x", "No such command 'predit'. Did you mean 'predict'?"),
        ("train x --out", "Option '--out' requires an argument."),
    ],
)
def test_an_option_of_another_command_is_an_error_that_names_the_command(
    words: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert usage_error(words, monkeypatch, capsys) == message
