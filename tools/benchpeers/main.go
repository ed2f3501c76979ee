// Benchpeers times training steps (forward, backward, update) of gocaffe and
// of PyTorch in turns, with the same nets, batches and threads, and prints the
// ratios beside the ones that are aimed at. Then it times MobileNet-SSD on one image, in
// turns with OpenCV (net mobilenet-ssd).
//
//	benchpeers -gocaffe BIN -script torch_nets.py [-python PYTHON] [-nets "NET..."] [-rounds N] [-iterations N]
//
// PyTorch runs with both of its memory layouts, of which the faster one
// counts. Without the script, PyTorch or OpenCV it says what is missing and succeeds.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/gocaffe/gocaffe/tools/internal/bench"
)

// A match is one line of the table.
type match struct {
	net            string
	batch, threads int
	target         float64 // the time of gocaffe in that of PyTorch, at most
}

var matches = []match{
	{"liunet-cifar10", 128, 2, 0.4},
	{"liunet-mnist", 128, 2, 0.4},
	{"lenet", 64, 1, 0.5},
	{"lenet", 64, 2, 0.5},
	{"cifar10-quick", 100, 1, 0.5},
	{"cifar10-quick", 100, 2, 0.5},
	{"alexnet", 16, 1, 0.6},
	{"alexnet", 16, 2, 0.6},
}

// The net whose speed on one and two threads is compared, how many times as
// fast two should be, and how much memory it may take.
const (
	scalingNet    = "liunet-cifar10"
	scalingTarget = 1.9
	memoryTarget  = 930 // MiB
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "benchpeers:", err)
		os.Exit(1)
	}
}

// runner holds what the flags say.
type runner struct {
	gocaffe            *bench.Program
	program            string // its file
	python, script     string
	rounds, iterations int
	log                io.Writer
}

func run(args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("benchpeers", flag.ContinueOnError)
	f.SetOutput(stderr)
	r := &runner{log: stderr}
	program := f.String("gocaffe", "", "the program")
	f.StringVar(&r.script, "script", "", "the peer's nets, torch_nets.py")
	f.StringVar(&r.python, "python", "/usr/bin/python3", "what runs the script")
	nets := f.String("nets", "", "nets to time, with spaces between; empty: all that have a target")
	f.IntVar(&r.rounds, "rounds", 3, "how often each program runs")
	f.IntVar(&r.iterations, "iterations", 5, "training steps of a run")
	if err := f.Parse(args); err != nil {
		return err
	}
	names := strings.Fields(*nets)
	chosen, err := choose(slices.DeleteFunc(slices.Clone(names), func(net string) bool { return net == inferenceNet }))
	if err != nil {
		return err
	}
	if *program != "" {
		if r.program, err = filepath.Abs(*program); err != nil {
			return err
		}
	}
	if !slices.Equal(names, []string{inferenceNet}) {
		if err := r.training(names, chosen, stdout); err != nil {
			return err
		}
	}
	if len(names) > 0 && !slices.Contains(names, inferenceNet) {
		return nil
	}
	return r.inference(stdout)
}

// training compares training steps of some nets with those of PyTorch, for all that names
// has or, if it is empty, for all there are.
func (r *runner) training(names []string, chosen []match, stdout io.Writer) (err error) {
	if _, err := os.Stat(r.script); err != nil {
		fmt.Fprintf(stdout, "SKIPPED: the peer's nets are missing: %v; set GOCAFFE_SHARED to the folder that has bench/torch_nets.py\n", err)
		return nil
	}
	if out, err := exec.Command(r.python, r.script, "--help").CombinedOutput(); err != nil {
		fmt.Fprintf(stdout, "SKIPPED: %s cannot run PyTorch, install it (Debian: apt-get install python3-torch): %v\n%s", r.python, err, out)
		return nil
	}
	if r.gocaffe, err = bench.Open(r.program); err != nil {
		return err
	}
	w := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "net\tbatch\tthreads\tPyTorch ms\tlayout\tgocaffe ms\tratio\ttarget\t\tPyTorch MiB\tgocaffe MiB\t")
	for _, m := range chosen {
		peer, layout, ours, err := r.play(m)
		if err != nil {
			return err
		}
		ratio := ours.milliseconds() / peer.milliseconds()
		fmt.Fprintf(w, "%s\t%d\t%d\t%.1f\t%s\t%.1f\t%.3f\t%.2f\t%s\t%.0f\t%.0f\t\n", m.net, m.batch, m.threads,
			peer.milliseconds(), layout, ours.milliseconds(), ratio, m.target, verdict(ratio <= m.target), peer.mib, ours.mib)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(names) > 0 && !slices.Contains(names, scalingNet) {
		return nil
	}
	return r.scaling(stdout)
}

// choose returns the matches of some nets, or all.
func choose(nets []string) ([]match, error) {
	if len(nets) == 0 {
		return matches, nil
	}
	var chosen []match
	for _, net := range nets {
		before := len(chosen)
		for _, m := range matches {
			if m.net == net {
				chosen = append(chosen, m)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("there is no target for net %q", net)
		}
	}
	return chosen, nil
}

// times are the runs of one program.
type times struct {
	ms  []float64
	mib float64 // the largest
}

func (t *times) add(ms, mib float64) {
	t.ms = append(t.ms, ms)
	t.mib = max(t.mib, mib)
}

// milliseconds returns the median.
func (t *times) milliseconds() float64 {
	sorted := slices.Sorted(slices.Values(t.ms))
	return sorted[len(sorted)/2]
}

// play runs one match and returns the times of PyTorch in its better layout
// and of gocaffe.
func (r *runner) play(m match) (peer *times, layout string, ours *times, err error) {
	var rows, last times // PyTorch's layouts
	ours = new(times)
	for round := range r.rounds {
		fmt.Fprintf(r.log, "%s, %d threads, round %d of %d:", m.net, m.threads, round+1, r.rounds)
		for _, step := range []func() error{
			func() error { return r.runPeer(m, &rows) },
			func() error { return r.runGocaffe(m.net, m.batch, m.threads, ours) },
			func() error { return r.runPeer(m, &last, "--channels-last") },
		} {
			if err := step(); err != nil {
				fmt.Fprintln(r.log)
				return nil, "", nil, err
			}
		}
		fmt.Fprintln(r.log)
	}
	if last.milliseconds() < rows.milliseconds() {
		return &last, "channels last", ours, nil
	}
	return &rows, "contiguous", ours, nil
}

func (r *runner) runGocaffe(net string, batch, threads int, t *times) error {
	result, err := r.gocaffe.Run(bench.Options{Net: net, Batch: batch, Threads: threads, Iterations: r.iterations})
	if err != nil {
		return err
	}
	fmt.Fprintf(r.log, " gocaffe %.1f ms", result.Milliseconds)
	t.add(result.Milliseconds, result.MiB)
	return nil
}

func (r *runner) runPeer(m match, t *times, options ...string) error {
	args := append([]string{r.script, m.net, strconv.Itoa(m.threads),
		"--batch", strconv.Itoa(m.batch), "--iters", strconv.Itoa(r.iterations)}, options...)
	out, err := exec.Command(r.python, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", r.python, strings.Join(args, " "), err, out)
	}
	ms, mib, err := parsePeer(string(out))
	if err != nil {
		return err
	}
	fmt.Fprintf(r.log, " PyTorch %.1f ms", ms)
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

// scaling compares gocaffe with itself on one and two threads, in turns.
func (r *runner) scaling(stdout io.Writer) error {
	var one, two times
	for round := range r.rounds {
		fmt.Fprintf(r.log, "%s, 1 and 2 threads, round %d of %d:", scalingNet, round+1, r.rounds)
		if err := r.runGocaffe(scalingNet, 0, 1, &one); err != nil {
			return err
		}
		if err := r.runGocaffe(scalingNet, 0, 2, &two); err != nil {
			return err
		}
		fmt.Fprintln(r.log)
	}
	times := one.milliseconds() / two.milliseconds()
	fmt.Fprintf(stdout, "\n%s: 1 thread %.1f ms, 2 threads %.1f ms, %.2f times as fast; target %.2f: %s\n",
		scalingNet, one.milliseconds(), two.milliseconds(), times, scalingTarget, verdict(times >= scalingTarget))
	fmt.Fprintf(stdout, "%s: memory %.0f MiB; target %d: %s\n", scalingNet, two.mib, memoryTarget, verdict(two.mib <= memoryTarget))
	return nil
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "missed"
}
