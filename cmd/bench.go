package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/parallel"
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
	gpu, math         string
	engine            layers.Engine
	inputShape        string
}

func (a *app) benchCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench [NET|FILE...]",
		Short: "Time training and compare it with the machine's peak",
		Long: `Time training iterations (forward, backward and update) on random data: of all
nets of the zoo, or of those named. A name that ends in .prototxt is the file of
another net, which needs --input-shape and --batch; its data layer or input gets
them, and an input is all zeros. Of a net without a loss only the forward pass is
timed.

Times are medians, after half a second of training. GFLOP/s counts two
operations for each multiply-add of a convolution or inner product, for the
output and the gradients of input and weights, however they are computed. The
peak is that of multiply-adds in registers on the same threads, the larger of
two measurements before and after each net.

--layers adds a table of all layers. Layers that are computed together have one
line. GB/s counts the data, gradients and weights that a pass must read and
write, each once, even if it has to read them twice, as BatchNorm does for its
sums. Its peak is the rate at which the threads scale a large array in memory;
data that stays in the caches exceeds it. Layers are timed in separate passes
and need not add up to the whole.

With --gpu the peaks are computed from the device's processors, clock rate and
memory, for float32 without tensor cores, and bench waits for each iteration.

Formats: table; json; go, for benchstat; history, for the table in
docs/performance.md.`,
		RunE: func(cmd *cobra.Command, names []string) error { return a.bench(cmd.Context(), names, &f) },
	}
	cmd.Flags().IntVar(&f.batch, "batch", 0, "batch size (default: that of training, but 16 for AlexNet)")
	cmd.Flags().IntVar(&f.iterations, "iterations", 5, "number of iterations")
	cmd.Flags().StringVar(&f.gpu, "gpu", "", "number of the GPU to compute on (default: the CPU)")
	mathVar(cmd, &f.math)
	engineVar(cmd, &f.engine)
	cmd.Flags().StringVar(&f.inputShape, "input-shape", "", "shape of one item of random data for .prototxt files: C,H,W")
	cmd.Flags().BoolVar(&f.layers, "layers", false, "also time each layer")
	cmd.Flags().StringVar(&f.format, "format", "table", "output format: "+strings.Join(benchFormats(), ", "))
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
	sources, err := benchSources(names, f)
	if err != nil {
		return err
	}
	nets := &netFlags{gpu: f.gpu, math: f.math, engine: f.engine}
	device, err := nets.openDevice()
	if err != nil {
		return err
	}
	report := newBenchReport(a.workers)
	if device != nil {
		defer device.Close()
		report.GPU = device.Name()
	}
	for _, source := range sources {
		result, err := benchNet(ctx, a.workers, device, nets, source, f)
		if err != nil {
			return err
		}
		report.Nets = append(report.Nets, result)
	}
	return write(a.stdout, report)
}

// A benchSource is a net to time.
type benchSource struct {
	name  string
	read  func() (*prototxt.Net, error)
	shape []int
	batch int
}

// benchSources returns the nets of the given names, or all of the zoo but those
// that differ in their loss only.
func benchSources(names []string, f *benchFlags) ([]benchSource, error) {
	shape, err := parseShape(f.inputShape)
	if err != nil {
		return nil, err
	}
	var sources []benchSource
	add := func(e zoo.Entry) {
		batch := e.Batch
		if f.batch > 0 {
			batch = f.batch
		}
		sources = append(sources, benchSource{e.Name, e.Read, e.Shape[:], batch})
	}
	if len(names) == 0 {
		for _, e := range zoo.Entries() {
			if e.Base == "" { // other losses take as long
				add(e)
			}
		}
	}
	for _, name := range names {
		if isNetFile(name) {
			if shape == nil || f.batch == 0 {
				return nil, fmt.Errorf("%s: a .prototxt file needs --input-shape and --batch", name)
			}
			read := func() (*prototxt.Net, error) { return net.Read(name) }
			sources = append(sources, benchSource{strings.TrimSuffix(filepath.Base(name), ".prototxt"), read, shape, f.batch})
			continue
		}
		e, err := zoo.Lookup(name)
		if err != nil {
			return nil, err
		}
		add(e)
	}
	if shape != nil && !slices.ContainsFunc(names, isNetFile) {
		return nil, errors.New("--input-shape is for .prototxt files: the nets of the zoo have their own")
	}
	return sources, nil
}

// isNetFile reports whether a name is that of a file, not of a net of the zoo.
func isNetFile(name string) bool { return strings.HasSuffix(name, ".prototxt") }

// step trains for one iteration, or only runs forward, and waits for its end.
func (b *netBench) step(ctx context.Context, s *solver.Solver) error {
	if b.ForwardOnly {
		if _, err := s.Net().Forward(ctx); err != nil {
			return err
		}
	} else if err := s.Step(ctx, 1); err != nil {
		return err
	}
	return s.Net().Wait()
}

// benchWarmUp is how long a net trains before it is timed. The first iteration
// allocates memory, and small nets run at a third to a half of their speed during
// the first tenths of a second of the program.
const benchWarmUp = 500 * time.Millisecond

// benchNet times one net.
func benchNet(ctx context.Context, workers *parallel.Pool, device *cuda.Device, nets *netFlags, source benchSource, f *benchFlags) (*netBench, error) {
	b := &netBench{Net: source.name, Batch: source.batch, Iterations: f.iterations}
	s, passes, err := benchSolver(workers, device, nets, source)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	b.ForwardOnly = !chain(s.Net().Layers()).needsBackward()
	if err := b.peaks(workers, device, f.layers); err != nil {
		return nil, err
	}
	for start := time.Now(); time.Since(start) < benchWarmUp; {
		if err := b.step(ctx, s); err != nil {
			return nil, err
		}
	}
	whole, update := make([]time.Duration, f.iterations), make([]time.Duration, f.iterations)
	for i := range whole {
		start := time.Now()
		if err := b.step(ctx, s); err != nil {
			return nil, err
		}
		whole[i] = time.Since(start)
		update[i] = whole[i] - *passes
	}
	b.Milliseconds = medianMilliseconds(whole)
	if device == nil && !b.ForwardOnly { // a GPU runs the passes while the host goes on
		b.UpdateMilliseconds = medianMilliseconds(update)
	}
	b.flops = trainingFlops(s.Net())
	if f.layers {
		if b.Layers, err = benchLayers(ctx, s.Net(), f.iterations); err != nil {
			return nil, err
		}
		if device == nil && !b.ForwardOnly {
			b.Layers = append(b.Layers, b.updateBench(s.Net()))
		}
	}
	if err := b.peaks(workers, device, f.layers); err != nil {
		return nil, err
	}
	b.rates()
	return b, nil
}

// benchSolver returns a solver that trains the net on random data, and a pointer
// to the duration of the last iteration's forward and backward passes.
func benchSolver(workers *parallel.Pool, device *cuda.Device, nets *netFlags, source benchSource) (*solver.Solver, *time.Duration, error) {
	file, err := source.read()
	if err != nil {
		return nil, nil, err
	}
	passes := new(time.Duration)
	s, err := solver.New(&prototxt.Solver{File: file.File, Positions: file.Positions, Param: &caffepb.SolverParameter{
		NetParam:    file.Param,
		BaseLr:      proto.Float32(1e-6), // small, so that random data does not make the net diverge
		LrPolicy:    proto.String("fixed"),
		Momentum:    proto.Float32(0.9),
		WeightDecay: proto.Float32(0.0005),
		RandomSeed:  proto.Int64(1),
	}}, solver.Options{
		Workers:   workers,
		Device:    device,
		Engine:    nets.engine,
		Precision: nets.onCPU,
		Synthetic: &net.Synthetic{Shape: source.shape, Batch: source.batch, Inputs: true},
		Observer: event.Func(func(e any) {
			if it, ok := e.(*solver.Iteration); ok {
				*passes = it.Duration
			}
		}),
	})
	return s, passes, err
}

// peaks measures the peaks of the machine and keeps the highest so far, or takes
// those of the GPU.
func (b *netBench) peaks(workers *parallel.Pool, device *cuda.Device, memory bool) error {
	if device != nil {
		flops, bytes, err := device.Peak()
		if b.PeakGFlops = flops / 1e9; memory {
			b.PeakGBytes = bytes / 1e9
		}
		return err
	}
	b.PeakGFlops = max(b.PeakGFlops, kernel.PeakFlops(workers))
	if memory {
		b.PeakGBytes = max(b.PeakGBytes, kernel.PeakBandwidth(workers))
	}
	return nil
}

// rates sets the fields that are computed from times and peaks.
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
