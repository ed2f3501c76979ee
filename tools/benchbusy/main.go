// Benchbusy shows what happens when a machine has more threads to run than cores: it times
// the passes of a net in one process, and in two that run at the same time with as many
// threads each, and prints the ratio. 2 would be perfect: each has half of the machine.
//
//	benchbusy [-nets "NET..."] [-batch N] [-threads N] [-iterations N] [-rounds N] PROGRAM...
//
// Several programs, such as those of two commits, run in turns.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "benchbusy:", err)
		os.Exit(1)
	}
}

// options are what the flags say.
type options struct {
	batch, threads, iterations, rounds int
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("benchbusy", flag.ContinueOnError)
	f.SetOutput(stderr)
	var o options
	nets := f.String("nets", "lenet liunet-digits", "nets of the zoo for images of digits, with spaces between")
	f.IntVar(&o.batch, "batch", 64, "batch size")
	f.IntVar(&o.threads, "threads", 2, "threads of each process")
	f.IntVar(&o.iterations, "iterations", 100, "forward and backward passes of a run")
	f.IntVar(&o.rounds, "rounds", 3, "how often each program runs")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return errors.New("no program is given")
	}
	if min(o.batch, o.threads, o.iterations, o.rounds) < 1 {
		return fmt.Errorf("-batch is %d, -threads %d, -iterations %d and -rounds %d, want positive numbers", o.batch, o.threads, o.iterations, o.rounds)
	}
	dir, err := os.MkdirTemp("", "benchbusy")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "program\tnet\tbatch\tthreads\talone ms\ttwo at once ms\tratio\t")
	for _, net := range strings.Fields(*nets) {
		alone, two := make([][]float64, f.NArg()), make([][]float64, f.NArg())
		for round := range o.rounds {
			for i, program := range f.Args() {
				model, err := write(ctx, program, net, dir)
				if err != nil {
					return err
				}
				one, err := o.timeAtOnce(ctx, 1, program, model)
				if err != nil {
					return err
				}
				both, err := o.timeAtOnce(ctx, 2, program, model)
				if err != nil {
					return err
				}
				fmt.Fprintf(stderr, "%s, %s, round %d of %d: %.1f ms, two at once %.1f ms\n", program, net, round+1, o.rounds, one, both)
				alone[i], two[i] = append(alone[i], one), append(two[i], both)
			}
		}
		for i, program := range f.Args() {
			a, b := median(alone[i]), median(two[i])
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%.1f\t%.1f\t%.2f\t\n", filepath.Base(program), net, o.batch, o.threads, a, b, b/a)
		}
	}
	return w.Flush()
}

// write writes a net of a program's zoo to dir and returns its file.
func write(ctx context.Context, program, net, dir string) (string, error) {
	if out, err := exec.CommandContext(ctx, program, "zoo", "write", net, dir, "--force").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s zoo write %s: %w\n%s", program, net, err, out)
	}
	return filepath.Join(dir, strings.ReplaceAll(net, "-", "_")+"_train_test.prototxt"), nil
}

// average is what `gocaffe time` prints of all its passes.
var average = regexp.MustCompile(`Average Forward-Backward: ([0-9.e+]+) ms`)

// timeAtOnce starts so many processes at the same time and returns the mean of their times
// of a forward and backward pass, in milliseconds.
func (o *options) timeAtOnce(ctx context.Context, processes int, program, model string) (float64, error) {
	type result struct {
		ms  float64
		err error
	}
	results := make(chan result)
	for range processes {
		go func() {
			cmd := exec.CommandContext(ctx, program, "time", "--model", model, "--synthetic-data", "--input-shape", "1,28,28",
				"--batch", strconv.Itoa(o.batch), "--threads", strconv.Itoa(o.threads), "--iterations", strconv.Itoa(o.iterations))
			out, err := cmd.CombinedOutput()
			if err != nil {
				results <- result{err: fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)}
				return
			}
			ms, err := parseAverage(out)
			results <- result{ms, err}
		}()
	}
	var sum float64
	var errs []error
	for range processes {
		r := <-results
		sum, errs = sum+r.ms, append(errs, r.err)
	}
	return sum / float64(processes), errors.Join(errs...)
}

// parseAverage returns the time of a pass in the log of `gocaffe time`.
func parseAverage(log []byte) (float64, error) {
	m := average.FindSubmatch(log)
	if m == nil {
		return 0, fmt.Errorf("no average in the log of gocaffe time:\n%s", log)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

func median(x []float64) float64 {
	return slices.Sorted(slices.Values(x))[len(x)/2]
}
