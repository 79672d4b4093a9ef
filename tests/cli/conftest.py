# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from rose_picture import rose

from lrd_ext import raw
from lrd_ext.cli import main


@pytest.fixture
def lrd(capsys):
    """Run the program in this process; give its exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as stop:  # the parser's own refusals
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def rose_dng(tmp_path):
    """The rose as RGGB DNG."""
    path = tmp_path / "rose.dng"
    raw.write_dng(path, rose("RGGB"))
    return path
