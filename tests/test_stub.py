# SPDX-License-Identifier: Apache-2.0
"""lrd_ext/_C.pyi says what the compiled module holds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lrd_ext import native

# The module links to what torch loads. It is alone in a folder, so that mypy does not read all of torch.
STUBTEST = "import sys, torch; from mypy import stubtest; sys.argv[1:] = ['_C']; sys.exit(stubtest.main())"


@pytest.mark.native
@pytest.mark.slow
def test_stub_and_compiled_module_agree(tmp_path):
    shutil.copy(native.NATIVE.__file__, tmp_path)
    shutil.copy(Path(native.__file__).with_name("_C.pyi"), tmp_path)
    done = subprocess.run([sys.executable, "-c", STUBTEST], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
