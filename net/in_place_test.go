package net

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// TestInPlaceShared has a layer that works in place on the top of a Flatten or Reshape, which
// has the memory of its bottom. As in Caffe, later readers of the bottom find the changed data.
func TestInPlaceShared(t *testing.T) {
	for _, share := range []string{"type: 'Flatten'", "type: 'Reshape' reshape_param { shape { dim: 0 dim: 0 } }"} {
		text := `layer { name: 'in' type: 'Input' top: 'data' input_param { shape { dim: 2 dim: 3 } } }
			layer { name: 'x' type: 'Power' bottom: 'data' top: 'x' }
			layer { name: 'share' ` + share + ` bottom: 'x' top: 'y' }
			layer { name: 'scale' type: 'Scale' bottom: 'y' top: 'y' scale_param { filler { value: 3 } } }
			layer { name: 'z' type: 'Power' bottom: 'x' top: 'z' power_param { shift: 1 } }
			layer { name: 'loss' type: 'EuclideanLoss' bottom: 'y' bottom: 'z' top: 'loss' }`
		for _, memory := range []*Memory{nil, new(Memory)} {
			n := build(t, text, Options{Memory: memory})
			set(n.Blob("data"))
			// y is 3 data, and z is 3 data + 1: the loss is half the mean over 2 items of 3 squares of 1.
			if loss := forward(t, n); loss != 1.5 {
				t.Errorf("%s, memory shared %v: the loss is %v, want 1.5", share, memory != nil, loss)
			}
		}
	}
}

// TestFuseSharedData has a normalization in place on a blob whose data another one shares, which
// others read as the normalization leaves it, or changed by a layer in place on the other blob.
func TestFuseSharedData(t *testing.T) {
	const (
		split = "layer { name: 'split' type: 'Split' bottom: 'c' top: 's' top: 'u' }\n"
		norm  = "layer { name: 'bn' type: 'BatchNorm' bottom: 's' top: 's' }\n"
		tanh  = "layer { name: 'tanh' type: 'TanH' bottom: 'u' top: 'u' }\n"
		power = "layer { name: 'power' type: 'Power' bottom: 'u' top: 'p' }\n"
		end   = "layer { name: 'sum' type: 'Eltwise' bottom: 'x' bottom: 'p' top: 'y' }\n" +
			"layer { name: 'ip' type: 'InnerProduct' bottom: 'y' top: 'ip' inner_product_param { num_output: 3 weight_filler { type: 'xavier' } } }\n" +
			"layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'label' top: 'loss' }"
		factor = "scale_param { filler { type: 'gaussian' mean: 1 std: 1 } } }\n"
	)
	scale := "layer { name: 'scale' type: 'Scale' bottom: 's' top: 'x' " + factor
	for name, layers := range map[string]string{
		"read":             split + norm + scale + power,
		"read in between":  split + norm + power + scale,
		"changed in place": split + norm + tanh + scale + power,
	} {
		t.Run(name, func(t *testing.T) {
			var want []float32
			for i, opts := range []Options{{}, {Memory: new(Memory)}, {Inference: true}} {
				opts.State, opts.Seed = state(t, "TRAIN"), 3
				n := build(t, channels+convolve+layers+end, opts)
				set(n.Blob("data"))
				if got := spoiled(t, n); i == 0 {
					want = got
				} else if d := distance(got, want); !(d <= 1e-5) {
					t.Errorf("net %d: differs by %g of the largest", i, d)
				}
			}
		})
	}
}

// TestForcedInPlace has a layer in place on the top of one that needs that top in Backward, and
// has a backward pass only because the file forces it.
func TestForcedInPlace(t *testing.T) {
	const text = `force_backward: true
layer { name: 'in' type: 'Input' top: 'data' input_param { shape { dim: 2 dim: 3 } } }
layer { name: 'tanh' type: 'TanH' bottom: 'data' top: 't' }
layer { name: 'power' type: 'Power' bottom: 't' top: 'T' power_param { scale: 3 shift: 1 } }
layer { name: 'ip' type: 'InnerProduct' bottom: 'T' top: 'ip' inner_product_param { num_output: 2 weight_filler { type: 'xavier' } } }
layer { name: 'loss' type: 'Reduction' bottom: 'ip' top: 'loss' loss_weight: 1 }`
	var want []float32
	for i, top := range []string{"u", "t"} {
		n := build(t, strings.ReplaceAll(text, "'T'", "'"+top+"'"), Options{State: state(t, "TRAIN"), Seed: 3})
		set(n.Blob("data"))
		forward(t, n)
		backward(t, n)
		if got := n.Blob("data").Diff(); i == 0 {
			want = got
		} else if !slices.Equal(got, want) {
			t.Errorf("in place the gradient of the data is %v, want %v", got, want)
		}
	}
}

// TestLossInPlace has a loss weight on a top in place, or on one that shares its diff with the
// bottom: the weight, which is in the diff, stays when Backward writes the diff of the bottom.
func TestLossInPlace(t *testing.T) {
	const apart = "layer { name: 'last' type: 'Power' bottom: 'b' top: 'u' loss_weight: 0.5 }"
	for _, test := range []struct{ last, apart string }{
		{"layer { name: 'last' type: 'TanH' bottom: 'b' top: 'b' loss_weight: 0.5 }", ""},
		{"layer { name: 'last' type: 'Scale' bottom: 'b' top: 'b' loss_weight: 0.5 }", ""},
		{"layer { name: 'last' type: 'Flatten' bottom: 'b' top: 'u' loss_weight: 0.5 }", apart},
		{"layer { name: 'last' type: 'Reshape' bottom: 'b' top: 'u' reshape_param { shape { dim: -1 } } loss_weight: 0.5 }", apart},
		{"layer { name: 'last' type: 'Concat' bottom: 'b' top: 'u' loss_weight: 0.5 }", apart},
	} {
		if test.apart == "" {
			test.apart = strings.Replace(test.last, "top: 'b'", "top: 'u'", 1)
		}
		var want []float32
		for _, last := range []string{test.apart, test.last} {
			for _, memory := range []*Memory{nil, new(Memory)} {
				n := build(t, `layer { name: 'in' type: 'Input' top: 'data' input_param { shape { dim: 2 dim: 3 } } }
					layer { name: 'ip' type: 'InnerProduct' bottom: 'data' top: 'b' inner_product_param { num_output: 3 weight_filler { type: 'xavier' } } }
					layer { name: 'tanh' type: 'TanH' bottom: 'b' top: 'b' }
					`+last, Options{State: state(t, "TRAIN"), Seed: 3, Memory: memory})
				var got []float32
				for _, items := range []int{2, 2, 3, 3} {
					if err := n.Blob("data").Reshape(items, 3); err != nil {
						t.Fatal(err)
					}
					set(n.Blob("data"))
					got = append(got, iterate(t, n)...)
				}
				if want == nil {
					want = got
				} else if !slices.Equal(got, want) {
					t.Errorf("%s, memory shared %v: the passes have %v, want %v", last, memory != nil, got, want)
				}
			}
		}
	}
}

// TestAfterReshapeError runs a shape that a layer does not take, and then the one before again.
func TestAfterReshapeError(t *testing.T) {
	text := channels + convolve + "layer { name: 'bn' type: 'BatchNorm' bottom: 'c' top: 'c' batch_norm_param { stats_batch_size: 2 } }\n" + scores
	for _, opts := range []Options{{}, {Memory: new(Memory)}} {
		opts.State, opts.Seed = state(t, "TRAIN"), 3
		n := build(t, text, opts)
		want := float32(-1)
		for _, items := range []int{4, 3, 3, 4} {
			resize(t, n, items)
			set(n.Blob("data"))
			loss, err := n.Forward(context.Background())
			if (err != nil) != (items == 3) {
				t.Fatalf("%d items: error %v", items, err)
			}
			if want < 0 {
				want = loss
			}
			if items == 4 && loss != want {
				t.Errorf("the loss is %v, want %v as before the error", loss, want)
			}
		}
	}
}

// TestSaveBottom has a normalization whose bottom a later layer changes in place, by another name.
// As in Caffe, its gradient does not depend on that.
func TestSaveBottom(t *testing.T) {
	const (
		split   = "layer { name: 'split' type: 'Split' bottom: 'c' top: 'u' top: 's' }\n"
		reshape = "layer { name: 'split' type: 'Split' bottom: 'c' top: 'u' top: 'v' }\n" +
			"layer { name: 'reshape' type: 'Reshape' bottom: 'v' top: 's' reshape_param { shape { dim: 0 dim: 0 dim: 0 dim: 0 } } }\n"
		norm   = "layer { name: 'bn' type: 'BatchNorm' bottom: 'u' top: 'y' }\n"
		scale  = "layer { name: 'scale' type: 'Scale' bottom: 'y' top: 'y' scale_param { filler { type: 'gaussian' mean: 1 std: 1 } } }\n"
		relu   = "layer { name: 'relu' type: 'ReLU' bottom: 'y' top: 'z' }\n"
		power  = "layer { name: 'power' type: 'Power' bottom: 'y' top: 'z' }\n"
		change = "layer { name: 'change' type: 'ReLU' bottom: 's' top: 'S' }\n"
		end    = "layer { name: 'sum' type: 'Eltwise' bottom: 'z' bottom: 'S' top: 'x' }\n" +
			"layer { name: 'ip' type: 'InnerProduct' bottom: 'x' top: 'ip' inner_product_param { num_output: 3 weight_filler { type: 'xavier' } } }\n" +
			"layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'label' top: 'loss' }"
	)
	for name, layers := range map[string]string{
		"alone":            split + norm + power + change,
		"with a rectifier": split + norm + relu + change,
		"in a chain":       split + norm + scale + relu + change,
		"reshaped":         reshape + norm + scale + power + change,
	} {
		t.Run(name, func(t *testing.T) {
			var want []float32
			for _, top := range []string{"'apart'", "'s'"} {
				for _, memory := range []*Memory{nil, new(Memory)} {
					text := channels + convolve + strings.ReplaceAll(layers+end, "'S'", top)
					n := build(t, text, Options{State: state(t, "TRAIN"), Seed: 3, Memory: memory})
					set(n.Blob("data"))
					if got := iterate(t, n)[len(n.layers):]; want == nil {
						want = got
					} else if d := distance(got, want); !(d <= 1e-5) {
						t.Errorf("top %s, memory shared %v: differs by %g of the largest", top, memory != nil, d)
					}
				}
			}
		})
	}
}
