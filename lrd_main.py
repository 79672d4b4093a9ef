# SPDX-License-Identifier: Apache-2.0
"""Where the program `lrd` starts: outside the package, whose import loads torch for a second or more."""

from __future__ import annotations

import os
import signal
import sys


def main() -> int:
    """Run the program and return its exit code; an interrupt is one line, from the first moment on.

    While torch loads there is nothing to clean up, and what it loads may swallow a KeyboardInterrupt: so the
    process ends at once. When the work is done an interrupt no longer changes the exit code.
    """
    handler = signal.getsignal(signal.SIGINT)  # SIG_IGN where a shell put the program in the background
    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, _quit)
    for stream in (sys.stdout, sys.stderr):  # a name that an encoding lacks must not end the work
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    from lrd_ext.cli import main as run

    signal.signal(signal.SIGINT, handler)
    code = run()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


def _quit(number: int, frame: object) -> None:
    os.write(2, b"lrd: interrupted\n")
    os._exit(2)


if __name__ == "__main__":
    sys.exit(main())
