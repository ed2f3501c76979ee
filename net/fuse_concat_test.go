package net

import (
	"slices"
	"strings"
	"testing"
)

// TestFuseConcat has a Concat whose top several layers read. It adds their gradients where it
// cuts them, with the bits of a Split that does it before.
func TestFuseConcat(t *testing.T) {
	conv := func(bottom, top, more string) string {
		return "layer { name: '" + top + "' type: 'Convolution' bottom: '" + bottom + "' top: '" + top + "' " + more +
			" convolution_param { num_output: 3 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } } }\n"
	}
	power := func(bottom, top string) string {
		return "layer { name: '" + top + "' type: 'Power' bottom: '" + bottom + "' top: '" + top + "' power_param { scale: 0.5 } }\n"
	}
	concat := func(axis string) string {
		return "layer { name: 'y' type: 'Concat' bottom: 'a' bottom: 'b' top: 'y' concat_param { axis: " + axis + " } }\n"
	}
	readers := power("y", "r0") + power("y", "r1") + power("y", "r2") +
		"layer { name: 'c' type: 'Eltwise' bottom: 'r0' bottom: 'r1' bottom: 'r2' top: 'c' }\n"
	for _, test := range []struct{ name, layers, fused string }{
		{"channels", conv("data", "a", "") + conv("data", "b", "") + concat("1") + readers, "y_y_0_split"},
		{"rows", conv("data", "a", "") + conv("data", "b", "") + concat("2") + readers, "y_y_0_split"},
		{"a piece without a gradient", conv("data", "a", "") + conv("data", "b", "param { lr_mult: 0 } param { lr_mult: 0 }") + concat("1") + readers, "y_y_0_split"},
		{"one reader", conv("data", "a", "") + conv("data", "b", "") + concat("1") + power("y", "c"), ""},
		{"one bottom", conv("data", "a", "") + "layer { name: 'y' type: 'Concat' bottom: 'a' top: 'y' }\n" + readers, ""},
		{"loss", conv("data", "a", "") + conv("data", "b", "") + strings.Replace(concat("1"), "top: 'y'", "top: 'y' loss_weight: 0.5", 1) + readers, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var results [][]float32
			for _, opts := range []Options{{}, {Memory: new(Memory)}} {
				opts.State, opts.Seed = state(t, "TRAIN"), 3
				n := build(t, channels+test.layers+scores, opts)
				set(n.Blob("data"))
				copy(n.Blob("label").MutableData(), []float32{0, 1, 2, 1})
				results = append(results, iterate(t, n))
				if got := strings.Join(fusedLayers(n), " "); opts.Memory != nil && got != test.fused {
					t.Errorf("layers that others compute: %s, want %s", got, test.fused)
				}
				if allocs := testing.AllocsPerRun(2, func() { forward(t, n); backward(t, n) }); allocs > 0 && !raceEnabled {
					t.Errorf("a pass allocates %v times", allocs)
				}
			}
			if !slices.Equal(results[0], results[1]) {
				t.Error("other bits than those of a Split")
			}
		})
	}
}
