# SPDX-License-Identifier: Apache-2.0
"""lrd_ext/_C.pyi says what the compiled module holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.native
@pytest.mark.slow
def test_stub_and_compiled_module_agree():
    command = [sys.executable, "-m", "mypy.stubtest", "--mypy-config-file", "pyproject.toml", "lrd_ext._C"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
