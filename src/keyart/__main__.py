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
    from keyart.files import ESCAPE
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


_REMEDIES = {
    "ENOSPC": "the disk is full; free some space and run the command again",
    "EDQUOT": "your quota on this disk is used up; free some space and run the command again",
    "EFBIG": "this disk cannot hold so large a file; write to another one",
    "EROFS": "the disk is read-only; write to another one",
    "EIO": "the disk failed to read or write; check it, or use another one",
    "EACCES": "permission denied; change the permissions, or name another place",
    "EPERM": "the system does not permit this; change the permissions, or name another place",
    "ENOENT": "no such file or folder; check the name",
    "EISDIR": "is a folder, not a file; name a file",
    "ENOTDIR": "a part of this path is a file, not a folder; check the name",
    "ENAMETOOLONG": "the name is too long for this disk; choose a shorter one",
    "EMFILE": "too many open files; raise the limit (ulimit -n)",
}
"""What to do about errors of files, by their names in errno."""

_WRITING = ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO")


def _file_error(error: OSError) -> str:
    """The line about an error of the file system: which file, what happened, what to do."""
    from keyart.files import printable

    name = errno.errorcode.get(error.errno or 0, "")
    what = _REMEDIES.get(name) or error.strerror or str(error)
    where = f"{printable(os.fsdecode(error.filename))}: " if error.filename else ""
    saved = getattr(error, "__notes__", None)
    if saved is None and name in _WRITING:
        saved = ["what was there before is unchanged, and nothing is half-written"]
    return "; ".join([where + what, *(saved or ())])


def _fail(message: str, status: int = 1) -> None:
    print("error:", " ".join(message.split()), file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
