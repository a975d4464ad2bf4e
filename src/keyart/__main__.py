"""`keyart` and `python -m keyart`: run the command line; an error becomes one line."""

import sys
import warnings


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 a KeyartError or a file error, 2 wrong usage."""
    from keyart.cli import app
    from keyart.errors import KeyartError
    from keyart.extras import extras
    from keyart.terminal.logs import show_logs

    debug = "--debug" in sys.argv
    if not debug:
        # Warnings of libraries are for programmers; the user of a command cannot act on them.
        warnings.simplefilter("ignore")
    show_logs()
    try:
        with extras():
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
    except KeyboardInterrupt:
        _fail("stopped", status=130)


def _fail(message: str, status: int = 1) -> None:
    print("error:", " ".join(message.split()), file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
