package emsoftmax_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// diversity computes the term and the matrices H K_u H W_v summed over u, from
// the definition, in float64.
func diversity(weights []float32, v, k, d int, normalize string) (term float64, grad []float64) {
	w := make([]float64, len(weights))
	size := map[string]int{"CLASS": d, "FROBENIUS": k * d, "NONE": len(w)}[normalize]
	for i := 0; i < len(w); i += size {
		norm := 0.0
		for _, x := range weights[i : i+size] {
			norm += float64(x) * float64(x)
		}
		if normalize == "NONE" || norm == 0 {
			norm = 1
		}
		for j := range size {
			w[i+j] = float64(weights[i+j]) / math.Sqrt(norm)
		}
	}
	at := func(v, i, j int) float64 { return w[(v*k+i)*d+j] }
	kernel := func(v int) []float64 { // H K_v H
		g := make([]float64, k*k)
		for i := range k {
			for j := range k {
				for x := range d {
					g[i*k+j] += at(v, i, x) * at(v, j, x)
				}
			}
		}
		h := func(g []float64, i, j int) float64 { // (g H)_ij
			mean := 0.0
			for x := range k {
				mean += g[i*k+x] / float64(k)
			}
			return g[i*k+j] - mean
		}
		gh := make([]float64, k*k)
		for i := range k {
			for j := range k {
				gh[j*k+i] = h(g, i, j) // transposed
			}
		}
		hgh := make([]float64, k*k)
		for i := range k {
			for j := range k {
				hgh[i*k+j] = h(gh, i, j)
			}
		}
		return hgh
	}
	grad = make([]float64, len(w))
	for a := range v {
		for b := range v {
			if a == b {
				continue
			}
			hgh := kernel(b)
			for i := range k {
				for j := range k {
					for x := range d {
						grad[(a*k+i)*d+x] += hgh[i*k+j] * at(a, j, x)
						term += hgh[i*k+j] * at(a, j, x) * at(a, i, x)
					}
				}
			}
		}
	}
	return term, grad
}

// TestDiversity compares the term and its gradient in the paper with the definition,
// for sizes that use either method and for class vectors of length 0.
func TestDiversity(t *testing.T) {
	for _, normalize := range []string{"CLASS", "FROBENIUS", "NONE"} {
		for _, size := range []struct{ v, k, d int }{{2, 4, 7}, {2, 9, 3}, {4, 5, 6}, {3, 40, 2}} {
			for _, zero := range []bool{false, true} {
				name := fmt.Sprintf("%s/%d/zero=%v", normalize, size, zero)
				const lambda = 0.5
				x, label := layertest.Gaussian(1, 3, size.d), layertest.Labels(7, size.k, 3)
				var shown float32 // by the third top
				run := func(lambda float32) (float32, []float32, []float32) {
					f := layertest.New(t, layer(fmt.Sprintf("num_output: %d V: %d lambda: %g normalize: %s hsic_gradient: PAPER %s",
						size.k, size.v, lambda, normalize, gaussian), `top: "diversity" loss_weight: 2 loss_weight: 0 loss_weight: 0`), x, label)
					weights := f.Params()[0]
					if zero {
						clear(weights.MutableData()[size.d : 2*size.d])
					}
					if err := f.Forward(); err != nil {
						t.Fatal(err)
					}
					if err := f.Backward(); err != nil {
						t.Fatal(err)
					}
					shown = f.Top[2].Data()[0]
					return f.Top[0].Data()[0], weights.Data(), weights.Diff()
				}
				plain, weights, plainDiff := run(0)
				without := shown
				loss, _, diff := run(lambda)
				term, grad := diversity(weights, size.v, size.k, size.d, normalize)
				if shown != without || math.Abs(float64(shown)-term) > 2e-6*term {
					t.Errorf("%s: the top has %g, %g with lambda 0, want %g", name, shown, without, term)
				}
				if want := lambda * term; math.Abs(float64(loss-plain)-want) > 2e-6*(float64(loss)+float64(plain)) {
					t.Errorf("%s: the term is %g, want %g", name, loss-plain, want)
				}
				most := 0.0
				for _, g := range grad {
					most = max(most, math.Abs(g))
				}
				for i := range diff {
					want := 2 * lambda * grad[i]
					if zero && normalize == "CLASS" && i >= size.d && i < 2*size.d {
						want = 0
					}
					if got := float64(diff[i]) - float64(plainDiff[i]); math.Abs(got-want) > 1e-5*(most+1) {
						t.Errorf("%s: gradient %d of the term is %g, want %g", name, i, got, want)
						break
					}
				}
			}
		}
	}
}

// TestZeroLength checks that class vectors, and a classifier, of length 0 have
// a finite loss and the exact gradient of the rest.
func TestZeroLength(t *testing.T) {
	for _, normalize := range []string{"CLASS", "FROBENIUS", "NONE"} {
		f := layertest.New(t, layer("num_output: 4 V: 3 lambda: 2 normalize: "+normalize+gaussian), layertest.Gaussian(1, 3, 5), layertest.Labels(7, 4, 3))
		weights := f.Params()[0].MutableData()
		clear(weights[5:10])  // a class
		clear(weights[40:60]) // a classifier
		weights[0] = 1e-40    // and a length without an inverse
		clear(weights[1:5])
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if err := f.Backward(); err != nil {
			t.Fatal(err)
		}
		for i, g := range append(f.Params()[0].Diff(), f.Top[0].Data()...) {
			if math.IsNaN(float64(g)) || math.IsInf(float64(g), 0) {
				t.Fatalf("%s: number %d is %g", normalize, i, g)
			}
		}
	}
}

// TestDiversityTop checks the third top where nothing needs the term: in the phase
// TEST and of one classifier.
func TestDiversityTop(t *testing.T) {
	const k, d = 5, 4
	for _, test := range []struct {
		v       int
		options string
		factor  float64
	}{
		{3, "lambda: 7", 1},
		{3, "hsic_scale: true", 1. / 16},
		{1, "lambda: 7", 0},
	} {
		for _, phase := range []string{"TRAIN", "TEST"} {
			text := layer(fmt.Sprintf("num_output: %d V: %d %s %s", k, test.v, test.options, gaussian), `top: "diversity" phase: `+phase)
			f := layertest.New(t, text, layertest.Gaussian(1, 3, d), layertest.Labels(7, k, 3))
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			term, _ := diversity(f.Params()[0].Data(), test.v, k, d, "CLASS")
			if got, want := float64(f.Top[2].Data()[0]), test.factor*term; math.Abs(got-want) > 1e-5*want {
				t.Errorf("V %d, %s, %s: the term is %g, want %g", test.v, test.options, phase, got, want)
			}
		}
	}
}

// TestReport checks the mean cosine of three classifiers of two classes: a vector against
// itself, against a perpendicular one, against its opposite, and of length 0.
func TestReport(t *testing.T) {
	f := layertest.New(t, layer("num_output: 2 V: 3"), layertest.Gaussian(1, 3, 2), layertest.Labels(7, 2, 3))
	copy(f.Params()[0].MutableData(), []float32{
		1, 2, 0, 3, // classifier 0
		2, 4, 5, 0,
		-1, -2, 0, 0,
	})
	// Pairs 0,1; 0,2; 1,2: class 0 has 1, -1, -1, and class 1 has 0, 0, 0.
	want := "mean cosine between the 3 classifiers = -0.1667"
	if got := f.Layer.(layers.Reporter).Report(); got != want {
		t.Errorf("the report is %q, want %q", got, want)
	}
	one := layertest.New(t, layer("num_output: 2"), layertest.Gaussian(1, 3, 2), layertest.Labels(7, 2, 3))
	if got := one.Layer.(layers.Reporter).Report(); got != "" {
		t.Errorf("the report of one classifier is %q, want none", got)
	}
}
