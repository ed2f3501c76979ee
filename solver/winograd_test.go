package solver_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
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

// TestWinogradCurves trains a LiuNet of 16 channels on MNIST, with the direct
// convolution (engine: CAFFE) and with Winograd's, from the same seeds. The two
// begin alike. Then the difference grows tenfold with each iteration, as it
// does if one in a million is added to the weights, until the two runs are like
// those of different seeds; they must not be further apart than these.
func TestWinogradCurves(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED with -short: trains for half a minute")
	}
	train, test := readMNIST(t, "train"), readMNIST(t, "t10k")
	var direct, fast []curve
	for seed := range int64(curveSeeds) {
		direct = append(direct, trainCurve(t, train, test, caffepb.ConvolutionParameter_CAFFE, seed+1))
		fast = append(fast, trainCurve(t, train, test, caffepb.ConvolutionParameter_DEFAULT, seed+1))
	}
	for i := range direct {
		d, f := direct[i], fast[i]
		t.Logf("seed %d: accuracy %.4f direct, %.4f Winograd; loss at the end %.4f, %.4f",
			i+1, d.accuracy, f.accuracy, math.Exp(d.bins[len(d.bins)-1]), math.Exp(f.bins[len(f.bins)-1]))
		if slices.Equal(d.losses, f.losses) {
			t.Errorf("seed %d: engine: CAFFE makes no difference at all", i+1)
		}
		// The first loss is that of the forward pass, the second one that of the
		// first gradient. They differ by less than 1e-6 when all is well.
		for k, v := range d.losses[:2] {
			if !(math.Abs(float64(f.losses[k]-v)) <= 1e-4*float64(v)) {
				t.Errorf("seed %d, iteration %d: loss %g with Winograd's convolution, %g with the direct one", i+1, k, f.losses[k], v)
			}
		}
	}
	// Distances of curves, in logarithms of the loss.
	var between, within []float64 // seeds; convolutions of one seed
	for i := range direct {
		within = append(within, distance(direct[i].bins, fast[i].bins))
		for k := range i {
			between = append(between, distance(direct[i].bins, direct[k].bins))
		}
	}
	t.Logf("distances between seeds %.3f, between the convolutions %.3f", between, within)
	if !(mean(within) <= 1.5*mean(between)) {
		t.Errorf("the curves of the two convolutions are further apart (%.3f) than those of seeds (%.3f)", within, between)
	}
	var a, b float64
	for i := range direct {
		a, b = a+direct[i].accuracy/curveSeeds, b+fast[i].accuracy/curveSeeds
	}
	// The standard deviation of a run's accuracy is 0.7 per cent, so that of the
	// difference of two means of three is 0.6.
	if !(a > 0.92 && math.Abs(a-b) <= 0.02) {
		t.Errorf("mean accuracy %.4f with the direct convolution, %.4f with Winograd's", a, b)
	}
}

// trainCurve trains the zoo's narrow LiuNet on MNIST.
func trainCurve(t *testing.T, train, test mnist, engine caffepb.ConvolutionParameter_Engine, seed int64) (c curve) {
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
