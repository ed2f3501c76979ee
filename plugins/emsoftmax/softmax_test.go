package emsoftmax_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"github.com/gocaffe/gocaffe/parallel"
)

// TestSoftmaxWithLoss checks that one classifier without margin agrees bit for bit
// with InnerProduct and SoftmaxWithLoss in initial weights, loss and gradients: for
// ordinary and huge scores, and with labels to ignore.
func TestSoftmaxWithLoss(t *testing.T) { testSoftmaxWithLoss(t, nil) }

func TestSoftmaxWithLossDevice(t *testing.T) { testSoftmaxWithLoss(t, cudatest.Device(t)) }

func testSoftmaxWithLoss(t *testing.T, device *cuda.Device) {
	const m, k, d = 133, 37, 45
	for _, scale := range []float32{1, 100} {
		for _, lossParam := range []string{"", "loss_param { ignore_label: 3 }", "loss_param { normalization: NONE } loss_weight: 0.3"} {
			for _, phase := range []string{"TRAIN", "TEST"} {
				x, label := layertest.Gaussian(1, m, d), layertest.Labels(7, k, m)
				for i := range x.MutableData() {
					x.MutableData()[i] *= scale
				}
				pool := parallel.NewPool(2)
				defer pool.Close()
				setUp := func(text string, bottom ...*blob.Blob) *layertest.Fixture {
					f, err := layertest.SetUp(&layers.Env{Seed: 1, Workers: pool, Device: device}, text, bottom...)
					if err != nil {
						t.Fatal(err)
					}
					return f
				}
				must := func(err error) {
					t.Helper()
					if err != nil {
						t.Fatal(err)
					}
				}
				phase := " phase: " + phase
				copied := layertest.Values(x.Data(), m, d)
				em := setUp(layer(`num_output: 37 weight_filler { type: "msra" }`, lossParam, phase), copied, label)
				must(em.Forward())
				must(em.Backward())

				ip := setUp(`layer { name: "em" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 37 bias_term: false weight_filler { type: "msra" } }`+phase+`}`, x)
				must(ip.Forward())
				loss := setUp(`layer { name: "loss" type: "SoftmaxWithLoss" bottom: "y" bottom: "label" top: "loss" `+lossParam+phase+`}`, ip.Top[0], label)
				must(loss.Forward())
				must(loss.Backward())
				must(ip.Backward())

				for what, pair := range map[string][2][]float32{
					"weights":              {em.Params()[0].Data(), ip.Params()[0].Data()},
					"loss":                 {em.Top[0].Data(), loss.Top[0].Data()},
					"scores":               {em.Top[1].Data(), ip.Top[0].Data()},
					"gradient of features": {copied.Diff(), x.Diff()},
					"gradient of weights":  {em.Params()[0].Diff(), ip.Params()[0].Diff()},
				} {
					if !slices.Equal(pair[0], pair[1]) {
						t.Errorf("scale %g, %s %s: the %s are not those of InnerProduct and SoftmaxWithLoss", scale, phase, lossParam, what)
					}
				}
			}
		}
	}
}

// TestLargeLogits checks that no score overflows, and that the loss of a badly
// misclassified item is not clipped.
func TestLargeLogits(t *testing.T) {
	x := layertest.Values([]float32{1000, -1000}, 2, 1)
	f := layertest.New(t, layer(`num_output: 2 V: 2 m: 5`), x, layertest.Values([]float32{0, 0}, 2))
	copy(f.Params()[0].MutableData(), []float32{1, -1, 100, -100})
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	// Item 0 is right by 2000 and 200000, item 1 wrong by as much and the margin.
	if got, want := f.Top[0].Data()[0], float32(2005+200005)/2; got != want {
		t.Errorf("loss is %g, want %g", got, want)
	}
	if err := f.Backward(); err != nil {
		t.Fatal(err)
	}
	if got, want := x.Diff(), []float32{0, -101}; !slices.Equal(got, want) { // ½ Σ (w₁ - w₀) of the wrong one
		t.Errorf("gradient is %v, want %v", got, want)
	}
}

// TestScores checks that both phases have the averaged classifier's scores, and that
// the loss in TEST is that of a softmax of them.
func TestScores(t *testing.T) {
	const m, k, d, v = 5, 4, 7, 3
	x, label := layertest.Gaussian(1, m, d), layertest.Labels(7, k, m)
	options := fmt.Sprintf("num_output: %d V: %d m: 3 lambda: 2 %s", k, v, gaussian)
	train := layertest.New(t, layer(options), x, label)
	test := layertest.New(t, layer(options, "phase: TEST"), x, label)
	for _, f := range []*layertest.Fixture{train, test} {
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
	}
	var loss float64
	for i := range m {
		var score [k]float64
		sum := 0.0
		for c := range k {
			for u := range v {
				for j := range d {
					score[c] += float64(train.Params()[0].Data()[(u*k+c)*d+j]) * float64(x.Data()[i*d+j]) / v
				}
			}
			sum += math.Exp(score[c])
			for phase, f := range map[string]*layertest.Fixture{"TRAIN": train, "TEST": test} {
				if got := f.Top[1].Data()[i*k+c]; math.Abs(float64(got)-score[c]) > 1e-5 {
					t.Errorf("%s: score %d of item %d is %g, want %g", phase, c, i, got, score[c])
				}
			}
		}
		loss += math.Log(sum) - score[int(label.Data()[i])]
	}
	if got := test.Top[0].Data()[0]; math.Abs(float64(got)-loss/m) > 1e-5 {
		t.Errorf("TEST: loss is %g, want %g", got, loss/m)
	}
}
