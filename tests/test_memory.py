# SPDX-License-Identifier: Apache-2.0
"""A 12 MP frame takes the memory of its output and less than 2 MB more; a tile fits on a small stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lrd_ext

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(
        not Path("/proc/self/clear_refs").exists(), reason="the peak is read from Linux's /proc"
    ),
]

MOST_EXTRA = 2e6  # bytes

# In a process of its own: the peak of resident memory is the process's.
MEASURE = """
import json, sys, torch
from lrd_ext import NoiseParams, fused_synth
from lrd_ext.generator import LiteGenerator

case = json.loads(sys.argv[1])
torch.set_num_threads(2)
camera = {"K": 2.3, "ratio": 100.0, "white": 16383.0, "black": 512.0, "sigma_read": 6.0, "tukey_lambda": -0.1}
params = NoiseParams(**camera, sigma_row=1.5, sigma_col=0.5, read="tukey_lambda")
options = {"seed": 7, "backend": "cpu", "output": case["output"], "quantize": case["quantize"]}
if case["generator"]:
    params = params.shot_only()
    options |= {"generator": LiteGenerator().requires_grad_(False), "sigma_init": 6.0}


def frame(*shape):
    clean = torch.rand(shape)
    return (clean * 15000).to(torch.uint16) if case["uint16"] else clean


def resident(name):
    with open("/proc/self/status") as status:
        return 1024 * next(int(line.split()[1]) for line in status if line.startswith(name))


def extra(clean, **more):
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")  # the peak begins again at what is resident now
    before = resident("VmRSS")
    got = fused_synth(clean, params, **options, **more)
    return resident("VmHWM") - before, got.numel() * got.element_size()


# Twice what is allocated once: threads, code that is paged in.
for _ in range(2):
    small = fused_synth(frame(256, 512), params, **options)
clean = frame(3000, 4000)
dark = {"dark": torch.zeros(3000, 4000)} if case["dark"] else {}
out = torch.full((3000, 4000), 1, dtype=small.dtype)
print(json.dumps([extra(clean, out=out, **dark), extra(clean, **dark)]))
"""

CASES = {
    "float32": {},
    "uint16 to uint16": {"uint16": True, "output": "dn"},
    "uint16 to float32, dark, uniform": {"uint16": True, "dark": True, "quantize": "uniform"},
    "learned generator": {"generator": True},
}
PLAIN = {"uint16": False, "output": "normalized", "quantize": "round", "dark": False, "generator": False}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_peak_of_a_12_megapixel_frame(record_property, case):
    environment = os.environ | {"PYTHONPATH": str(Path(lrd_ext.__file__).parents[1])}
    command = [sys.executable, "-c", MEASURE, json.dumps(PLAIN | case)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (into_out, _), (allocated, size) = json.loads(done.stdout)
    record_property("extra bytes with out=", into_out)
    record_property("extra bytes without", allocated - size)
    assert into_out < MOST_EXTRA
    assert size <= allocated < size + MOST_EXTRA


IN_A_THREAD = """
import sys, threading, torch
from lrd_ext import NoiseParams, fused_synth
from lrd_ext.generator import LiteGenerator

torch.set_num_threads(1)
params = NoiseParams(K=1.0, ratio=1.0, white=1.0, black=0.0)
options = {"seed": 1, "quantize": "none"}
if sys.argv[2] == "generator":
    generator = LiteGenerator((32, 32, 32)).requires_grad_(False)
    options |= {"generator": generator.bfloat16(), "sigma_init": 3.0}


def call():
    fused_synth(torch.zeros(1, 4, 64, 64), params, **options)


call()
threading.stack_size(int(sys.argv[1]) << 10)
thread = threading.Thread(target=call)
thread.start()
thread.join()
"""


@pytest.mark.parametrize(("what", "kilobytes"), [("plain", 256), ("generator", 512)])
def test_a_thread_with_a_small_stack_can_call(what, kilobytes):
    environment = os.environ | {"PYTHONPATH": str(Path(lrd_ext.__file__).parents[1])}
    command = [sys.executable, "-c", IN_A_THREAD, str(kilobytes), what]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
