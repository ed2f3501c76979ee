package gocaffecmd

import (
	"context"
	"fmt"
	"slices"
	"text/tabwriter"
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

func (a *app) benchCommand() *cobra.Command {
	var batch, iterations int
	cmd := &cobra.Command{
		Use:   "bench [NET...]",
		Short: "Time training of the nets of the zoo against the machine's peak",
		Long: `Time training of the nets of the zoo, all of them or those named, on random
data: forward, backward and update. GFLOP/s counts two operations for each
multiply-add of a convolution or inner product, for the output, the gradient of
the input and that of the weights. The peak is that of multiply-adds in
registers on as many threads: the larger of what is measured before and after
each net. Times are medians.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.bench(cmd.Context(), names, batch, iterations)
		},
	}
	cmd.Flags().IntVar(&batch, "batch", 0, "batch size; 0: that of training, 16 for AlexNet")
	cmd.Flags().IntVar(&iterations, "iterations", 5, "number of iterations")
	return cmd
}

func (a *app) bench(ctx context.Context, names []string, batch, iterations int) error {
	if iterations < 1 || batch < 0 {
		return fmt.Errorf("--iterations is %d and --batch %d, want positive numbers", iterations, batch)
	}
	if len(names) == 0 {
		for _, e := range zoo.Entries() {
			names = append(names, e.Name)
		}
	}
	fmt.Fprintf(a.stdout, "%d threads, kernels for %s\n\n", a.workers.Threads(), kernel.Variant())
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "net\tbatch\tms/iteration\timages/s\tGFLOP/s\tpeak\t% of peak\t")
	for _, name := range names {
		e, err := zoo.Lookup(name)
		if err != nil {
			return err
		}
		size := e.Batch
		if batch > 0 {
			size = batch
		}
		peak := kernel.PeakFlops(a.workers)
		median, flops, err := timeTraining(ctx, a.workers, e, size, iterations)
		if err != nil {
			return err
		}
		peak = max(peak, kernel.PeakFlops(a.workers))
		rate := flops / median.Seconds() / 1e9
		fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", e.Name, size,
			1000*median.Seconds(), float64(size)/median.Seconds(), rate, peak, 100*rate/peak)
	}
	return w.Flush()
}

// timeTraining returns the median time of an iteration and its floating-point
// operations.
func timeTraining(ctx context.Context, workers *layers.Workers, e zoo.Entry, batch, iterations int) (time.Duration, float64, error) {
	file, err := e.Read()
	if err != nil {
		return 0, 0, err
	}
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
	})
	if err != nil {
		return 0, 0, err
	}
	defer s.Close()
	if err := s.Step(ctx, 1); err != nil { // takes the memory
		return 0, 0, err
	}
	times := make([]time.Duration, iterations)
	for i := range times {
		start := time.Now()
		if err := s.Step(ctx, 1); err != nil {
			return 0, 0, err
		}
		times[i] = time.Since(start)
	}
	slices.Sort(times)
	return times[len(times)/2], 2 * trainingMACs(s.Net()), nil
}

// trainingMACs returns the multiply-adds of a forward and a backward pass.
func trainingMACs(n *net.Net) float64 {
	var total float64
	for _, l := range n.Layers() {
		c, ok := l.Impl.(layers.Counter)
		if !ok {
			continue
		}
		passes := 1
		if l.NeedsBackward && slices.Contains(l.ParamBackward, true) {
			passes++
		}
		if l.NeedsBackward && slices.Contains(l.PropagateDown, true) {
			passes++
		}
		total += float64(passes) * float64(c.MACs())
	}
	return total
}
