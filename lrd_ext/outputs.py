# SPDX-License-Identifier: Apache-2.0
"""Whole files or none: the only place that refuses a target, and the only one that writes it.

A file is written under a temporary name in its own folder and takes its name when it is complete. The
temporary name tells which process writes it, so that what a killed one left behind is known and removed.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import secrets
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

#: Process ids mean something on one machine only; folders may be shared by several.
_MACHINE = f"{zlib.crc32(platform.node().encode()):08x}"
_TEMPORARY = re.compile(rf"\.lrd_ext-{_MACHINE}-(\d+)-[0-9a-f]+\.part")
#: What this process is writing at the moment.
_in_work: set[Path] = set()


def check_target(
    path: str | os.PathLike[str],
    what: str,
    *,
    suffix: str = "",
    overwrite: bool = True,
    make_folders: bool = False,
) -> Path:
    """Refuse a file that could not be written, before any work, and remove what a killed run left beside it.

    Args:
        path: where the file shall go; links are followed.
        what: how the caller names the path, such as "raw.write_dng: path" or "--output".
        suffix: what the name must end in, such as ".png"; letter case does not matter.
        overwrite: whether an existing file may be replaced.
        make_folders: whether missing folders will be made.

    Returns: ``path`` as a Path.

    Raises:
        ValueError: the name does not end in ``suffix``, is that of a folder or of a file that must stay, or
            its folder is missing or cannot be written to.
    """
    target, real = Path(path), Path(os.path.realpath(path))
    _remove_abandoned_once(real.parent)  # even where the target is refused: nothing else may come here again
    if suffix and target.suffix.lower() != suffix:
        raise ValueError(f"{what} must end in {suffix}, got {path}")
    if real.is_dir():
        raise ValueError(f"{what} must name a file, got the folder {path}")
    if real.exists() and not overwrite:
        raise ValueError(f"{what}: {path} exists already; say --overwrite to replace it")
    folder = real.parent
    while make_folders and not folder.exists() and folder != folder.parent:  # a missing drive has no parent
        folder = folder.parent
    if not folder.exists():
        raise ValueError(f"{what} must lie in an existing folder, got {path}. Make {folder} first")
    if not folder.is_dir():
        raise ValueError(f"{what}: {folder} is a file, not a folder, so {path} cannot be written")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"{what}: the folder {folder} is read-only, so {path} cannot be written")
    return target


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the place of ``path`` when the block ends well.

    Links are followed, missing folders made, and the mode of a file that is replaced is kept. On any
    exception, an interrupt included, the temporary file goes and ``path`` is as it was.

    Raises:
        OSError: the system refuses to write; the error names ``path``.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".lrd_ext-{_MACHINE}-{os.getpid()}-{secrets.token_hex(4)}.part")
    _in_work.add(temporary)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned_once(target.parent)
        with open(temporary, "xb") as file:  # "x" follows no link, whoever made one
            with suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(target.stat().st_mode) & 0o777)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(temporary)):
            # A full disk names no file, a refused one the temporary: the user knows neither.
            raise OSError(error.errno, error.strerror, str(target)) from error
        raise
    finally:
        _in_work.discard(temporary)


def write_files(contents: Mapping[Path, bytes], *, last_check: Callable[[], None] = lambda: None) -> None:
    """Write several files, all of them or none.

    Args:
        contents: what each file shall hold; existing files are replaced. The last to be named here is the
            first to appear.
        last_check: called when everything is on disk under temporary names; what it raises leaves none of it.

    Raises:
        OSError: the system refuses one of the files, which is named.
    """
    with ExitStack() as files:
        for target, data in contents.items():
            file = files.enter_context(replacing(target))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        last_check()


def remove_abandoned(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files in a folder whose process is gone: it was killed while it wrote.

    Those of other machines that share the folder stay: nothing here tells whether their process lives.
    Every writer does this once for each folder.
    """
    real = Path(os.path.realpath(folder))
    with suppress(OSError):
        for name in os.listdir(real):
            named = _TEMPORARY.fullmatch(name)
            if named and _is_gone(int(named[1]), real / name):
                (real / name).unlink(missing_ok=True)


@functools.lru_cache(maxsize=1024)
def _remove_abandoned_once(folder: Path) -> None:
    remove_abandoned(folder)


def _is_gone(process: int, temporary: Path) -> bool:
    if process == os.getpid():  # ours, or of an earlier process that had our number, as in containers
        return temporary not in _in_work
    if os.name != "posix":  # os.kill(process, 0) asks on POSIX and kills elsewhere
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False
