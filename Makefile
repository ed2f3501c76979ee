# gocaffe needs Go alone. `make` lists the targets.

GO     ?= go
BIN    := bin/gocaffe
export CGO_ENABLED ?= 0

# packages that run goroutines of their own; the race detector needs a C compiler
RACE   := ./data/... ./internal/kernel ./layers/datalayer ./net ./solver
FUZZ   := 60s

.PHONY: help build demo test race noasm cross lint generate check-generated fuzz bench results-mnist clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

build: ## make bin/gocaffe
	$(GO) build -trimpath -o $(BIN) ./cmd/gocaffe

demo: build ## train a small net on drawn digits, about a minute
	$(BIN) demo

test: lint ## everything: unit, golden and command-line tests, other builds, the race detector
	$(GO) test ./...
	$(MAKE) noasm cross race

race: ## the concurrent packages under the race detector
	@if command -v $${CC:-cc} >/dev/null 2>&1; then \
		CGO_ENABLED=1 $(GO) test -race -short $(RACE); \
	else \
		echo "SKIPPED: the race detector needs a C compiler, none was found"; [ -z "$$CI" ]; \
	fi

noasm: ## the tests of the kernels and layers without assembly
	$(GO) test -short -tags noasm ./internal/kernel ./layers/...

cross: ## vet and build for other systems
	GOARCH=arm64 $(GO) vet ./...
	GOOS=windows $(GO) build -o /dev/null ./cmd/gocaffe
	GOOS=darwin GOARCH=arm64 $(GO) build -o /dev/null ./cmd/gocaffe

lint: ## gofmt and vet
	@files=$$(gofmt -l $$(find . -name '*.go' -not -path '*/.*')); [ -z "$$files" ] || { echo "gofmt would change:" $$files; exit 1; }
	$(GO) vet ./...

generate: ## make all generated files again
	$(GO) generate ./...

check-generated: generate ## fail if that changes a file
	git diff --exit-code -- caffepb docs/layers.md prototxt/zoo internal/kernel

fuzz: ## each fuzz target for FUZZ (60s)
	@for pkg in $$(git grep -l '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -ho '^func Fuzz[A-Za-z0-9]*' $$pkg/*_test.go | cut -c6-); do \
			echo "== $$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ) -fuzzminimizetime 10x ./$$pkg || exit 1; \
		done; \
	done

bench: build ## every net of the zoo: time, images/s, GFLOP/s, share of the machine's peak
	$(BIN) bench

clean: ## remove what build makes
	rm -rf bin

MNIST  ?= ../shared/data/mnist

results-mnist: build ## docs/results.md: every loss of the paper on MNIST, three seeds each: half an hour
	$(GO) run -C tools ./results -gocaffe ../$(BIN) -data $(abspath $(MNIST)) >bin/results.md
	mv bin/results.md docs/results.md
