#!/bin/sh
# gpu-test.sh: tests gocaffe on GPU 0, or the one that GOCAFFE_DEVICE names. It runs
# from the folder that make gpu-bundle has packed, on a machine with an NVIDIA driver;
# GOCAFFE_LIBCUDA can name the fake one. TESTS: a pattern of the tests to run
# (all). The exit status is 1 if a test failed, if none passed, or without a GPU.
set -u
here=$(cd "$(dirname "$0")" && pwd)
export GOCAFFE_DEVICE="${GOCAFFE_DEVICE:-0}" GOCAFFE_SHARED="$here/shared"
unset CI # where it is set, tests fail that the bundle has no data for

log=$(mktemp -d) || exit 1
trap 'rm -rf "$log"' EXIT
if ! "$here/gocaffe" device_query --gpu "$GOCAFFE_DEVICE" >"$log/query" 2>&1; then
  sed 's/^/  /' "$log/query" >&2
  echo "gpu-test.sh: GPU $GOCAFFE_DEVICE cannot be used: these tests need an NVIDIA driver (nvidia-smi shows it) and a GPU of compute capability 7.0 or newer; GOCAFFE_DEVICE chooses another" >&2
  exit 1
fi
grep '^GPU\|cuBLAS\|cuDNN' "$log/query"
free() { # free memory of the GPU in GB, as the driver says
  "$here/gocaffe" device_query --gpu "$GOCAFFE_DEVICE" 2>/dev/null | sed -n 's/^GPU [0-9]*: .*, \([0-9.]*\) of .* GB free.*/\1/p'
}
before=$(free)

passed=0 failed=0 skipped=0
count() { grep -c "^ *--- $1:" "$2"; } # prints 0, too
for tests in $(cd "$here/tests" && find . -name tests -type f | sort); do
  package=$(dirname "${tests#./}")
  out="$log/out"
  status=0
  (cd "$here/tests/$package" && ./tests -test.v -test.timeout 10m -test.run "${TESTS:-.}") >"$out" 2>&1 || status=$?
  p=$(count PASS "$out") f=$(count FAIL "$out") s=$(count SKIP "$out")
  if [ $status -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi # it has crashed
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  printf '%-24s %5d passed %3d failed %3d skipped\n' "$package" "$p" "$f" "$s"
  if [ "$f" -ne 0 ]; then
    cp "$out" "$here/failed-$(echo "$package" | tr / -).log"
    sed '/^ *=== /d; /--- PASS:/d; /--- SKIP:/d' "$out" | head -60
  fi
  grep -h 'golden cases:\|cases passed,\|device_test.*largest error:' "$out" | sed 's/^ */    /; s/ of unknown type (.*/ of types that are not in this package/'
done

after=$(free)
echo "free memory: $before GB before, $after GB after"
if [ "$before" != "$after" ]; then echo "  (another program may have taken or given back some; the tests of single processes are above)"; fi
echo "passed $passed, failed $failed, skipped $skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
