"""Write docs/recipes.md from the recipe classes: python -m scripts.recipes_page [--check]"""

import inspect
import sys
from collections.abc import Iterable
from importlib import resources

from keyart.training.classical_recipe import ForestRecipe, QdaRecipe
from keyart.training.recipe import Recipe, recipe_names
from keyart.training.recipe_tables import Key, Tables
from scripts.pages import cell, publish

_INTRO = """# Recipe keys

A recipe holds all choices of one training. These recipes come with keyart:

{recipes}

Choose one by its name, change keys, or write your own TOML file. Keys that a file leaves out have
their defaults.

```
keyart train CATALOG --recipe posternet --set epochs=10 --set dropout=0.2 --out RUN
keyart train CATALOG --recipe mine.toml --out RUN
```

```toml
# mine.toml
[network]
backbone = "resnet50"
weights = "hub"
frozen = true

[optimisation]
epochs = 20
```

In Python, keys are arguments: `keyart.train(catalog, recipe="posternet", out="run", epochs=10)`.
Names of keys are unique, so `--set` and Python need no table. `none` means that a key has no
value.

This page is generated from the recipe classes.

## Titles

Every training learns from the titles and years of the catalog's training films. Two keys add more:

```
keyart train CATALOG --set titles=MORE.csv --out RUN
keyart train CATALOG --set encoder=ENCODER --set encoder_reads=words --out RUN
```

`titles` is a table of more films. They need no posters. Validation and test films among them are
left out.

`encoder` is a sentence encoder: a folder with `model.onnx` (or `onnx/model.onnx`) and
`tokenizer.json`, as sentence-transformers and Hugging Face export them, or its name on the Hugging
Face hub, such as `owner/name` or `hf:owner/name@REVISION`. It needs `pip install 'keyart[text]'`.
Its embeddings are computed once and kept in the catalog's folder.

- `encoder_reads=words`: the embeddings of the words in training titles are folded into the weights
  of the n-grams. The bundle stays small, and predicts without the encoder, as fast as before. The
  box is made this way.
- `encoder_reads=titles`: the bundle contains the whole encoder and reads whole titles, even in
  languages that no training title has. Predicting needs `keyart[text]` as well.

The encoder's ONNX file may have only standard ONNX operators. Exports with operators of one
runtime, as quantised ones often have, are refused. Some encoders need a prompt, such as
`--set 'encoder_prompt="query: "'` for E5.
"""


def recipes_page() -> str:
    """The page as Markdown: shipped recipes, then one table of keys for each table of a recipe."""
    shipped = "\n".join(f"- `{name}`: {_title(name)}" for name in recipe_names())
    sections = [_INTRO.format(recipes=shipped), "## Networks\n", *_tables(Recipe)]
    sections += ["## Classical models\n", "See [Classical models](classical.md).\n"]
    sections += _tables(ForestRecipe)
    sections += ["### [classifier] of QDA\n", _rows(QdaRecipe, "classifier")]
    return "\n".join(sections)


def _title(name: str) -> str:
    """The first sentence of a recipe's file; the command follows it."""
    file = resources.files("keyart.training") / "recipes" / f"{name}.toml"
    above = file.read_text(encoding="utf-8").partition("#   keyart")[0]
    words = " ".join(line.lstrip("# ") for line in above.splitlines())
    return words.partition(". ")[0].strip().rstrip(".") + "."


def _tables(recipe: type[Tables]) -> Iterable[str]:
    for table, group in recipe.groups().items():
        yield f"### [{table}]" + (" of a forest\n" if table == "classifier" else "\n")
        yield f"{inspect.getdoc(group)}\n"
        yield _rows(recipe, table)


def _rows(recipe: type[Tables], table: str) -> str:
    lines = ["| key | type | default | what it does | when to change it |", "|---|---|---|---|---|"]
    documented = recipe.documented_keys()
    lines += [_row(key) for key in documented if key.table == table]
    return "\n".join([*lines, ""])


def _row(key: Key) -> str:
    cells = (f"`{key.name}`", cell(key.type), f"`{key.default}`", cell(key.does), cell(key.when))
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(publish("docs/recipes.md", recipes_page(), check="--check" in sys.argv))
