#!/bin/sh
# bundle.sh FOLDER: puts into FOLDER what it takes to test and time gocaffe on a
# machine with an NVIDIA driver, without Go: the program, tests as programs with
# their golden values, LeNet's golden values and images of MNIST, and the scripts
# gpu-test.sh and gpu-bench.sh. And it makes FOLDER.tar.xz.
# PACKAGES are the packages whose tests go in; BUILD, the flags of go.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
shared=${GOCAFFE_SHARED:-$root/../shared}
out=$1
cd "$root"
go=${GO:-go}
build=${BUILD--trimpath}
packages=${PACKAGES:-$(
  echo cuda cuda/driver
  for dir in layers/* plugins/* net solver; do
    if grep -lq 'cudatest\|layertest' "$dir"/*_test.go 2>/dev/null; then echo "$dir"; fi
  done
)}

rm -rf "$out" "$out.tar.xz"
mkdir -p "$out/shared" "$out/tests"
$go build $build -ldflags '-s -w' -o "$out/gocaffe" ./cmd/gocaffe
for package in $packages; do
  mkdir -p "$out/tests/$package"
  $go test $build -ldflags '-s -w' -c -o "$out/tests/$package/tests" "./$package"
  if [ -d "$package/testdata" ]; then cp -r "$package/testdata" "$out/tests/$package/"; fi
done
if [ -d "$shared/golden/nets/lenet" ] && [ -d "$shared/data/mnist" ]; then
  mkdir -p "$out/shared/golden/nets" "$out/shared/data/mnist"
  cp -r "$shared/golden/nets/lenet" "$out/shared/golden/nets/"
  # LeNet sees 20 batches of 64 in its 20 iterations.
  images=1280
  gunzip -c "$shared/data/mnist/train-images-idx3-ubyte.gz" | head -c $((16 + 784 * images)) | gzip -9 >"$out/shared/data/mnist/train-images-idx3-ubyte.gz"
  gunzip -c "$shared/data/mnist/train-labels-idx1-ubyte.gz" | head -c $((8 + images)) | gzip -9 >"$out/shared/data/mnist/train-labels-idx1-ubyte.gz"
else
  echo "bundle.sh: no golden values of LeNet and images of MNIST at $shared (set GOCAFFE_SHARED): the tests that need them will be skipped" >&2
fi
# PyTorch's side of the comparison, where there is one
if [ -f "$shared/bench/torch_nets.py" ]; then cp "$shared/bench/torch_nets.py" "$out/shared/"; fi
cp cuda/bundle/gpu-test.sh cuda/bundle/gpu-bench.sh "$out/"
# The tests have most of their code in common: a dictionary of some of them at a time
# makes a third of what gzip makes.
tar -C "$(dirname "$out")" -c "$(basename "$out")" | xz -T2 --lzma2=preset=1,dict=64MiB >"$out.tar.xz"
echo "$out.tar.xz: $(($(wc -c <"$out.tar.xz") / 1000000)) MB; unpack it on a machine with a GPU, run gpu-test.sh and gpu-bench.sh"
