package net

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

// left returns the names of the layers that leave the gradient of their bottom to the layer before.
func left(n *Net) string {
	var names []string
	for _, l := range n.layers {
		if l.after != nil {
			names = append(names, l.after.Name)
		}
	}
	return strings.Join(names, " ")
}

func init() {
	layers.Register(layers.Info{
		Type: "ForeignLeft", Group: "test", Doc: "A copy, which computes what is left of the gradient of its top.",
		Bottoms: layers.Exactly(1), Tops: layers.Exactly(1),
		New: func(*layers.Spec) (layers.Layer, error) { return new(foreignLeft), nil },
	})
}

// foreignLeft computes the gradient that the next layer leaves, as a plugin could.
type foreignLeft struct {
	foreignReader
	left *kernel.ItemGrad
}

func (l *foreignLeft) ReadLeftGrad(left *kernel.ItemGrad) bool {
	l.left = left
	return true
}

func (l *foreignLeft) BackwardReads() (bottom, top bool) { return false, l.left != nil }

func (l *foreignLeft) Backward(ctx context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if l.left != nil {
		l.left.Finish(nil)
	}
	return l.foreignReader.Backward(ctx, top, propagateDown, bottom)
}

// TestLeaveGrads has normalizations that leave their gradient to the layer before, and says
// where. The results are those of nets in which they do not, to the last bit.
func TestLeaveGrads(t *testing.T) {
	replace := func(text string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }
	base := below + "layer { name: 'copy' type: 'ForeignLeft' bottom: 'a' top: 'k' }\n"
	onK := func(text string) string { return replace(text, "'a'", "'k'") }
	options := func(text string) string {
		return onK(replace(normIn, "'BatchNorm'", "'BatchNorm' batch_norm_param { "+text+" }"))
	}
	for _, test := range []struct{ name, layers, left string }{
		{"in place", base + onK(normIn+scaleIn+reluIn+above), "bn"},
		{"alone", base + onK(normIn+above), "bn"},
		{"with layers that it does not take in", base + onK(normIn+above) + replace(tanhIn, "'f'", "'c'"), "bn"},
		{"pooled", base + onK(normIn+reluIn+readsIn) + replace(above, "bottom: 'a'", "bottom: 'pool'"), "bn"},
		{"two in turn", base + onK(normIn) + "layer { name: 'copy2' type: 'ForeignLeft' bottom: 'k' top: 'c' }\n" + replace(normIn, "'a'", "'c'", "'bn'", "'bn2'"), "bn bn2"},
		{"not in place", base + onK(apartIn) + replace(above, "bottom: 'a'", "bottom: 'n'"), ""},
		{"a rectifier between", base + onK(reluIn+normIn+above), ""},
		{"running statistics", base + options("use_global_stats: true") + onK(above), ""},
		{"groups of items", base + options("stats_batch_size: 2") + onK(above), ""},
		{"frozen below", replace(base, "top: 'a'", "top: 'a' param { lr_mult: 0 } param { lr_mult: 0 }") + onK(normIn+scaleIn+above), ""},
		{"cut off", base + replace(onK(normIn), "top: 'k'", "top: 'k' propagate_down: false") + onK(scaleIn+above), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var nets []*Net
			for _, opts := range []Options{{}, {Memory: new(Memory)}, {Memory: new(Memory)}, {Memory: new(Memory), Keep: []string{"a", "k"}}} {
				opts.State, opts.Seed = state(t, "TRAIN"), 3
				nets = append(nets, build(t, channels+test.layers+scores, opts))
			}
			if got := left(nets[1]); got != test.left {
				t.Errorf("gradients are left by %q, want %q", got, test.left)
			}
			if left(nets[0]) != "" {
				t.Error("gradients are left in a net whose blobs keep their values")
			}
			for _, l := range nets[2].layers {
				l.unleave()
			}
			for pass, items := range []int{4, 4, 2} {
				if pass == 2 {
					nets[1].Keep() // from now on it is like the first net
				}
				var results [][]float32
				for _, n := range nets {
					for name, item := range map[string][]int{"data": {3, 5, 6}, "label": nil} {
						if err := n.Blob(name).Reshape(append([]int{items}, item...)...); err != nil {
							t.Fatal(err)
						}
					}
					set(n.Blob("data"))
					copy(n.Blob("label").MutableData(), []float32{0, 1, 2, 1})
					results = append(results, iterate(t, n))
				}
				if d := distance(results[1], results[0]); !(d <= 1e-5) {
					t.Errorf("pass %d: differs by %g of the largest", pass, d)
				}
				if pass < 2 && !slices.Equal(results[1], results[2]) {
					t.Errorf("pass %d: other bits than those of a net that leaves nothing", pass)
				}
				if d := distance(results[3], results[0]); !(d <= 1e-5) {
					t.Errorf("pass %d: with blobs kept differs by %g of the largest", pass, d)
				}
			}
			if left(nets[1]) != "" {
				t.Error("gradients are left after Keep")
			}
		})
	}
}

// TestLeaveGradsLarge trains a net with a gradient that is larger than the caches, so that a
// convolution computes it as it reads it. The results are the same bits as of a net that leaves
// nothing, on any number of threads.
func TestLeaveGradsLarge(t *testing.T) {
	pools := []*parallel.Pool{nil, parallel.NewPool(2), parallel.NewPool(3)}
	defer pools[1].Close()
	defer pools[2].Close()
	onC := strings.NewReplacer("'a'", "'c'", "'bn'", "'bn2'", "'scale'", "'scale2'", "'relu'", "'relu2'")
	text := "layer { name: 'in' type: 'Input' top: 'data' top: 'label' input_param { shape { dim: 120 dim: 1 dim: 48 dim: 48 } shape { dim: 120 } } }\n" +
		normed + strings.Replace(above, "num_output: 18", "num_output: 24", 1) + onC.Replace(normIn+scaleIn+reluIn) +
		"layer { name: 'pool' type: 'Pooling' bottom: 'c' top: 'pool' pooling_param { pool: AVE kernel_size: 16 stride: 16 } }\n" +
		strings.Replace(scores, "bottom: 'c'", "bottom: 'pool'", 1)
	var want []float32
	for i, pool := range []*parallel.Pool{nil, pools[0], pools[1], pools[2]} {
		n := build(t, text, Options{State: state(t, "TRAIN"), Seed: 3, Memory: new(Memory), Workers: pool})
		wantLeft := "bn2"
		if pool.Threads() == 3 {
			wantLeft = "" // threads do not share eight parts evenly
		}
		if got := left(n); got != wantLeft {
			t.Errorf("%d threads: gradients are left by %q, want %q", pool.Threads(), got, wantLeft)
		}
		if i == 0 {
			n.layerByName("c").unleave()
		}
		set(n.Blob("data"))
		for i := range n.Blob("label").MutableData() {
			n.Blob("label").MutableData()[i] = float32(i % 3)
		}
		got := append(iterate(t, n), iterate(t, n)...)
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Errorf("on %d threads the results are others", pool.Threads())
		}
		// Goroutines that wait for others may allocate, on a busy machine.
		if allocs := testing.AllocsPerRun(2, func() { forward(t, n); backward(t, n) }); allocs > 16 && pool != nil && !raceEnabled {
			t.Errorf("a pass allocates %v times", allocs)
		}
	}
}
