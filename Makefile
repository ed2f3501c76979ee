# gocaffe needs Go alone. `make` lists the targets.

GO     ?= go
BIN    := bin/gocaffe
export CGO_ENABLED ?= 0

# packages that run goroutines of their own; the race detector needs a C compiler
RACE   := ./data/... ./parallel ./kernel ./internal/kernel/... ./layers/datalayer ./layers/feed ./layers/python ./net ./solver
FUZZ   := 60s

.PHONY: help build demo test race noasm avx2 arm64 cross tools gorgonia fake-cuda gpu-bundle gpu-test gpu-bench lint api golden generate ptx ptxas check-generated fuzz soak mutate endure bench bench-busy bench-history bench-compare bench-peers results release clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

build: ## make bin/gocaffe
	$(GO) build -trimpath -o $(BIN) ./cmd/gocaffe

demo: build ## train a small net on drawn digits, about a minute
	$(BIN) demo

test: lint ## everything: unit, golden and command-line tests, other builds, the race detector
	$(GO) test -timeout 30m ./...
	$(MAKE) noasm avx2 arm64 cross tools race

race: ## the concurrent packages under the race detector
	@if command -v $${CC:-cc} >/dev/null 2>&1; then \
		CGO_ENABLED=1 $(GO) test -timeout 30m -race -short $(RACE); \
	else \
		echo "SKIPPED: the race detector needs a C compiler, none was found"; [ -z "$$CI" ]; \
	fi

noasm: ## the tests of the kernels and layers without assembly
	$(GO) test -timeout 30m -short -tags noasm ./parallel ./kernel ./internal/kernel/... ./layers/...

# -count=1, since the cache of results does not know GODEBUG.
avx2: ## the comparisons with Caffe on a processor without AVX-512
	GODEBUG=cpu.avx512f=off $(GO) test -count=1 -run '^TestGolden' ./solver ./layers/vision ./layers/common ./layers/loss ./plugins/lsoftmax

# The emulator takes long for Go's loops, which run everywhere else. TestLevels trains a net with them too.
arm64: ## the tests of the NEON kernels and a small net on an emulated arm64
	@if command -v qemu-aarch64 >/dev/null 2>&1; then \
		export GOARCH=arm64 CGO_ENABLED=0 GOCAFFE_LEVEL=neon; \
		$(GO) test -timeout 30m -short -exec qemu-aarch64 ./internal/kernel/... && \
		$(GO) test -timeout 30m -tags static -exec qemu-aarch64 -run '^TestLevels$$' ./solver; \
	else \
		echo "SKIPPED: the tests for arm64 need qemu-aarch64 (apt-get install qemu-user)"; [ -z "$$CI" ]; \
	fi

cross: ## vet and build for other systems
	GOARCH=arm64 $(GO) vet ./...
	GOOS=windows $(GO) build -trimpath -o /dev/null ./cmd/gocaffe
	GOOS=darwin GOARCH=arm64 $(GO) build -trimpath -o /dev/null ./cmd/gocaffe
	$(GO) build -tags static -o /dev/null ./cmd/gocaffe

# gorgonia.org/cu wants CUDA's header and libcuda to be built; it gets ours, so a C
# compiler is enough, and the program starts without an NVIDIA driver.
GORGONIA := CGO_ENABLED=1 CGO_CFLAGS="-O2 -I$(CURDIR)/cuda/driver/gorgonia" CGO_LDFLAGS="-L$(CURDIR)/bin/gorgonia" $(GO)

gorgonia: ## make and start bin/gocaffe-gorgonia, whose CUDA driver is called through gorgonia.org/cu
	@mkdir -p bin/gorgonia
	$(CC) -O2 -Wall -fPIC -c -o bin/gorgonia/libcuda.o cuda/driver/gorgonia/libcuda.c
	ar rcs bin/gorgonia/libcuda.a bin/gorgonia/libcuda.o
	$(GORGONIA) vet -tags gorgonia ./cuda/driver
	$(GORGONIA) test -tags gorgonia ./cuda/...
	$(GORGONIA) build -tags gorgonia -trimpath -o bin/gocaffe-gorgonia ./cmd/gocaffe
	bin/gocaffe-gorgonia device_query

fake-cuda: ## build the CUDA driver for tests, which computes on the CPU, and print its file
	@$(GO) run ./cuda/cudatest/fakecuda

BUNDLE := bin/gpu-bundle

gpu-bundle: ## pack program, tests and scripts for a machine with an NVIDIA driver: bin/gpu-bundle.tar.xz
	GO="$(GO)" sh cuda/bundle/bundle.sh $(BUNDLE)

gpu-test: gpu-bundle ## test every layer on this machine's GPU: golden values, the CPU's results, leaks, errors
	sh $(BUNDLE)/gpu-test.sh

gpu-bench: gpu-bundle ## time LiuNet for CIFAR-10 on this machine's GPU, beside PyTorch if it is there
	sh $(BUNDLE)/gpu-bench.sh

tools: ## vet and test the programs in tools
	$(GO) vet -C tools ./...
	$(GO) test -C tools -timeout 30m ./...

# The tools are of the versions in tools/go.mod.
lint: ## gofmt, vet, staticcheck, and known vulnerabilities of what is linked
	@files=$$(gofmt -l $$(find . -name '*.go' -not -path '*/.*')); [ -z "$$files" ] || { echo "gofmt would change:" $$files; exit 1; }
	$(GO) vet ./...
	$$($(GO) tool -C tools -n staticcheck) ./...
	$(GO) tool -C tools staticcheck ./...
	$(GO) run -C tools ./vulncheck ..

api: ## write the exported API of every package to api/, after a change that is meant
	$(GO) test ./internal/lint -run '^TestAPI$$' -update

golden: ## pack the golden values in ../shared, or GOCAFFE_SHARED, into the repository
	$(GO) run ./internal/reference/pack "$(or $(GOCAFFE_SHARED),../shared)"

generate: ptx ## make all generated files again
	$(GO) generate ./...

check-generated: generate ## fail if that changes a file
	git diff --exit-code -- caffepb docs/layers.md prototxt/zoo internal/kernel '*.ptx.gz' '*.ptx.tmpl'

# Kernels need no CUDA SDK. Compiled for the oldest devices that the drivers of
# CUDA 11 and 12 have in common; a file *_sm80.cu is for those with tensor cores
# for TF32. The output is the same on every machine with this version of clang.
# A compressed file whose contents stay the same is left alone, so the version of
# gzip does not matter.
CLANG  ?= clang++-16
PTX    := $(CLANG) -x cuda --cuda-device-only --cuda-feature=+ptx70 -nocudainc -nocudalib -fdeclspec \
	-std=c++17 -O3 -Wall -Icuda/kernel -S

ptx: ## compile every CUDA kernel (.cu) to .ptx.gz beside it
	@if ! command -v $(CLANG) >/dev/null 2>&1; then \
		echo "SKIPPED: the CUDA kernels need $(CLANG) to be compiled (apt-get install clang-16)"; [ -z "$$CI" ]; exit; \
	fi; \
	mkdir -p bin; \
	for f in $$(git ls-files -co --exclude-standard '*.cu'); do \
		arch=sm_70; case $$f in *_sm80.cu) arch=sm_80;; esac; \
		$(PTX) --cuda-gpu-arch=$$arch -o bin/kernels.ptx $$f || exit 1; \
		gzip -dc $${f%.cu}.ptx.gz 2>/dev/null | cmp -s - bin/kernels.ptx || gzip -9nc bin/kernels.ptx >$${f%.cu}.ptx.gz || exit 1; \
	done; \
	rm -f bin/kernels.ptx; \
	for f in cmd/newlayer/*/layer.cu.tmpl; do \
		sed 's/\[\[\.Package\]\]/pkgname/g' $$f | $(PTX) --cuda-gpu-arch=sm_70 -o - - | \
			sed 's/\[pkgname/[[ "[" ]]pkgname/g; s/pkgname/[[.Package]]/g' >$${f%.cu.tmpl}.ptx.tmpl || exit 1; \
	done

ptxas: ## assemble every kernel for each kind of GPU, write docs/gpu.md's table; compare with NVIDIA's libraries
	sh tools/ptxas/fetch.sh bin/nvidia
	$(GO) run -C tools ./ptxas
	GOCAFFE_NVIDIA=$(CURDIR)/bin/nvidia $(GO) test -count=1 -v -run '^TestSymbols' ./cuda/driver ./cuda/lib

fuzz: ## each fuzz target for FUZZ (60s)
	@for pkg in $$(git grep -l '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -ho '^func Fuzz[A-Za-z0-9]*' $$pkg/*_test.go | cut -c6-); do \
			echo "== $$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ) -fuzzminimizetime 1x ./$$pkg || exit 1; \
		done; \
	done

# The reliability campaign: docs/reliability.md. What SEED draws fails again with the same SEED.
SEED       ?= 1
CAMPAIGN   := $(GO) test ./internal/campaign -count 1 -timeout 0 -v

soak: ## kill train, convert, deploy and others with SIGKILL, ROUNDS (1000) times each; then check what is left
	$(CAMPAIGN) -run '^TestKill$$' -args -seed $(SEED) -rounds $(or $(ROUNDS),1000)

mutate: ## run the program on COUNT (10000) damaged files and command lines of all kinds; ONLY=KIND/NUMBER shows one
	$(CAMPAIGN) -run '^TestMutants$$' -args -seed $(SEED) -mutants $(or $(COUNT),10000) -only '$(ONLY)'

endure: ## train a tiny net for LENGTH iterations (200000, a day's): memory and files stay flat; SEQUENCES (1000) of pieces that agree
	$(CAMPAIGN) -run '^Test(Metamorphic|Endurance)$$' -args -seed $(SEED) -sequences $(or $(SEQUENCES),1000) -iterations $(or $(LENGTH),200000)

# What is timed: NETS="lenet alexnet" (all), BATCH=16 (that of the net), ITERATIONS, THREADS (all),
# FORMAT (table, json, go, history; bench-peers: table, markdown), ROUNDS of programs in turns.
NETS       ?=
BATCH      ?= 0
ITERATIONS ?= 5
THREADS    ?= 0
FORMAT     ?= table
ROUNDS     ?=
TIMED      := --batch $(BATCH) --iterations $(ITERATIONS) --threads $(THREADS)

bench: build ## every net of the zoo and its layers: times, GFLOP/s, GB/s, shares of the machine's peaks
	$(BIN) bench --layers $(TIMED) --format $(FORMAT) $(NETS)

bench-history: ## rows for the table in docs/performance.md
	$(GO) build -trimpath -buildvcs=true -o $(BIN) ./cmd/gocaffe
	$(BIN) bench $(TIMED) --format history $(NETS)

bench-compare: build ## OLD=<program or git commit>: times it and this version in turns, prints benchstat's ratios
	@[ -n "$(OLD)" ] || { echo "say what to compare with: make bench-compare OLD=<program or git commit>"; exit 1; }
	$(GO) run -C tools ./benchcompare -old '$(if $(wildcard $(OLD)),$(abspath $(OLD)),$(OLD))' -new $(abspath $(BIN)) \
		-dir $(abspath bin/compare) -nets "$(or $(NETS),lenet cifar10-quick liunet-mnist alexnet)" $(TIMED) -rounds $(or $(ROUNDS),6) $(if $(LAYERS),-layers)

bench-peers: build ## PyTorch or OpenCV, and gocaffe in turns: ratios, aims, memory; FORMAT=markdown for docs/performance.md; PYTHON=<program>
	$(GO) run -C tools ./benchpeers -gocaffe $(abspath $(BIN)) -own $(abspath bench/torch_nets.py) \
		-script "$(abspath $(or $(GOCAFFE_SHARED),../shared))/bench/torch_nets.py" \
		-nets "$(NETS)" -iterations $(ITERATIONS) -rounds $(or $(ROUNDS),3) -format $(FORMAT) $(if $(PYTHON),-python "$(PYTHON)")

bench-busy: build ## two processes at once on the same cores, compared with one; OLD=<program>: in turns with it
	$(GO) run -C tools ./benchbusy -nets "$(or $(NETS),lenet liunet-digits)" -iterations $(or $(PASSES),100) -rounds $(or $(ROUNDS),3) \
		-threads $(or $(filter-out 0,$(THREADS)),$$(nproc)) $(if $(OLD),$(abspath $(OLD))) $(abspath $(BIN))

# The same commit and Go give the same bytes. VERSION (git's) is the version to release.
release: ## write dist/: programs for all systems, Debian packages, checksums
	rm -rf dist
	$(GO) run -C tools ./release $(if $(VERSION),-version $(VERSION)) -out "$(CURDIR)/dist" "$(CURDIR)"

PREFIX ?= /usr/local

install-compat: build ## install gocaffe and links by the names of Caffe's tools in $(DESTDIR)$(PREFIX)/bin
	install -d '$(DESTDIR)$(PREFIX)/bin'
	install -m 755 $(BIN) '$(DESTDIR)$(PREFIX)/bin/gocaffe'
	'$(DESTDIR)$(PREFIX)/bin/gocaffe' install-compat '$(DESTDIR)$(PREFIX)/bin'

clean: ## remove what build and release make
	rm -rf bin dist

MNIST   ?= ../shared/data/mnist
CIFAR10 ?= ../shared/data/cifar10

# What is in bin/results or docs/results-SCALE.json already is not done again; after an interruption the same command
# goes on.
results: build ## docs/results.md: the paper's experiments; SCALE=, TABLES=, GPU=, and folders of data MNIST=, CIFAR10=, CIFAR100=, IMAGENET32=
	$(GO) run -C tools ./results -gocaffe $(abspath $(BIN)) -out $(abspath bin/results) -page $(abspath docs/results.md) \
		-kept "$(abspath docs)/results-{scale}.json" -scale $(or $(SCALE),quarter) -tables "$(or $(TABLES),mnist cifar10)" -gpu "$(GPU)" \
		-mnist "$(abspath $(MNIST))" -cifar10 "$(abspath $(CIFAR10))" -cifar100 "$(abspath $(CIFAR100))" -imagenet32 "$(abspath $(IMAGENET32))"
