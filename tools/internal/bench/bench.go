// Package bench runs gocaffe bench and reads what it prints, also that of
// programs of old commits, which know tables only.
package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A Program is a gocaffe that can be timed.
type Program struct {
	path string
	json bool // it has --format json
}

// Open returns the program of a file.
func Open(path string) (*Program, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	help, err := exec.Command(path, "bench", "--help").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s bench --help: %w\n%s", path, err, help)
	}
	return &Program{path: path, json: bytes.Contains(help, []byte("--format"))}, nil
}

// Options are what to time.
type Options struct {
	Net        string // of the zoo, or a .prototxt file, which needs Shape and Batch
	Shape      string // of an image: "3,224,224"
	Batch      int    // 0: that of the net
	Threads    int    // 0: all
	Iterations int
	Layers     bool // if the program can
}

// A Result is a run of one net.
type Result struct {
	Net          string
	Batch        int
	Threads      int
	Milliseconds float64 // of an iteration, median
	Layers       []Layer
	MiB          float64 // largest resident memory of the process

	// Not from tables:
	Date, CPU, Kernels string
	L2, L3             int     // bytes of the second and the third cache; 0 if unknown
	GFlops, PeakGFlops float64 // per second, of the net and at most
}

// A Layer is one pass of a layer.
type Layer struct {
	Layer, Pass  string
	Milliseconds float64 `json:"ms"`
}

// ErrNoNet is the error of a program that does not know the net.
var ErrNoNet = errors.New("the program has no such net")

// Run times one net.
func (p *Program) Run(o Options) (*Result, error) {
	args := []string{"bench", o.Net, "--batch", strconv.Itoa(o.Batch), "--threads", strconv.Itoa(o.Threads),
		"--iterations", strconv.Itoa(o.Iterations)}
	if o.Shape != "" {
		args = append(args, "--input-shape", o.Shape)
	}
	if p.json {
		args = append(args, "--format", "json")
		if o.Layers {
			args = append(args, "--layers")
		}
	}
	cmd := exec.Command(p.path, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	mib, err := RunMiB(cmd)
	if err != nil {
		if strings.Contains(stderr.String(), "no net ") {
			err = ErrNoNet
		}
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, stderr.Bytes())
	}
	parse := parseTable
	if p.json {
		parse = parseJSON
	}
	r, err := parse(stdout.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	r.MiB = mib
	return r, nil
}

func parseJSON(out []byte) (*Result, error) {
	var report struct {
		Date, CPU, Kernels string
		L2                 int `json:"l2_bytes"`
		L3                 int `json:"l3_bytes"`
		Threads            int
		Nets               []struct {
			Net          string
			Batch        int
			Milliseconds float64 `json:"ms"`
			GFlops       float64 `json:"gflops"`
			PeakGFlops   float64 `json:"peak_gflops"`
			Layers       []Layer
		}
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return nil, err
	}
	if len(report.Nets) != 1 {
		return nil, fmt.Errorf("the report has %d nets, want 1", len(report.Nets))
	}
	n := report.Nets[0]
	return &Result{Net: n.Net, Batch: n.Batch, Threads: report.Threads, Milliseconds: n.Milliseconds, Layers: n.Layers,
		Date: report.Date, CPU: report.CPU, L2: report.L2, L3: report.L3, Kernels: report.Kernels, GFlops: n.GFlops, PeakGFlops: n.PeakGFlops}, nil
}

// parseTable reads the first line, "2 threads, kernels for avx512", and the
// last, which begins with net, batch and milliseconds.
func parseTable(out []byte) (*Result, error) {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	r := new(Result)
	if _, err := fmt.Sscanf(lines[0], "%d threads", &r.Threads); err != nil {
		return nil, fmt.Errorf("no number of threads in %q: %w", lines[0], err)
	}
	last := lines[len(lines)-1]
	if _, err := fmt.Sscan(last, &r.Net, &r.Batch, &r.Milliseconds); err != nil {
		return nil, fmt.Errorf("no net, batch and time in %q: %w", last, err)
	}
	return r, nil
}
