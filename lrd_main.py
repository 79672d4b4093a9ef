# SPDX-License-Identifier: Apache-2.0
"""Where the program `lrd` starts: outside the package, whose import loads torch for a second or more."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

#: What ends the program in an orderly way: Ctrl-C, `kill`, a closed terminal.
_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def main() -> int:
    """Run the program and return its exit code; an interrupt is one line, from the first moment on.

    While torch loads there is nothing to clean up, and what it loads may swallow a KeyboardInterrupt: so the
    process ends at once. When the work is done an interrupt no longer changes the exit code.
    """
    # Signals a shell or nohup lets the program ignore stay ignored.
    ending = [n for n in _ENDING if signal.getsignal(n) in (signal.SIG_DFL, signal.default_int_handler)]
    _answer(ending, _quit)
    for stream in (sys.stdout, sys.stderr):  # a name that an encoding lacks must not end the work
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.modules.setdefault("lrd_main", sys.modules[__name__])  # by which lrd_ext knows the program
    from lrd_ext.cli import main as run

    code = run(ready=lambda: _answer(ending, signal.default_int_handler))  # which raises KeyboardInterrupt
    _answer(ending, signal.SIG_IGN)
    return code


def _answer(numbers: list[signal.Signals], handler: Any) -> None:
    for number in numbers:
        signal.signal(number, handler)


def _quit(number: int, frame: object) -> None:
    os.write(2, b"lrd: interrupted\n")
    os._exit(2)


if __name__ == "__main__":
    sys.exit(main())
