// Benchpeers times gocaffe and its peers in turns, on the same cores, and prints the
// ratios of the times beside those that are aimed at: training steps (forward, backward,
// update) beside PyTorch, with the same nets, batches and threads; then the forward pass of
// one image beside OpenCV's reader of Caffe nets, with the same files.
//
//	benchpeers -gocaffe BIN -script torch_nets.py -own torch_nets.py [-python PYTHON] [-nets "NET..."]
//	    [-rounds N] [-iterations N] [-format table|markdown]
//
// PyTorch runs with both of its memory layouts, of which the faster one counts. Without a
// script, PyTorch or OpenCV it says what is missing and succeeds. The steps
// or passes of a run take at least a second. A table is of one processor;
// docs/performance.md keeps one of each kind.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
	f.IntVar(&r.iterations, "iterations", 5, "training steps of a run, or more if they take less than a second; of images, four times as many")
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
			return nil, nil, fmt.Errorf("there is no aim for net %q; there are some for %s", net, strings.Join(names(), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(trainings), func(t training) bool { return !slices.Contains(nets, t.net) }),
		slices.DeleteFunc(slices.Clone(images), func(i image) bool { return !slices.Contains(nets, i.net) }), nil
}

// names returns the nets that there are aims for.
func names() []string {
	var all []string
	for _, t := range trainings {
		all = append(all, t.net)
	}
	for _, i := range images {
		all = append(all, i.net)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// machine notes the processor and its peaks.
func (r *runner) machine() error {
	for t := range mostThreads {
		result, err := r.bench(bench.Options{Net: "lenet", Threads: t + 1, Iterations: 1})
		if err != nil {
			return err
		}
		r.report.bench = result
	}
	return nil
}

// bench runs gocaffe bench and notes the peak that it measures, if it is the highest yet.
func (r *runner) bench(o bench.Options) (*bench.Result, error) {
	result, err := r.gocaffe.Run(o)
	if err == nil {
		peak := &r.report.peaks[o.Threads-1]
		*peak = max(*peak, result.PeakGFlops)
	}
	return result, err
}

// mostThreads is how many threads the comparisons use.
const mostThreads = 2

// leastRun is how many milliseconds the passes of a run take together, at least. Shared
// machines have slower moments of some tenths of a second, which may be all that a shorter
// run sees, and programs are slower in the first tenths.
const leastRun = 1000

// A sample is what a run of a program measures.
type sample struct {
	ms, mib float64 // the median time of a pass, and the largest memory
}

// times are the runs of one program.
type times struct {
	passes int // of the last run
	ms     []float64
	mb     float64 // the largest memory
	gflop  float64 // of a pass, computed directly; 0 if not known
}

// measure adds a run of a program to t. It has at least least passes, and as many as take
// leastRun: a run with too few tells how many those are, and does not count.
func (r *runner) measure(t *times, name string, least int, run func(passes int) (sample, error)) error {
	t.passes = max(t.passes, least)
	for {
		s, err := run(t.passes)
		if err != nil {
			return err
		}
		if !(s.ms > 0) {
			return fmt.Errorf("%s measures %g ms", name, s.ms)
		}
		if s.ms*float64(t.passes) < leastRun {
			t.passes = int(math.Ceil(1.25 * leastRun / s.ms)) // more, for the next runs may be faster
			continue
		}
		fmt.Fprintf(r.log, " %s %.1f ms", name, s.ms)
		t.ms = append(t.ms, s.ms)
		t.mb = max(t.mb, s.mib*(1<<20)/1e6)
		return nil
	}
}

// milliseconds returns the median time.
func (t *times) milliseconds() float64 { return median(t.ms) }

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

// peer adds a run of a peer's script, which has an option --iters, to t, and notes the
// peer's version.
func (r *runner) peer(t *times, name string, least int, args ...string) error {
	return r.measure(t, name, least, func(passes int) (sample, error) {
		out, err := output(r.python, append(args, "--iters", strconv.Itoa(passes))...)
		if err != nil {
			return sample{}, err
		}
		if _, rest, ok := strings.Cut(out, strings.TrimPrefix(strings.ToLower(name), "py")+" "); ok {
			version, _, _ := strings.Cut(rest, " ")
			r.report.addPeer(name + " " + strings.TrimSuffix(version, ":"))
		}
		return parsePeer(out)
	})
}

// parsePeer reads "...: median 39.0 ms (...) ..., peak 300 MiB".
func parsePeer(line string) (s sample, err error) {
	_, rest, _ := strings.Cut(line, ": median ")
	_, memory, _ := strings.Cut(line, ", peak ")
	if _, err := fmt.Sscanf(rest, "%f ms", &s.ms); err != nil {
		return s, fmt.Errorf("the peer prints %q, want a median in ms", line)
	}
	if _, err := fmt.Sscanf(memory, "%f MiB", &s.mib); err != nil {
		return s, fmt.Errorf("the peer prints %q, want its peak in MiB", line)
	}
	return s, nil
}
