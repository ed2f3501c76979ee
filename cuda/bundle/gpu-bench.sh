#!/bin/sh
# gpu-bench.sh: times training of LiuNet for CIFAR-10 on GPU 0, or the one that
# GOCAFFE_DEVICE names, on random data: images a second, what 20,000 iterations would
# take, the share of the GPU's float32 peak, what EM-Softmax costs, and PyTorch on the
# same net where python3 has it. It runs from the folder that make gpu-bundle has
# packed. NET, SHAPE, BATCH, MODES, ITERATIONS and ROUNDS change what is timed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
gocaffe="$here/gocaffe"
gpu=${GOCAFFE_DEVICE:-0}
net=${NET:-liunet-cifar10} shape=${SHAPE:-3,32,32} batch=${BATCH:-256}
iterations=${ITERATIONS:-100} rounds=${ROUNDS:-3}
torch="$here/shared/torch_nets.py"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! "$gocaffe" device_query --gpu "$gpu" >"$work/query" 2>&1; then
  sed 's/^/  /' "$work/query" >&2
  echo "gpu-bench.sh: GPU $gpu cannot be used: it takes an NVIDIA driver (nvidia-smi shows it) and a GPU of compute capability 7.0 or newer; GOCAFFE_DEVICE chooses another" >&2
  exit 1
fi
grep '^GPU\|cuBLAS\|cuDNN' "$work/query"

# The net with EM-Softmax: the edit of docs/em-softmax.md.
"$gocaffe" zoo write "$net" "$work" >/dev/null
stem=$(echo "$net" | tr - _)
soft="$work/${stem}_train_test.prototxt" em="$work/${stem}_em.prototxt"
sed -e '/^layer { name: "\(accuracy\|loss\)" /d' \
  -e 's/name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"/name: "em" type: "EMSoftmaxLoss" bottom: "ip1" bottom: "label" top: "loss" top: "score"/' \
  -e 's/inner_product_param { num_output: \([0-9]*\) bias_term: false weight_filler { type: "xavier" } }/em_softmax_param { num_output: \1 m: 1 lambda: 0.1 V: 2 }/' \
  "$soft" >"$em"
if ! grep -q em_softmax_param "$em"; then
  echo "gpu-bench.sh: $net does not end as LiuNet does, in a layer ip2 without bias and a loss" >&2
  exit 1
fi

modes=${MODES:-fp32 tf32 bf16}
have_torch=
if [ -f "$torch" ] && python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then have_torch=1; fi

median() { sort -n "$1" | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'; }

# time_net FILE MODE RESULT: appends the milliseconds of an iteration, and writes the GFLOP/s and % of peak
time_net() {
  "$gocaffe" bench "$1" --gpu "$gpu" --math "$2" --input-shape "$shape" --batch "$batch" --iterations "$iterations" --format go >"$work/go" || return 1
  awk '/^BenchmarkTrain/ { print $3 / 1e6 }' "$work/go" >>"$3"
  awk '/^BenchmarkTrain/ { print $7, $9 }' "$work/go" >"$3.rate"
}

echo "$net, batch $batch: medians of $rounds rounds of medians of $iterations iterations, in turns"
failed=0
for mode in $modes; do
  soft_ms="$work/$mode.soft" em_ms="$work/$mode.em" torch_ms="$work/$mode.torch"
  : >"$torch_ms"
  round=0
  while [ $round -lt "$rounds" ]; do
    if ! time_net "$soft" "$mode" "$soft_ms" || ! time_net "$em" "$mode" "$em_ms"; then
      echo "$mode: was not timed"
      failed=1
      continue 2
    fi
    if [ -n "$have_torch" ]; then
      CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES:-$gpu} python3 "$torch" "$net" 4 --batch "$batch" --iters "$iterations" --device cuda --math "$mode" |
        tee -a "$work/torch.txt" | sed -n 's/.*median \([0-9.]*\) ms.*/\1/p' >>"$torch_ms"
    fi
    round=$((round + 1))
  done
  awk -v mode="$mode" -v ms="$(median "$soft_ms")" -v em="$(median "$em_ms")" -v torch="$(median "$torch_ms")" \
    -v batch="$batch" -v rate="$(cat "$soft_ms.rate")" 'BEGIN {
      split(rate, r, " ")
      printf "%s: %.2f ms an iteration, %.0f images/s, 20,000 iterations: %.1f minutes, %.0f GFLOP/s, %s %% of the float32 peak\n",
        mode, ms, 1000 * batch / ms, 20000 * ms / 60000, r[1], r[2]
      printf "%s: EM-Softmax %.2f ms: %+.1f %%\n", mode, em, 100 * (em / ms - 1)
      if (torch != "") printf "%s: PyTorch %.1f ms; gocaffe takes %.2f of its time\n", mode, torch, ms / torch
    }'
done
if [ -z "$have_torch" ]; then
  echo "PyTorch was not timed: python3 has no torch that sees a GPU, or the bundle was packed without shared/torch_nets.py"
fi
exit $failed
