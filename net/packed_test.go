package net

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gocaffe/gocaffe/parallel"
)

// packedNet has convolutions that can keep their weights packed, by each method, one that cannot,
// and one with the weights of another layer.
const packedNet = `
layer { name: 'in' type: 'Input' top: 'data' input_param { shape { dim: 1 dim: 20 dim: 14 dim: 14 } } }
layer { name: 'winograd' type: 'Convolution' bottom: 'data' top: 'a' convolution_param { num_output: 50 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } } }
layer { name: 'relu' type: 'ReLU' bottom: 'a' top: 'a' }
layer { name: 'reduce' type: 'Convolution' bottom: 'a' top: 'b' convolution_param { num_output: 32 kernel_size: 1 weight_filler { type: 'msra' } bias_filler { value: 1 } } }
layer { name: 'stride' type: 'Convolution' bottom: 'b' top: 'c' convolution_param { num_output: 48 kernel_size: 3 stride: 2 weight_filler { type: 'msra' } } }
layer { name: 'wide' type: 'Convolution' bottom: 'c' top: 'd' param { name: 'w' } convolution_param { num_output: 304 kernel_size: 1 bias_term: false weight_filler { type: 'msra' } } }
layer { name: 'again' type: 'Convolution' bottom: 'c' top: 'e' param { name: 'w' } convolution_param { num_output: 304 kernel_size: 1 bias_term: false } }
layer { name: 'depthwise' type: 'Convolution' bottom: 'e' top: 'f' convolution_param { num_output: 304 group: 304 kernel_size: 3 weight_filler { type: 'msra' } } }
layer { name: 'end' type: 'InnerProduct' bottom: 'f' top: 'end' inner_product_param { num_output: 3 weight_filler { type: 'msra' } } }
layer { name: 'sum' type: 'Reduction' bottom: 'd' top: 'sum' }`

// packing returns the names of the layers that keep their weights packed, and their bytes.
func packing(n *Net) (names []string, bytes int64) {
	for _, l := range n.layers {
		if l.packed > 0 {
			names = append(names, l.Name)
			bytes += l.packed
		}
	}
	return names, bytes
}

// results runs a pass and returns the outputs.
func results(t testing.TB, n *Net) []float32 {
	t.Helper()
	forward(t, n)
	var all []float32
	for _, out := range n.outputs {
		all = append(all, out.Blob.Data()...)
	}
	return all
}

// TestPackedWeights changes weights between passes in every way, and compares the results with those
// of a net that packs them in every pass, to the last bit.
func TestPackedWeights(t *testing.T) {
	for _, threads := range []int{0, 1, 2, 3} {
		var pool *parallel.Pool
		if threads > 0 {
			pool = parallel.NewPool(threads)
			defer pool.Close()
		}
		opts := Options{State: state(t, "TEST"), Workers: pool, Seed: 5, Inference: true}
		n := build(t, packedNet, opts)
		opts.PackedWeights = -1
		fresh := build(t, packedNet, opts)
		opts.Seed, opts.Inference = 6, false
		trained := build(t, packedNet, opts)
		nets := []*Net{n, fresh}
		if got, _ := packing(n); !slices.Equal(got, []string{"winograd", "reduce", "stride", "wide", "again"}) {
			t.Fatalf("layers that keep their weights packed: %v", got)
		}
		set(n.Blob("data"))
		set(fresh.Blob("data"))
		path := filepath.Join(t.TempDir(), "w.caffemodel")
		if err := trained.SaveWeights(path, false); err != nil {
			t.Fatal(err)
		}
		reshape := func(items int) func(t *testing.T) {
			return func(t *testing.T) {
				for _, n := range nets {
					if err := n.Blob("data").Reshape(items, 20, 14, 14); err != nil {
						t.Fatal(err)
					}
					set(n.Blob("data"))
				}
			}
		}
		var last []float32
		for _, step := range []struct {
			name   string
			same   bool // the results are those of the step before
			change func(t *testing.T)
		}{
			{"the fillers' weights", false, func(*testing.T) {}},
			{"nothing", true, func(*testing.T) {}},
			{"MutableData", false, func(*testing.T) {
				for _, n := range nets {
					for _, l := range []string{"winograd", "reduce", "stride", "wide"} {
						n.Layer(l).Params[0].MutableData()[7] += 3
					}
				}
			}},
			{"MutableData through the layer that shares the weights", false, func(*testing.T) {
				for _, n := range nets {
					n.Layer("again").Params[0].MutableData()[5] = 4
				}
			}},
			{"LoadWeights", false, func(t *testing.T) {
				for _, n := range nets {
					if err := n.LoadWeights(path); err != nil {
						t.Fatal(err)
					}
				}
			}},
			{"four items", false, reshape(4)},
			{"one item again", false, reshape(1)},
			{"ShareTrainedWith", false, func(t *testing.T) {
				for _, l := range []string{"winograd", "reduce", "stride", "wide"} {
					trained.Layer(l).Params[0].MutableData()[9] -= 2
				}
				for _, n := range nets {
					if err := n.ShareTrainedWith(trained); err != nil {
						t.Fatal(err)
					}
				}
			}},
			{"Update of the net that shares the weights", false, func(*testing.T) {
				for _, p := range trained.Params() {
					set(p.Blob)
					for i := range p.Blob.MutableDiff() {
						p.Blob.MutableDiff()[i] = float32(i % 3)
					}
				}
				trained.Update()
			}},
			{"FillLater", false, func(*testing.T) {
				for _, n := range nets {
					for _, l := range []string{"winograd", "reduce", "stride", "wide", "again"} {
						n.Layer(l).Params[0].FillLater(func(data []float32) {
							for i := range data {
								data[i] = float32(i%11) / 8
							}
						})
					}
				}
			}},
			{"nothing, once more", true, func(*testing.T) {}},
		} {
			step.change(t)
			for pass := range 3 {
				got, want := results(t, n), results(t, fresh)
				if !slices.Equal(got, want) {
					t.Errorf("%d threads, after %s, pass %d: results differ from those of weights packed anew", threads, step.name, pass)
				}
				if pass == 0 && slices.Equal(got, last) != step.same {
					t.Errorf("%d threads: after %s the results are the same: %v, want %v", threads, step.name, !step.same, step.same)
				}
				last = got
			}
		}
		again := n.Layer("again").Params[0]
		if allocs := testing.AllocsPerRun(3, func() { again.MutableData(); forward(t, n); forward(t, n) }); allocs > 0 && !raceEnabled {
			t.Errorf("%d threads: a pass that packs weights again allocates %v times", threads, allocs)
		}
	}
}

// TestPackedWeightsBudget checks which layers keep their weights with how much memory.
func TestPackedWeightsBudget(t *testing.T) {
	all := build(t, packedNet, Options{State: state(t, "TEST"), Inference: true})
	each := make(map[string]int64)
	for _, l := range all.layers {
		each[l.Name] = l.packed
	}
	if plain := 4 * int64(all.Layer("winograd").Params[0].Count()); each["winograd"] < 3*plain || each["wide"] > 2*plain {
		t.Fatalf("packed weights take %v bytes", each)
	}
	small := each["reduce"] + each["stride"] + each["wide"] + each["again"]
	for _, test := range []struct {
		budget int64
		want   []string
	}{
		{0, []string{"winograd", "reduce", "stride", "wide", "again"}},
		{small + each["winograd"], []string{"winograd", "reduce", "stride", "wide", "again"}},
		{small + each["winograd"] - 1, []string{"reduce", "stride", "wide", "again"}}, // transformed weights come last
		{small - 1, []string{"reduce", "stride", "wide"}},
		{each["reduce"], []string{"reduce"}},
		{1, nil},
		{-1, nil},
	} {
		n := build(t, packedNet, Options{State: state(t, "TEST"), Inference: true, PackedWeights: test.budget})
		names, bytes := packing(n)
		if !slices.Equal(names, test.want) || test.budget > 0 && bytes > test.budget {
			t.Errorf("with %d bytes %v keep %d bytes of packed weights, want %v", test.budget, names, bytes, test.want)
		}
		p, of := n.Plan(), int64(0)
		for _, l := range p.Layers {
			of += l.Bytes
		}
		if p.PackedBytes != bytes || of != p.Bytes() || strings.Contains(p.String(), "kept packed") != (bytes > 0) {
			t.Errorf("%d bytes of packed weights, the plan has %d, %d in all and the layers %d:\n%v", bytes, p.PackedBytes, p.Bytes(), of, p)
		}
		// With other shapes the layers share the memory anew.
		if err := n.Blob("data").Reshape(70, 20, 14, 14); err != nil {
			t.Fatal(err)
		}
		forward(t, n)
		if names, bytes := packing(n); test.budget > 0 && bytes > test.budget || slices.Contains(names, "winograd") {
			t.Errorf("with %d bytes and 70 items %v keep %d bytes of packed weights", test.budget, names, bytes)
		}
	}
	for _, opts := range []Options{{}, {ForwardOnly: true, Memory: new(Memory)}, {State: state(t, "TRAIN"), PackedWeights: 1 << 30}} {
		if names, _ := packing(build(t, packedNet, opts)); names != nil {
			t.Errorf("layers of a net that is not for inference keep packed weights: %v", names)
		}
	}
}

// TestPackedWeightsShared runs nets that share weights in several goroutines.
func TestPackedWeightsShared(t *testing.T) {
	opts := Options{State: state(t, "TEST"), Seed: 2, Inference: true}
	owner := build(t, packedNet, opts)
	set(owner.Blob("data"))
	want := results(t, owner)
	var done sync.WaitGroup
	for range 3 {
		n := build(t, packedNet, opts)
		if err := n.ShareTrainedWith(owner); err != nil {
			t.Fatal(err)
		}
		set(n.Blob("data"))
		done.Go(func() {
			for range 4 {
				if _, err := n.Forward(context.Background()); err != nil {
					t.Error(err)
				}
			}
			if got := n.Blob("sum").Data(); got[0] != owner.Blob("sum").Data()[0] {
				t.Errorf("the sum is %v, want %v", got, want)
			}
		})
	}
	done.Wait()
}
