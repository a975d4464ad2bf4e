"""`keyart` and `python -m keyart`: run the command line; an error becomes one line."""

import errno
import io
import os
import sys
import warnings


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 a KeyartError or a file error, 2 wrong usage."""
    from keyart.cli import app
    from keyart.errors import KeyartError
    from keyart.extras import extras
    from keyart.printable import ESCAPE
    from keyart.terminal.logs import show_logs

    debug = "--debug" in sys.argv
    if not debug:
        # Warnings of libraries are for programmers; the user of a command cannot act on them.
        warnings.simplefilter("ignore")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPE)  # a file's name need not be text
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
        _fail(_file_error(error))
    except KeyboardInterrupt:
        _fail("stopped", status=130)


_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def _file_error(error: OSError) -> str:
    """The line about an error of the file system: which file, what happened, what to do."""
    from keyart.errors import advice, why
    from keyart.printable import printable

    where = f"{printable(os.fsdecode(error.filename))}: " if error.filename else ""
    saved = getattr(error, "__notes__", None)
    if saved is None and error.errno in _WRITING:
        saved = ["what was there before is unchanged, and nothing is half-written"]
    return "; ".join(filter(None, [where + why(error), advice(error), *(saved or ())]))


def _fail(message: str, status: int = 1) -> None:
    print("error:", " ".join(message.split()), file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
