# SPDX-License-Identifier: Apache-2.0
"""Only the AVX2 and AVX-512 builds may use their registers: the linker must not have mixed the builds.

The trap: an inline function compiled at two instruction-set levels is one symbol to the linker, which may
keep the wide copy for all, and processors without it die of SIGILL.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess

import pytest

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="instruction sets of x86-64"),
    pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump is not installed"),
]

FUNCTION = re.compile(r"^[0-9a-f]+ <(.*)>:$")


def functions_with_wide_registers(library):
    """Demangled names of the functions that touch ymm or zmm registers, and how many functions there are."""
    command = ["objdump", "-d", "-C", "--no-show-raw-insn", "-j", ".text", library]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    wide, names, name = set(), set(), ""
    for line in listing.splitlines():
        header = FUNCTION.match(line)
        if header:
            name = header[1]
            names.add(name)
        elif "%ymm" in line or "%zmm" in line:
            wide.add(name)
    return wide, names


def test_only_wide_builds_use_wide_registers(native):
    wide, names = functions_with_wide_registers(native.__file__)
    if not any("lrd::baseline::" in name for name in names):
        pytest.skip("the library is stripped: no names to tell the builds apart")
    assert any("lrd::avx2::" in name for name in wide)
    assert any("lrd::avx512::" in name for name in wide)
    strangers = {name for name in wide if "lrd::avx2::" not in name and "lrd::avx512::" not in name}
    assert not strangers
