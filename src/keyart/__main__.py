"""`keyart` and `python -m keyart`: run the command line and turn errors into one line."""

import sys
import warnings

# What the base install goes without, and the extra that brings it.
EXTRAS = {
    **dict.fromkeys(("imagehash", "pyarrow"), "catalog"),
    **dict.fromkeys(("jinja2", "onnx", "onnxscript", "optuna", "safetensors"), "train"),
    **dict.fromkeys(("scipy", "sklearn", "timm", "torch", "torchvision"), "train"),
}


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 a KeyartError or a file error, 2 wrong usage."""
    from keyart.cli import app
    from keyart.errors import KeyartError

    debug = "--debug" in sys.argv
    if not debug:
        # Libraries warn their users' programmers; the user of a command can do nothing about it.
        warnings.simplefilter("ignore")
    try:
        app()
    except KeyartError as error:
        if debug:
            raise
        _fail(str(error))
    except OSError as error:
        if debug:
            raise
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}; nothing was left half-written")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if debug or package not in EXTRAS:
            raise
        also = ", or 'keyart[train]' to train as well" if EXTRAS[package] == "catalog" else ""
        _fail(f"this needs {package}: pip install 'keyart[{EXTRAS[package]}]'{also}")
    except KeyboardInterrupt:
        _fail("stopped", status=130)


def _fail(message: str, status: int = 1) -> None:
    print("error:", " ".join(message.split()), file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
