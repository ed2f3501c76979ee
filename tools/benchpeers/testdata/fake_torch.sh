# Stands for torch_nets.py: NET THREADS --batch N --iters N [--channels-last]
ms=400.0
case "$*" in *--channels-last*) ms=350.5 ;; esac
[ "$1" = --help ] || echo "$1 torch 0 batch $4 threads $2: median $ms ms (min 1.0 max 9.0, n=$6) 5.0 images/s, peak 321 MiB"
