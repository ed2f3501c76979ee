package gocaffecmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/prototxt/zoo"
	"github.com/gocaffe/gocaffe/solver"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
)

// benchFlags are the flags of gocaffe bench.
type benchFlags struct {
	batch, iterations int
	layers            bool
	format            string
}

func (a *app) benchCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench [NET...]",
		Short: "Time training of the nets of the zoo against the machine's peak",
		Long: `Time training of the nets of the zoo, all of them or those named, on random
data: forward, backward and update. GFLOP/s counts two operations for each
multiply-add of a convolution or inner product, for the output, the gradient of
the input and that of the weights, whatever way they are computed. The peak is
that of multiply-adds in registers on as many threads: the larger of what is
measured before and after each net. Times are medians, after half a second of training.

With --layers a table of all layers follows; layers that are computed together
have one line. GB/s counts what a pass must at least read and write: data,
gradients and weights, each once, even where a layer has to look twice, as
BatchNorm has for its sums. It is held against the rate at which the threads
scale a large array in memory, and is more than that where data stays in the
caches. The layers are timed in passes of their own, so that they need not add
up to the whole.

Formats: table; json; go, which benchstat reads; history, the rows of the table
in docs/performance.md.`,
		RunE: func(cmd *cobra.Command, names []string) error { return a.bench(cmd.Context(), names, &f) },
	}
	cmd.Flags().IntVar(&f.batch, "batch", 0, "batch size; 0: that of training, 16 for AlexNet")
	cmd.Flags().IntVar(&f.iterations, "iterations", 5, "number of iterations")
	cmd.Flags().BoolVar(&f.layers, "layers", false, "time every layer too")
	cmd.Flags().StringVar(&f.format, "format", "table", "of the output: "+strings.Join(benchFormats(), ", "))
	return cmd
}

func (a *app) bench(ctx context.Context, names []string, f *benchFlags) error {
	if f.iterations < 1 || f.batch < 0 {
		return fmt.Errorf("--iterations is %d and --batch %d, want positive numbers", f.iterations, f.batch)
	}
	write, ok := benchWriters[f.format]
	if !ok {
		return fmt.Errorf("--format is %q, want one of: %s", f.format, strings.Join(benchFormats(), ", "))
	}
	entries, err := benchEntries(names)
	if err != nil {
		return err
	}
	report := newBenchReport(a.workers)
	for i := range entries {
		result, err := benchNet(ctx, a.workers, entries[i], f)
		if err != nil {
			return err
		}
		report.Nets = append(report.Nets, result)
	}
	return write(a.stdout, report)
}

// benchEntries returns the nets of the given names, or all.
func benchEntries(names []string) ([]zoo.Entry, error) {
	if len(names) == 0 {
		return zoo.Entries(), nil
	}
	entries := make([]zoo.Entry, len(names))
	for i, name := range names {
		e, err := zoo.Lookup(name)
		if err != nil {
			return nil, err
		}
		entries[i] = e
	}
	return entries, nil
}

// benchWarmUp is for how long a net trains before it is timed. The first
// iteration takes the memory; small nets run at a third to a half of their
// speed for the first tenths of a second of the program.
const benchWarmUp = 500 * time.Millisecond

// benchNet times one net.
func benchNet(ctx context.Context, workers *layers.Workers, e zoo.Entry, f *benchFlags) (*netBench, error) {
	b := &netBench{Net: e.Name, Batch: e.Batch, Iterations: f.iterations}
	if f.batch > 0 {
		b.Batch = f.batch
	}
	s, passes, err := benchSolver(workers, e, b.Batch)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	b.peaks(workers, f.layers)
	for start := time.Now(); time.Since(start) < benchWarmUp; {
		if err := s.Step(ctx, 1); err != nil {
			return nil, err
		}
	}
	whole, update := make([]time.Duration, f.iterations), make([]time.Duration, f.iterations)
	for i := range whole {
		start := time.Now()
		if err := s.Step(ctx, 1); err != nil {
			return nil, err
		}
		whole[i] = time.Since(start)
		update[i] = whole[i] - *passes
	}
	b.Milliseconds, b.UpdateMilliseconds = medianMilliseconds(whole), medianMilliseconds(update)
	b.flops = trainingFlops(s.Net())
	if f.layers {
		if b.Layers, err = benchLayers(ctx, s.Net(), f.iterations); err != nil {
			return nil, err
		}
		b.Layers = append(b.Layers, b.updateBench(s.Net()))
	}
	b.peaks(workers, f.layers)
	b.rates()
	return b, nil
}

// benchSolver returns a solver that trains the net on random data, and where
// it leaves how long the forward and backward passes of an iteration took.
func benchSolver(workers *layers.Workers, e zoo.Entry, batch int) (*solver.Solver, *time.Duration, error) {
	file, err := e.Read()
	if err != nil {
		return nil, nil, err
	}
	passes := new(time.Duration)
	s, err := solver.New(&prototxt.Solver{Param: &caffepb.SolverParameter{
		NetParam:    file.Param,
		BaseLr:      proto.Float32(1e-6), // the weights hardly move: random data teaches nothing
		LrPolicy:    proto.String("fixed"),
		Momentum:    proto.Float32(0.9),
		WeightDecay: proto.Float32(0.0005),
		RandomSeed:  proto.Int64(1),
	}}, solver.Options{
		Workers:   workers,
		Synthetic: &net.Synthetic{Shape: e.Shape[:], Batch: batch},
		Observers: []solver.Observer{solver.ObserverFunc(func(event any) {
			if it, ok := event.(*solver.Iteration); ok {
				*passes = it.Duration
			}
		})},
	})
	return s, passes, err
}

// peaks measures what the machine can do and keeps the best.
func (b *netBench) peaks(workers *layers.Workers, memory bool) {
	b.PeakGFlops = max(b.PeakGFlops, kernel.PeakFlops(workers))
	if memory {
		b.PeakGBytes = max(b.PeakGBytes, kernel.PeakBandwidth(workers))
	}
}

// rates fills in what follows from times and peaks.
func (b *netBench) rates() {
	seconds := b.Milliseconds / 1000
	b.ImagesPerSecond = float64(b.Batch) / seconds
	b.GFlops = b.flops / seconds / 1e9
	b.PeakPercent = 100 * b.GFlops / b.PeakGFlops
	for i := range b.Layers {
		l := &b.Layers[i]
		l.Percent = 100 * l.Milliseconds / b.Milliseconds
		l.GFlops = l.flops / l.Milliseconds / 1e6
		l.GBytes = l.bytes / l.Milliseconds / 1e6
		l.PeakPercent = 100 * l.GFlops / b.PeakGFlops
		l.MemoryPercent = 100 * l.GBytes / b.PeakGBytes
	}
}

func medianMilliseconds(times []time.Duration) float64 {
	slices.Sort(times)
	return 1000 * times[len(times)/2].Seconds()
}
