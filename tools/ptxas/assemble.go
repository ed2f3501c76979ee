package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// targets are the GPUs that kernels are assembled for, by compute capability:
// Volta, Turing, Ampere of data centres and of desks, Hopper.
var targets = []int{70, 75, 80, 86, 90}

// A kernel is what the assembler reports about a kernel on a target.
type kernel struct {
	file, name string
	target     int
	registers  int
	shared     int  // bytes
	spilled    int  // bytes of registers that did not fit
	bounded    bool // the kernel has launch bounds
}

// kernelFiles lists the files of PTX in the repository: compressed, plain, and
// templates.
func kernelFiles(ctx context.Context, root string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "git", "ls-files", "-co", "--exclude-standard", "*.ptx", "*.ptx.gz", "*.ptx.tmpl")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	files := strings.Fields(string(out))
	if len(files) == 0 {
		return nil, fmt.Errorf("no file of PTX in %s", root)
	}
	return files, nil
}

// readPTX returns the text of a file.
func readPTX(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(file, ".gz") {
		r, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if text, err = io.ReadAll(r); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	if strings.HasSuffix(file, ".tmpl") {
		text = bytes.ReplaceAll(text, []byte(`[[ "[" ]]`), []byte("["))
		text = bytes.ReplaceAll(text, []byte("[[.Package]]"), []byte("pkgname"))
	}
	return text, nil
}

// assemble assembles files below root, each for the targets that it is for.
func assemble(ctx context.Context, program, root string, files []string) ([]kernel, error) {
	var (
		mu      sync.Mutex
		kernels []kernel
		errs    []error
		wg      sync.WaitGroup
	)
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, file := range files {
		text, err := readPTX(filepath.Join(root, file))
		if err != nil {
			return nil, err
		}
		oldest, err := targetOf(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, target := range targets {
			if target < oldest {
				continue
			}
			wg.Go(func() {
				turns <- struct{}{}
				defer func() { <-turns }()
				found, err := assembleFor(ctx, program, file, text, target)
				mu.Lock()
				defer mu.Unlock()
				kernels = append(kernels, found...)
				if err != nil {
					errs = append(errs, err)
				}
			})
		}
	}
	wg.Wait()
	slices.SortFunc(kernels, func(a, b kernel) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.name, b.name), cmp.Compare(a.target, b.target))
	})
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return kernels, errors.Join(errs...)
}

var targetPattern = regexp.MustCompile(`(?m)^\.target sm_(\d+)`)

// targetOf returns the oldest target that PTX is for.
func targetOf(text []byte) (int, error) {
	m := targetPattern.FindSubmatch(text)
	if m == nil {
		return 0, errors.New("this is no PTX: there is no .target")
	}
	return strconv.Atoi(string(m[1]))
}

// assembleFor assembles PTX for a target.
func assembleFor(ctx context.Context, program, file string, text []byte, target int) ([]kernel, error) {
	dir, err := os.MkdirTemp("", "ptxas")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	in := filepath.Join(dir, "kernels.ptx")
	if err := os.WriteFile(in, text, 0o600); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, "-v", "-arch=sm_"+strconv.Itoa(target), "-o", filepath.Join(dir, "kernels.cubin"), in)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s, sm_%d: ptxas: %w\n%s", file, target, err, strings.TrimSpace(out.String()))
	}
	kernels, err := parse(out.String())
	if err != nil {
		return nil, fmt.Errorf("%s, sm_%d: %w", file, target, err)
	}
	for i := range kernels {
		k := &kernels[i]
		k.file, k.target = file, target
		k.bounded = bounded(text, k.name) && !strings.Contains(file, "cudatest") // those of tests are of no interest
	}
	if entries := bytes.Count(text, []byte(".entry ")); len(kernels) != entries {
		return nil, fmt.Errorf("%s, sm_%d: ptxas reports %d kernels, the file has %d", file, target, len(kernels), entries)
	}
	return kernels, nil
}

// bounded reports whether an entry of PTX has launch bounds.
func bounded(text []byte, name string) bool {
	_, entry, _ := bytes.Cut(text, []byte(".entry "+name+"("))
	head, _, _ := bytes.Cut(entry, []byte("{"))
	return bytes.Contains(head, []byte(".maxntid"))
}

var (
	compilingPattern = regexp.MustCompile(`Compiling entry function '(\w+)'`)
	spillPattern     = regexp.MustCompile(`(\d+) bytes spill stores, (\d+) bytes spill loads`)
	usedPattern      = regexp.MustCompile(`Used (\d+) registers(?:.* (\d+) bytes smem)?`)
)

// parse reads what ptxas -v writes.
func parse(output string) ([]kernel, error) {
	var kernels []kernel
	for line := range strings.Lines(output) {
		if m := compilingPattern.FindStringSubmatch(line); m != nil {
			kernels = append(kernels, kernel{name: m[1]})
			continue
		}
		spill, used := spillPattern.FindStringSubmatch(line), usedPattern.FindStringSubmatch(line)
		if spill == nil && used == nil {
			continue
		}
		if len(kernels) == 0 {
			return nil, fmt.Errorf("ptxas reports no kernel before: %s", line)
		}
		k := &kernels[len(kernels)-1]
		if spill != nil {
			k.spilled += number(spill[1]) + number(spill[2])
		} else {
			k.registers, k.shared = number(used[1]), number(used[2])
		}
	}
	for _, k := range kernels {
		if k.registers == 0 {
			return nil, fmt.Errorf("ptxas tells no registers of kernel %s", k.name)
		}
	}
	return kernels, nil
}

// number reads digits; there may be none.
func number(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}

var versionPattern = regexp.MustCompile(`release (\d+\.\d+)`)

// versionOf returns the version of the assembler: "11.8".
func versionOf(ctx context.Context, program string) (string, error) {
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", program, err)
	}
	m := versionPattern.FindSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("%s --version does not tell its release: %s", program, bytes.TrimSpace(out))
	}
	return string(m[1]), nil
}
