"""`import keyart`: quick, light, silent, and everything in __all__ is there."""

import json
import logging
import subprocess
import sys

import pytest

import keyart

HEAVY = ("torch", "pyarrow", "onnxruntime", "numpy", "PIL", "typer", "rich")


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_importing_keyart_loads_nothing_heavy_and_takes_a_moment() -> None:
    script = (
        "import json, sys, time; began = time.process_time(); import keyart;"
        "took = time.process_time() - began;"
        f"print(json.dumps([took, [m for m in {HEAVY} if m in sys.modules]]))"
    )
    took, loaded = json.loads(run(script))
    assert loaded == []
    assert took < 0.3


def test_loading_a_model_needs_neither_torch_nor_pyarrow() -> None:
    script = (
        "import sys; sys.modules['torch'] = sys.modules['pyarrow'] = None;"
        "import keyart, PIL.Image;"
        "print(keyart.load().predict(PIL.Image.new('RGB', (40, 60))).poster)"
    )
    assert run(script) == "poster\n"


@pytest.mark.parametrize("name", keyart.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(keyart, name)
    assert name == "__version__" or value.__doc__
    assert name in dir(keyart)


def test_public_names_are_no_modules_that_an_import_would_put_in_their_place() -> None:
    script = (
        "import importlib, json, keyart, pkgutil, types;"
        "names = [m.name for m in pkgutil.iter_modules(keyart.__path__) if m.name != '__main__'];"
        "[importlib.import_module(f'keyart.{name}') for name in names];"
        "print([n for n in keyart.__all__ if isinstance(getattr(keyart, n), types.ModuleType)])"
    )
    assert run(script) == "[]\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        keyart.nonsense  # noqa: B018


def test_a_missing_extra_is_one_line_with_the_install_command() -> None:
    script = (
        "import sys; sys.modules['torch'] = None; sys.modules['pyarrow'] = None;"
        "import keyart\n"
        "for use in (lambda: keyart.train, lambda: keyart.to_table([]), lambda: keyart.Catalog):\n"
        "    try: use()\n"
        "    except keyart.KeyartError as error: print(error)"
    )
    train, table, catalog = run(script).splitlines()
    assert train.startswith("this needs ")
    assert train.endswith(": pip install 'keyart[train]'")
    assert table == catalog == "this needs pyarrow: pip install 'keyart[catalog]'"


def test_the_library_prints_nothing_and_changes_no_global_state() -> None:
    script = (
        "import json, logging, random, warnings; import numpy, PIL.Image, keyart;"
        "before = [warnings.filters[:], random.getstate(), logging.root.handlers[:],"
        " logging.getLogger('keyart').handlers[:], numpy.geterr()];"
        "model = keyart.load(); poster = PIL.Image.new('RGB', (40, 60));"
        "list(model.predict_many([poster] * 40)); model.explain(poster); model.embed([poster]);"
        "after = [warnings.filters[:], random.getstate(), logging.root.handlers[:],"
        " logging.getLogger('keyart').handlers[:], numpy.geterr()];"
        "assert before == after"
    )
    assert run(script) == ""


def test_the_library_logs_under_its_own_name() -> None:
    assert logging.getLogger("keyart").parent is logging.root
