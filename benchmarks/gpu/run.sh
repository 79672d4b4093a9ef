#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One command for a machine with a GPU, an nvcc and a CUDA build of torch; needs no network. Builds with that torch,
# compares GPU and CPU bit for bit, measures, profiles, runs compute-sanitizer: what is worth most comes first, and
# benchmarks/results/<device>-<commit>.{json,md}, under $OUT too where that is set, are written anew after each step. A
# tool that is missing is named and left out. Ends within 9 minutes. Exit codes: 0 all that ran is right; 1 something is
# wrong; 3 no GPU, nothing written.
# PYTHON chooses the interpreter; COMMIT names the commit where there is no git; tests/cuda/test_gpu_run.py rehearses it.
set -uo pipefail
cd "$(dirname "$0")/../.."
ROOT=$PWD
PYTHON=${PYTHON:-python3}
case $PYTHON in */*) PYTHON=$(cd "$(dirname "$PYTHON")" && pwd)/$(basename "$PYTHON") ;; esac
LIMIT_S=${LIMIT_S:-520}
DEADLINE=$((SECONDS + LIMIT_S))
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

say() { printf '== %s (%d s left)\n' "$*" $((DEADLINE - SECONDS)); }

# begin STEP: say what comes; false, and the step is left out, where too little time is left to learn anything.
begin() {
  if [ $((DEADLINE - SECONDS)) -le $((LIMIT_S / 30)) ]; then
    echo "== no time left for: $*"
    return 1
  fi
  say "$*"
}

# within SECONDS COMMAND...: no longer than that, nor than what is left of the whole.
within() {
  local most=$1 left=$((DEADLINE - SECONDS))
  shift
  [ "$left" -lt 1 ] && return 124
  timeout --kill-after=5 $((most < left ? most : left)) "$@"
}

if ! "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2> "$WORK/torch.txt"; then
  tail -n 3 "$WORK/torch.txt"
  echo "benchmarks/gpu/run.sh: no GPU that $PYTHON's torch can use. Nothing was run and nothing was written."
  exit 3
fi

say "build with this machine's torch"
export LRD_EXT_CUDA=1 LRD_EXT_NATIVE=1
mkdir "$WORK/source" "$WORK/site"
tar --exclude=.git --exclude=.venv --exclude=build --exclude='*.so' -cf - . | tar -xf - -C "$WORK/source"
if within 240 "$PYTHON" -m pip install --quiet --no-index --no-build-isolation --no-deps --target "$WORK/site" \
  "$WORK/source" > "$WORK/build.txt" 2>&1; then
  export PYTHONPATH=$WORK/site
else
  tail -n 15 "$WORK/build.txt"
  echo "pip did not build it; once more in place, without pyproject.toml, which an old setuptools cannot read"
  mv "$WORK/source/pyproject.toml" "$WORK/source/pyproject.aside"
  (cd "$WORK/source" && within 240 "$PYTHON" setup.py build_ext --inplace > "$WORK/build.txt" 2>&1) ||
    { tail -n 30 "$WORK/build.txt" && echo "the build failed; nothing was written" && exit 1; }
  export PYTHONPATH=$WORK/source
fi
cd "$WORK" # the checkout's own lrd_ext must not be the one that is imported
HERE=$ROOT/benchmarks/gpu
status=0
export PYTHONPATH=$PYTHONPATH:$ROOT/tests/generator # generators.py

if commit=${COMMIT:-$(git -C "$ROOT" rev-parse --short HEAD 2> /dev/null)} && [ -z "${COMMIT:-}" ]; then
  git -C "$ROOT" diff --quiet HEAD -- csrc lrd_ext setup.py || commit=$commit-changed
fi
commit=${commit:-unknown}
within 30 "$PYTHON" "$HERE/results.py" --device "$WORK" || status=1

# keep: write down what is known so far.
keep() { "$PYTHON" "$HERE/results.py" "$WORK" "$commit" "$ROOT/benchmarks/results" ${OUT:+"$OUT"} || status=1; }

# compare NAME SECONDS GROUP...: in a process of its own, since a fault on the device ends all that a process has there.
compare() {
  local name=$1 most=$2
  shift 2
  begin "GPU against CPU: $*" || return
  within "$most" "$PYTHON" "$HERE/parity.py" "$WORK/parity_$name.json" "$@" || status=1
  keep
}

# measure PART SECONDS
measure() {
  begin "speed, $1" || return
  within "$2" "$PYTHON" "$HERE/speed.py" "$WORK/speed_$1.json" "$1" || status=1
  keep
}

# profile SCENE
profile() {
  begin "Nsight Compute, $1" || return
  local said=$WORK/ncu_$1.txt
  if command -v ncu > /dev/null; then
    within 25 ncu --clock-control none --kernel-name 'regex:physics_kernel|stack_kernel' --print-details all \
      --launch-skip 3 --launch-count 1 --section SpeedOfLight --section LaunchStats --section Occupancy \
      --section InstructionStats --section SchedulerStats --section WarpStateStats "$PYTHON" "$HERE/speed.py" --one "$1" > "$said" 2>&1 ||
      echo "not run: exit code $?" >> "$said"
  else
    echo "not run: ncu is not installed" > "$said"
  fi
  tail -n 3 "$said"
  keep
}

# check TOOL: a run of compute-sanitizer; what it said is kept, and "not run" is told from "found errors".
check() {
  local tool=$1 said=$WORK/$1.txt
  begin "compute-sanitizer $tool" || return
  if ! command -v compute-sanitizer > /dev/null; then
    echo "not run: compute-sanitizer is not installed" | tee "$said"
    keep
    return
  fi
  within 60 compute-sanitizer --tool "$tool" --error-exitcode 9 "$PYTHON" "$HERE/parity.py" "$WORK/short.json" \
    shapes generators "bfloat16 generators" > "$said" 2>&1
  local code=$?
  if grep -qE 'physics_kernel|sensor_kernel|stack_kernel' "$said"; then
    echo "found errors" >> "$said"
    status=1
  elif [ $code = 0 ]; then
    echo "clean" >> "$said"
  elif [ $code = 9 ]; then
    echo "clean in this package's kernels, errors in others" >> "$said"
  else # not supported here, or no time left
    echo "not run to its end: exit code $code" >> "$said"
  fi
  tail -n 4 "$said"
  keep
}

keep
compare physics 60 shapes modes large
compare generator 60 generators "bfloat16 generators" windows
compare torch 40 "in torch"
compare first 30 "first in a graph"
measure fused 90
for scene in smooth random "flat 5 e" 16,16; do profile "$scene"; done
measure eager 60
check memcheck
measure compiled 60
compare compiled 60 compiled
check racecheck
check synccheck
say "results in benchmarks/results${OUT:+ and $OUT}"
exit $status
