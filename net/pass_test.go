package net

import (
	"context"
	"errors"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

// twoIPs is the net of Caffe's tests of loss weights: the distance of two
// projections of the data.
func twoIPs(middle, end, param1, param2 string) string {
	return "force_backward: true\n" + tinyInput + silence + ip("a", "data", "a", 10, param1+" "+middle) + ip("b", "data", "b", 10, param2) +
		"layer { name: 'loss' type: 'EuclideanLoss' bottom: 'a' bottom: 'b' top: 'loss' " + end + " }"
}

// run returns the loss of a net and the gradients of its data and weights.
func run(t *testing.T, text string) (float64, []float64) {
	t.Helper()
	n := build(t, text, Options{State: state(t, "TRAIN"), Seed: 1701})
	set(n.Blob("data"))
	loss := forward(t, n)
	backward(t, n)
	var grads []float64
	for _, b := range []*blob.Blob{n.Blob("data"), n.Params()[0].Blob, n.Params()[len(n.Params())-1].Blob} {
		for _, d := range b.Diff() {
			grads = append(grads, float64(d))
		}
	}
	return float64(loss), grads
}

// alike reports whether two results differ only by rounding.
func alike(a, b float64) bool { return math.Abs(a-b) <= 1e-4*max(math.Abs(a), math.Abs(b), 1) }

// As Caffe's TestLossWeight, TestLossWeightMidNet and TestComboLossWeight: loss
// and gradients are linear in the loss weights.
func TestLossWeights(t *testing.T) {
	plain, plainGrads := run(t, twoIPs("", "", "", ""))
	middle, middleGrads := run(t, twoIPs("loss_weight: 1", "loss_weight: 0", "", ""))
	if math.Abs(plain) < 0.01 || math.Abs(middle) < 0.01 {
		t.Fatalf("the losses %g and %g are too small to test anything", plain, middle)
	}
	tests := []struct {
		middle, end string
		a, b        float64
	}{
		{"", "loss_weight: 1", 0, 1},
		{"", "loss_weight: 2", 0, 2},
		{"", "loss_weight: 0", 0, 0},
		{"", "loss_weight: -2.5", 0, -2.5},
		{"loss_weight: 3.7", "loss_weight: 0", 3.7, 0},
		{"loss_weight: -1", "loss_weight: 0", -1, 0},
		{"loss_weight: 1", "", 1, 1},
		{"loss_weight: 3", "loss_weight: 0.5", 3, 0.5},
	}
	for _, test := range tests {
		t.Run(test.middle+" "+test.end, func(t *testing.T) {
			loss, grads := run(t, twoIPs(test.middle, test.end, "", ""))
			if want := test.a*middle + test.b*plain; !alike(loss, want) {
				t.Errorf("loss is %g, want %g", loss, want)
			}
			for i, got := range grads {
				if want := test.a*middleGrads[i] + test.b*plainGrads[i]; !alike(got, want) {
					t.Fatalf("gradient %d is %g, want %g", i, got, want)
				}
			}
		})
	}
}

// The diff of a loss that is no scalar holds its weight also after the batch
// has grown.
func TestLossWeightAfterReshape(t *testing.T) {
	n := build(t, tinyInput+silence+"layer { name: 'p' type: 'Power' bottom: 'data' top: 'p' loss_weight: 0.5 }", Options{})
	for _, items := range []int{2, 5, 9, 3} {
		if err := n.Blob("data").Reshape(items, 2, 3, 4); err != nil {
			t.Fatal(err)
		}
		data := n.Blob("data").MutableData()
		for i := range data {
			data[i] = 2
		}
		if got, want := forward(t, n), float32(items*24); got != want {
			t.Errorf("%d items: loss is %g, want %g", items, got, want)
		}
	}
}

// As Caffe's TestReshape: a net that goes back and forth between two sizes of
// its input gives the same results.
func TestReshape(t *testing.T) {
	n := build(t, `
layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: 1 dim: 3 dim: 20 dim: 20 } } }
layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv'
  convolution_param { num_output: 5 kernel_size: 3 stride: 2 weight_filler { type: 'gaussian' std: 1 } bias_filler { value: 0.2 } } }
layer { name: 'scale' type: 'Scale' bottom: 'conv' top: 'conv' scale_param { bias_term: true } }
layer { name: 'relu' type: 'ReLU' bottom: 'conv' top: 'conv' }
layer { name: 'pool' type: 'Pooling' bottom: 'conv' top: 'pool' pooling_param { kernel_size: 2 stride: 2 } }
layer { name: 'softmax' type: 'Softmax' bottom: 'pool' top: 'softmax' }`, Options{Seed: 3})
	sizes := [][]int{{2, 3, 12, 10}, {4, 3, 9, 11}}
	shapes := [][]int{{2, 5, 3, 2}, {4, 5, 2, 3}}
	var first [2][]float32
	for round := range 3 {
		for k, size := range sizes {
			if err := n.Blob("data").Reshape(size...); err != nil {
				t.Fatal(err)
			}
			set(n.Blob("data"))
			forward(t, n)
			backward(t, n)
			out := n.Outputs()[0].Blob
			if !out.ShapeEqual(shapes[k]) {
				t.Fatalf("input %v gives an output of %v, want %v", size, out.Shape(), shapes[k])
			}
			if round == 0 {
				first[k] = slices.Clone(out.Data())
			} else if !slices.Equal(out.Data(), first[k]) {
				t.Errorf("round %d: the results for input %v have changed", round, size)
			}
		}
	}
	if err := n.Blob("data").Reshape(1, 3, 20, 20); err != nil {
		t.Fatal(err)
	}
	if err := n.Reshape(); err != nil || !n.Outputs()[0].Blob.ShapeEqual([]int{1, 5, 5, 5}) {
		t.Errorf("Reshape gives %v, %v, want [1 5 5 5]", n.Outputs()[0].Blob.Shape(), err)
	}
}

// A shape that no longer fits is an error of the pass, with the layer's place.
func TestReshapeError(t *testing.T) {
	n := build(t, tinyInput+silence+ip("ip", "data", "ip", 2, ""), Options{})
	if err := n.Blob("data").Reshape(5, 7); err != nil {
		t.Fatal(err)
	}
	_, err := n.Forward(context.Background())
	if err == nil || !strings.HasPrefix(err.Error(), `net.prototxt:4:`) || !strings.Contains(err.Error(), `layer "ip": `) {
		t.Errorf("got %v, want an error of layer ip", err)
	}
}

func TestBlobsAndLayers(t *testing.T) {
	n := build(t, "name: 'tiny'"+tinyInput+ip("innerproduct", "data", "innerproduct", 3, "")+
		"layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'innerproduct' bottom: 'label' }\n"+
		"layer { name: 'z' type: 'Input' top: 'z' input_param { shape { dim: 2 } } }\n"+
		"layer { name: 'b' type: 'Input' top: 'b' input_param { shape { dim: 2 } } }", Options{})
	if n.Name() != "tiny" || n.Phase().String() != "TEST" {
		t.Errorf("name %q and phase %v, want tiny and TEST", n.Name(), n.Phase())
	}
	if got, want := strings.Join(n.BlobNames(), " "), "data label innerproduct (automatic) z b"; got != want {
		t.Errorf("blobs are %q, want %q", got, want)
	}
	if n.Blob("innerproduct") != n.Layers()[1].Tops[0] || n.Blob("loss") != nil || n.Blob("(automatic)") != nil {
		t.Error("Blob does not find blobs by their names")
	}
	if got, want := strings.Join(n.Inputs(), " "), "data label z b"; got != want {
		t.Errorf("inputs are %q, want %q", got, want)
	}
	var outputs []string
	for _, o := range n.Outputs() {
		outputs = append(outputs, o.Name)
	}
	if got, want := strings.Join(outputs, " "), "b z"; got != want {
		t.Errorf("outputs are %q, want %q", got, want)
	}
}

func TestOutputsHaveLossWeights(t *testing.T) {
	n := build(t, tinyInput+ip("x", "data", "x", 3, "")+
		"layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'x' bottom: 'label' top: 'loss' loss_weight: 0.25 }\n"+
		"layer { name: 'accuracy' type: 'Accuracy' bottom: 'x' bottom: 'label' top: 'accuracy' }", Options{})
	want := []Output{{"accuracy", n.Blob("accuracy"), 0}, {"loss", n.Blob("loss"), 0.25}}
	if got := n.Outputs(); !slices.Equal(got, want) {
		t.Errorf("outputs are %v, want %v", got, want)
	}
}

func TestCancel(t *testing.T) {
	n := build(t, tinyInput+silence+"layer { name: 'p' type: 'Power' bottom: 'data' top: 'p' loss_weight: 1 }", Options{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := n.Forward(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Forward returned %v, want context.Canceled", err)
	}
	if n.Pass() != 0 {
		t.Errorf("the pass is %d after a pass that did not finish, want 0", n.Pass())
	}
	if err := n.Backward(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Backward returned %v, want context.Canceled", err)
	}
}

// The layers see the number of the pass, also those with another phase.
func TestPass(t *testing.T) {
	passes = nil
	n := build(t, "layer { name: 'a' type: 'TestFails' top: 'a' } layer { name: 'b' type: 'TestFails' top: 'b' phase: TRAIN }", Options{})
	forward(t, n)
	forward(t, n)
	n.SetPass(40)
	forward(t, n)
	if want := []int64{0, 0, 1, 1, 40, 40}; !slices.Equal(passes, want) || n.Pass() != 41 {
		t.Errorf("the layers saw %d, then the net is at %d; want %d and 41", passes, n.Pass(), want)
	}
}

// fails is a layer that fails where its name says so.
type fails struct {
	name  string
	env   *layers.Env
	ready bool // it is set up
}

// passes are those that layers of this type have seen.
var passes []int64

func init() {
	layers.Register(layers.Info{
		Type: "TestFails", Bottoms: layers.Between(0, 1), Tops: layers.Exactly(1),
		New: func(spec *layers.Spec) (layers.Layer, error) {
			l := &fails{name: spec.Param.GetName(), env: spec.Env}
			return l, l.fail("New")
		},
	})
}

func (l *fails) fail(method string) error {
	switch l.name {
	case method + " panics":
		var none []int
		_ = none[len(l.name)]
	case method + " shouts":
		panic("a\nb")
	case method + " panics in a thread":
		l.env.Workers.Run(2, parallel.TaskFunc(func(int, int) { panic("c") }))
	case method + " fails":
		return errors.New("out of luck")
	}
	return nil
}
func (l *fails) SetUp(_, _ []*blob.Blob) error { return l.fail("SetUp") }
func (l *fails) Reshape(_, top []*blob.Blob) error {
	top[0].Reshape(1)
	l.ready = true
	return l.fail("Reshape")
}
func (l *fails) BackwardReads() (bottom, top bool) {
	if !l.ready {
		panic("BackwardReads is called before Reshape")
	}
	return true, true
}
func (l *fails) Forward(context.Context, []*blob.Blob, []*blob.Blob) error {
	passes = append(passes, l.env.Pass)
	return l.fail("Forward")
}
func (l *fails) Backward(context.Context, []*blob.Blob, []bool, []*blob.Blob) error {
	return l.fail("Backward")
}
func (l *fails) Close() error { return l.fail("Close") }

// A layer that fails or panics, wherever it is, is an error with its name.
func TestFailures(t *testing.T) {
	pool := parallel.NewPool(2)
	defer pool.Close()
	for _, method := range []string{"New", "SetUp", "Reshape", "Forward", "Backward", "Close"} {
		for _, how := range []string{"fails", "panics", "shouts", "panics in a thread"} {
			name := method + " " + how
			if method == "Close" && how != "fails" {
				continue
			}
			t.Run(name, func(t *testing.T) {
				n, err := New(parse(t, "force_backward: true\nlayer { name: '"+name+"' type: 'TestFails' top: 'x' }"), Options{Workers: pool})
				if err == nil && method == "Forward" {
					_, err = n.Forward(context.Background())
				} else if err == nil && method == "Backward" {
					err = n.Backward(context.Background())
				} else if err == nil {
					err = n.Close()
				}
				want := "out of luck$"
				origin := `panic in ` + method + ` of type TestFails at github.com/gocaffe/gocaffe/net/pass_test.go:\d+: `
				switch how {
				case "shouts":
					want = origin + "a; b$"
				case "panics":
					want = origin + `runtime error: index out of range \[`
				case "panics in a thread":
					want = origin + "c$"
				}
				want = `^net.prototxt:2:1: layer "` + name + `": ` + want
				if err == nil || !regexp.MustCompile(want).MatchString(err.Error()) || strings.Contains(err.Error(), "\n") {
					t.Errorf("got  %v\nwant %s", err, want)
				}
			})
		}
	}
}

// The passes of a net take no memory after the first.
func TestNoAllocations(t *testing.T) {
	pool := parallel.NewPool(2) // a net without one borrows it, which the race detector makes an allocation
	defer pool.Close()
	const text = channels + convolve + `
layer { name: 'bn' type: 'BatchNorm' bottom: 'c' top: 'c' }
layer { name: 'scale' type: 'Scale' bottom: 'c' top: 'c' scale_param { bias_term: true } }
layer { name: 'relu' type: 'ReLU' bottom: 'c' top: 'c' }
layer { name: 'pool' type: 'Pooling' bottom: 'c' top: 'p' pooling_param { kernel_size: 2 stride: 2 } }
layer { name: 'silence' type: 'Silence' bottom: 'p' }
layer { name: 'accuracy' type: 'Accuracy' bottom: 'ip' bottom: 'label' top: 'accuracy' }
`
	scored := strings.Replace(text, "layer { name: 'accuracy'", scores+"\nlayer { name: 'accuracy'", 1)
	for _, memory := range []*Memory{nil, new(Memory)} {
		n := build(t, scored, Options{State: state(t, "TRAIN"), Workers: pool, Memory: memory})
		ctx := context.Background()
		step := func() {
			n.ClearParamDiffs()
			if _, err := n.Forward(ctx); err != nil {
				t.Fatal(err)
			}
			if err := n.Backward(ctx); err != nil {
				t.Fatal(err)
			}
			n.Update()
		}
		step()
		if allocs := testing.AllocsPerRun(20, step); allocs != 0 {
			t.Errorf("%g allocations in a forward pass, a backward pass and an update, want none; shared memory: %v", allocs, memory != nil)
		}
	}
}

// Loss, gradients and updates are the same bits for any number of threads.
func TestThreads(t *testing.T) {
	const text = `
layer { name: 'data' type: 'Input' top: 'data' top: 'label' input_param { shape { dim: 9 dim: 3 dim: 13 dim: 11 } shape { dim: 9 } } }
layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv' convolution_param { num_output: 7 kernel_size: 3 weight_filler { type: 'msra' } } }
layer { name: 'bn' type: 'BatchNorm' bottom: 'conv' top: 'conv' }
layer { name: 'scale' type: 'Scale' bottom: 'conv' top: 'conv' scale_param { bias_term: true } }
layer { name: 'relu' type: 'ReLU' bottom: 'conv' top: 'conv' }
layer { name: 'pool' type: 'Pooling' bottom: 'conv' top: 'pool' pooling_param { kernel_size: 2 stride: 2 } }
layer { name: 'drop' type: 'Dropout' bottom: 'pool' top: 'pool' }
layer { name: 'ip' type: 'InnerProduct' bottom: 'pool' top: 'ip' inner_product_param { num_output: 10 weight_filler { type: 'xavier' } } }
layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'label' top: 'loss' }`
	want := make(map[bool][]float32) // with shared memory or without
	for i := range 6 {
		threads, shared := []int{1, 2, 5}[i/2], i%2 == 1
		pool := parallel.NewPool(threads)
		defer pool.Close()
		opts := Options{State: state(t, "TRAIN"), Seed: 5, Workers: pool}
		if shared {
			opts.Memory = new(Memory)
		}
		n := build(t, text, opts)
		var got []float32
		for range 3 {
			set(n.Blob("data"))
			n.ClearParamDiffs()
			got = append(got, forward(t, n))
			backward(t, n)
			for _, p := range n.Params() {
				kernel.Scale(nil, 0.01, p.Blob.Diff(), p.Blob.MutableDiff())
			}
			n.Update()
		}
		for _, p := range n.Params() {
			got = append(append(got, p.Blob.Data()...), p.Blob.Diff()...)
		}
		if want[shared] == nil {
			want[shared] = got
		} else if !slices.Equal(got, want[shared]) {
			t.Errorf("%d threads give other results than one; shared memory: %v", threads, shared)
		}
	}
}
