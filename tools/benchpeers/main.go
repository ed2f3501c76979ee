// Benchpeers times gocaffe and its peers in turns, on the same cores, and prints the
// ratios of the times beside those that are aimed at: training steps (forward, backward,
// update) beside PyTorch, with the same nets, batches and threads; then the forward pass of
// one image beside OpenCV's reader of Caffe nets, with the same files.
//
//	benchpeers -gocaffe BIN -script torch_nets.py -own torch_nets.py [-python PYTHON] [-nets "NET..."]
//	    [-rounds N] [-iterations N] [-format table|markdown]
//
// PyTorch runs with both of its memory layouts, of which the faster one counts. Without a
// script, PyTorch or OpenCV it says what is missing and succeeds. A table is of one
// processor; docs/performance.md keeps one of each kind.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/tools/internal/bench"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "benchpeers:", err)
		os.Exit(1)
	}
}

// runner holds what the flags say.
type runner struct {
	gocaffe             *bench.Program
	program             string // its file
	python, script, own string
	rounds, iterations  int
	dir                 string // for files
	log                 io.Writer
	report              *report
}

func run(args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("benchpeers", flag.ContinueOnError)
	f.SetOutput(stderr)
	r := &runner{log: stderr, report: new(report)}
	program := f.String("gocaffe", "", "the program")
	f.StringVar(&r.script, "script", "", "PyTorch's versions of the zoo's nets, torch_nets.py")
	f.StringVar(&r.own, "own", "", "PyTorch's versions of the other nets, bench/torch_nets.py of this repository")
	f.StringVar(&r.python, "python", "/usr/bin/python3", "what runs the scripts")
	nets := f.String("nets", "", "nets to time, with spaces between; empty: all")
	f.IntVar(&r.rounds, "rounds", 3, "how often each program runs")
	f.IntVar(&r.iterations, "iterations", 5, "training steps of a run; it has four times as many images")
	format := f.String("format", "table", "table or markdown")
	if err := f.Parse(args); err != nil {
		return err
	}
	if r.rounds < 1 || r.iterations < 1 {
		return fmt.Errorf("-rounds is %d and -iterations %d, want positive numbers", r.rounds, r.iterations)
	}
	write, ok := writers[*format]
	if !ok {
		return fmt.Errorf("-format is %q, want table or markdown", *format)
	}
	training, images, err := choose(strings.Fields(*nets))
	if err != nil {
		return err
	}
	if r.program, err = filepath.Abs(*program); err != nil {
		return err
	}
	if r.gocaffe, err = bench.Open(r.program); err != nil {
		return err
	}
	if r.dir, err = os.MkdirTemp("", "benchpeers"); err != nil {
		return err
	}
	defer os.RemoveAll(r.dir)
	err = r.machine()
	if err == nil {
		err = r.trainAll(training)
	}
	if err == nil {
		err = r.showAll(images)
	}
	return errors.Join(err, write(stdout, r.report)) // also what was measured before an error
}

// choose returns the comparisons of some nets, or all.
func choose(nets []string) ([]training, []image, error) {
	if len(nets) == 0 {
		return trainings, images, nil
	}
	for _, net := range nets {
		if !slices.ContainsFunc(trainings, func(t training) bool { return t.net == net }) &&
			!slices.ContainsFunc(images, func(i image) bool { return i.net == net }) {
			return nil, nil, fmt.Errorf("there is no aim for net %q", net)
		}
	}
	return slices.DeleteFunc(slices.Clone(trainings), func(t training) bool { return !slices.Contains(nets, t.net) }),
		slices.DeleteFunc(slices.Clone(images), func(i image) bool { return !slices.Contains(nets, i.net) }), nil
}

// machine notes the processor and its peak.
func (r *runner) machine() error {
	result, err := r.gocaffe.Run(bench.Options{Net: "lenet", Threads: mostThreads, Iterations: 1})
	if err != nil {
		return err
	}
	r.report.cpu, r.report.kernels, r.report.peak = result.CPU, result.Kernels, result.PeakGFlops
	return nil
}

// mostThreads is how many threads the comparisons use.
const mostThreads = 2

// times are the runs of one program.
type times struct {
	ms       []float64
	mb       float64   // the largest memory
	percents []float64 // of the machine's peak in the same run, where it is known
}

func (t *times) add(ms, mib float64) {
	t.ms = append(t.ms, ms)
	t.mb = max(t.mb, mib*(1<<20)/1e6)
}

// milliseconds returns the median time.
func (t *times) milliseconds() float64 { return median(t.ms) }

// percent returns the median share of the machine's peak, or 0 if it is not known.
func (t *times) percent() float64 { return median(t.percents) }

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

// peer runs a peer's script, adds what it measures to t, and notes its version.
func (r *runner) peer(name string, t *times, args ...string) error {
	out, err := exec.Command(r.python, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", r.python, strings.Join(args, " "), err, out)
	}
	ms, mib, err := parsePeer(string(out))
	if err != nil {
		return err
	}
	if _, rest, ok := strings.Cut(string(out), strings.TrimPrefix(strings.ToLower(name), "py")+" "); ok {
		version, _, _ := strings.Cut(rest, " ")
		r.report.addPeer(name + " " + strings.TrimSuffix(version, ":"))
	}
	fmt.Fprintf(r.log, " %s %.1f ms", name, ms)
	t.add(ms, mib)
	return nil
}

// parsePeer reads "...: median 39.0 ms (...) ..., peak 300 MiB".
func parsePeer(line string) (ms, mib float64, err error) {
	_, rest, _ := strings.Cut(line, ": median ")
	_, memory, _ := strings.Cut(line, ", peak ")
	if _, err := fmt.Sscanf(rest, "%f ms", &ms); err != nil {
		return 0, 0, fmt.Errorf("the peer prints %q, want a median in ms", line)
	}
	if _, err := fmt.Sscanf(memory, "%f MiB", &mib); err != nil {
		return 0, 0, fmt.Errorf("the peer prints %q, want its peak in MiB", line)
	}
	return ms, mib, nil
}
