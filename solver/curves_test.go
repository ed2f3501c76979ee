package solver_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/kernel/bf16"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/prototxt/zoo"
	"github.com/gocaffe/gocaffe/solver"
	"google.golang.org/protobuf/proto"
)

const (
	curveBatch = 32
	curveIters = 300
	curveBin   = 20 // iterations that are averaged
	curveTests = 60 // batches of test images
	curveSeeds = 3
)

// A curve is what a run of training shows.
type curve struct {
	losses   []float32 // of each iteration
	bins     []float64 // means of their logarithms
	accuracy float64   // on the test images, at the end
}

// TestCurves trains a LiuNet of 16 channels on MNIST, with Winograd's convolution, with
// the direct one (engine: CAFFE) and with convolutions rounded to bfloat16, from the same
// seeds. The runs of a seed begin alike. Then the difference grows tenfold with each
// iteration, as it does if one in a million is added to the weights, until they are like
// runs of different seeds; they must not be further apart than these.
func TestCurves(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED with -short: trains for a minute")
	}
	train, test := readMNIST(t, "train"), readMNIST(t, "t10k")
	curves := func(engine caffepb.ConvolutionParameter_Engine, precision kernel.Precision) (list []curve) {
		for seed := range int64(curveSeeds) {
			list = append(list, trainCurve(t, train, test, engine, precision, seed+1))
		}
		return list
	}
	fast := curves(caffepb.ConvolutionParameter_DEFAULT, kernel.FP32)
	// The first losses of the direct convolution differ by less than 1e-6 when all is well,
	// and those in bfloat16, whose rounding errors are 65536 times as large, by 0.023.
	t.Run("direct", func(t *testing.T) {
		compareCurves(t, curves(caffepb.ConvolutionParameter_CAFFE, kernel.FP32), fast, 1e-4)
	})
	t.Run("bf16", func(t *testing.T) {
		if err := kernel.BF16.Supported(); err != nil {
			t.Skip("SKIPPED: ", err)
		}
		u := *bf16.Active()
		u.Speed = 16 // as with AMX, convolutions are rounded in place of Winograd's algorithm
		bf16.Use(&u)
		defer bf16.Use(nil)
		compareCurves(t, curves(caffepb.ConvolutionParameter_DEFAULT, kernel.BF16), fast, 0.05)
	})
}

// compareCurves compares curves with those of Winograd's convolution in float32, whose seeds
// are the same. The first loss is that of the forward pass, the second one that of the first
// gradient: they may differ by the relative tolerance.
func compareCurves(t *testing.T, curves, want []curve, tolerance float64) {
	t.Helper()
	// Distances of curves, in logarithms of the loss.
	var between, within []float64 // seeds; curves of one seed
	var a, b float64
	for i, c := range curves {
		w := want[i]
		t.Logf("seed %d: accuracy %.4f, Winograd %.4f; loss at the end %.4f, %.4f; first losses %.7g, %.7g",
			i+1, c.accuracy, w.accuracy, math.Exp(c.bins[len(c.bins)-1]), math.Exp(w.bins[len(w.bins)-1]), c.losses[:2], w.losses[:2])
		if slices.Equal(c.losses, w.losses) {
			t.Errorf("seed %d: the losses are those of Winograd's convolution", i+1)
		}
		for k, v := range w.losses[:2] {
			if !(math.Abs(float64(c.losses[k]-v)) <= tolerance*float64(v)) {
				t.Errorf("seed %d, iteration %d: loss %g, %g with Winograd's convolution", i+1, k, c.losses[k], v)
			}
		}
		within = append(within, distance(c.bins, w.bins))
		for k := range i {
			between = append(between, distance(w.bins, want[k].bins))
		}
		a, b = a+c.accuracy/curveSeeds, b+w.accuracy/curveSeeds
	}
	t.Logf("distances between seeds %.3f, to Winograd's convolution %.3f", between, within)
	if !(mean(within) <= 1.5*mean(between)) {
		t.Errorf("the curves are further from those of Winograd's convolution (%.3f) than those of seeds (%.3f)", within, between)
	}
	// The standard deviation of a run's accuracy is 0.7 per cent, so that of the
	// difference of two means of three is 0.6.
	if !(b > 0.92 && math.Abs(a-b) <= 0.02) {
		t.Errorf("mean accuracy %.4f, %.4f with Winograd's convolution", a, b)
	}
}

// trainCurve trains the zoo's narrow LiuNet on MNIST.
func trainCurve(t *testing.T, train, test mnist, engine caffepb.ConvolutionParameter_Engine, precision kernel.Precision, seed int64) (c curve) {
	p := liunetDigits(t, curveBatch)
	for _, l := range p.Layer {
		if l.ConvolutionParam != nil {
			l.ConvolutionParam.Engine = engine.Enum()
		}
	}
	workers := parallel.NewPool(0)
	defer workers.Close()
	s, err := solver.New(&prototxt.Solver{Param: &caffepb.SolverParameter{
		NetParam: p,
		TestIter: []int32{curveTests}, TestInterval: proto.Int32(curveIters), TestInitialization: proto.Bool(false),
		BaseLr: proto.Float32(0.05), LrPolicy: proto.String("step"), Gamma: proto.Float32(0.1), Stepsize: proto.Int32(curveIters * 3 / 4),
		Momentum: proto.Float32(0.9), WeightDecay: proto.Float32(0.0005),
		RandomSeed: proto.Int64(seed),
	}}, solver.Options{
		Workers:       workers,
		Precision:     precision,
		BeforeForward: mnistFeed(train, test, 0, 256),
		Observer: event.Func(func(e any) {
			switch e := e.(type) {
			case *solver.Iteration:
				c.losses = append(c.losses, e.Loss)
			case *solver.TestResult:
				c.accuracy = float64(e.Outputs[0].Value)
			}
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Step(context.Background(), curveIters); err != nil {
		t.Fatal(err)
	}
	if err := s.TestAll(context.Background()); err != nil {
		t.Fatal(err)
	}
	for bin := range slices.Chunk(c.losses, curveBin) {
		var sum float64
		for _, v := range bin {
			sum += math.Log(float64(v))
		}
		c.bins = append(c.bins, sum/curveBin)
	}
	return c
}

// liunetDigits returns the zoo's narrow LiuNet with inputs in place of its data.
func liunetDigits(t *testing.T, batch int64) *caffepb.NetParameter {
	t.Helper()
	entry, err := zoo.Lookup("liunet-digits")
	if err != nil {
		t.Fatal(err)
	}
	file, err := entry.Read()
	if err != nil {
		t.Fatal(err)
	}
	p := &caffepb.NetParameter{Layer: []*caffepb.LayerParameter{{
		Name: proto.String("input"), Type: proto.String("Input"), Top: []string{"data", "label"},
		InputParam: &caffepb.InputParameter{Shape: []*caffepb.BlobShape{
			{Dim: []int64{batch, 1, 28, 28}}, {Dim: []int64{batch}},
		}},
	}}}
	for _, l := range file.Param.Layer {
		if l.GetType() != "Data" {
			p.Layer = append(p.Layer, l)
		}
	}
	return p
}

// distance returns the root of the mean square of the differences.
func distance(a, b []float64) float64 {
	var sum float64
	for i := range a {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return math.Sqrt(sum / float64(len(a)))
}

func mean(x []float64) float64 {
	var sum float64
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
