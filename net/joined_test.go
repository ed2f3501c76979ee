package net

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// joinedBlobs returns the names of the blobs that lie in the top of a Concat, but for those
// that a Split makes.
func joinedBlobs(n *Net) string {
	var names []string
	for _, a := range n.arrays(false) {
		if a.whole != nil {
			for _, b := range n.blobs {
				if slices.Contains(a.blobs, b.Blob) && !strings.Contains(b.name, "split") {
					names = append(names, b.name)
				}
			}
		}
	}
	return strings.Join(names, " ")
}

// TestJoined says which bottoms of a Concat are computed in its top. The results are the same
// bits as those of separate blobs, also where the batch size changes later.
func TestJoined(t *testing.T) {
	layer := func(name, typ, bottoms, more string) string {
		text := fmt.Sprintf("layer { name: '%s' type: '%s' top: '%s' %s ", name, typ, name, more)
		for _, b := range strings.Fields(bottoms) {
			text += "bottom: '" + b + "' "
		}
		return text + "}\n"
	}
	conv := func(name, bottom string) string {
		return layer(name, "Convolution", bottom, "convolution_param { num_output: 5 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } }")
	}
	inPlace := func(typ, blob string) string {
		return fmt.Sprintf("layer { name: '%s %s' type: '%s' bottom: '%s' top: '%s' }\n", typ, blob, typ, blob, blob)
	}
	power := func(name, bottom string) string {
		return layer(name, "Power", bottom, "power_param { scale: 0.5 }")
	}
	concat := func(name, bottoms string) string { return layer(name, "Concat", bottoms, "") }
	two := conv("a", "data") + conv("b", "data")
	for _, test := range []struct{ name, layers, joined, keep string }{
		{"two", two + concat("y", "a b") + power("end", "y"), "a b", ""},
		{"an output", two + concat("y", "a b"), "a b", ""},
		{"rectified in place", conv("a", "data") + inPlace("ReLU", "a") + conv("b", "data") + inPlace("TanH", "b") + concat("y", "a b") + power("end", "y"), "a b", ""},
		{"flattened", two + layer("fa", "Flatten", "a", "") + layer("fb", "Flatten", "b", "") + concat("y", "fa fb") + power("end", "y"), "a fa b fb", ""},
		{"changed in place later", two + concat("y", "a b") + inPlace("TanH", "y") + power("end", "y"), "a b", ""},
		{"several readers", two + concat("y", "a b") + power("end", "y") + conv("end2", "y") + conv("end3", "y"), "a b", ""},
		{"the input", conv("a", "data") + concat("y", "data a") + power("end", "y"), "a", ""},
		{"read before", conv("a", "data") + conv("b", "a") + concat("y", "b a") + power("end", "y"), "a b", ""},
		{"read later", two + concat("y", "a b") + inPlace("TanH", "y") + power("end", "y") + conv("end2", "b"), "a", ""},
		{"twice", two + concat("y", "a b a") + power("end", "y"), "a b", ""},
		{"in two tops", two + concat("y", "a b") + conv("c", "y") + concat("z", "c a") + power("end", "z"), "a b c", ""},
		{"dense", conv("a", "data") + conv("b", "a") + concat("y", "a b") + conv("c", "y") + concat("z", "y c") + conv("d", "z") + concat("u", "z d") + power("end", "u"), "a b y c z d", ""},
		{"nested in an output", two + concat("y", "a b") + conv("c", "data") + concat("z", "c y"), "a b y c", ""},
		{"kept", two + concat("y", "a b") + power("end", "y"), "a", "b"},
		{"kept top", two + concat("y", "a b") + power("end", "y"), "a b", "y"},
		{"rows", two + layer("y", "Concat", "a b", "concat_param { axis: 2 }") + power("end", "y"), "", ""},
		{"items", two + layer("y", "Concat", "a b", "concat_param { axis: 0 }") + power("end", "y"), "a b", ""},
		{"one bottom", conv("a", "data") + concat("y", "a") + power("end", "y"), "", ""},
		{"empty", two + layer("none", "Slice", "data", "top: 'rest' slice_param { slice_point: 3 }") + concat("y", "a rest b") + power("end", "y") + power("end2", "none"), "a b rest", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := "layer { name: 'in' type: 'Input' top: 'data' input_param { shape { dim: 1 dim: 3 dim: 5 dim: 6 } } }\n" + test.layers
			opts := Options{State: state(t, "TEST"), Seed: 3, Keep: strings.Fields(test.keep)}
			apart := build(t, text, opts)
			opts.Inference = true
			n, kept := build(t, text, opts), build(t, text, opts)
			if got := joinedBlobs(n); got != test.joined {
				t.Errorf("bottoms in the top: %q, want %q", got, test.joined)
			}
			same := func(n *Net, items int) {
				t.Helper()
				for _, each := range []*Net{apart, n} {
					if err := each.Blob("data").Reshape(items, 3, 5, 6); err != nil {
						t.Fatal(err)
					}
					set(each.Blob("data"))
				}
				if want, got := spoiled(t, apart, opts.Keep...), spoiled(t, n, opts.Keep...); !slices.Equal(got, want) {
					t.Errorf("%d items: other results than those of separate blobs", items)
				}
			}
			same(n, 1)
			same(n, 1)
			if allocs := testing.AllocsPerRun(2, func() { forward(t, n) }); allocs > 0 && !raceEnabled {
				t.Errorf("a pass allocates %v times", allocs)
			}
			for _, a := range n.arrays(false) {
				if a.whole != nil && a.count() > 0 && &a.blobs[0].Data()[0] != &a.whole.blobs[0].Data()[a.at] {
					t.Errorf("a bottom of %d elements is not at element %d of the top", a.count(), a.at)
				}
			}
			for _, items := range []int{2, 3, 1, 2} {
				same(n, items)
			}
			same(kept, 1)
			kept.Keep()
			same(kept, 1)
			same(kept, 2)
		})
	}
}

// TestJoinedReshaped changes the sizes of the bottoms of a Concat so that places in the top
// change in both directions.
func TestJoinedReshaped(t *testing.T) {
	const text = `layer { name: 'in' type: 'Input' top: 'u' top: 'v' top: 'w' input_param { shape { dim: 1 dim: 4 } shape { dim: 1 dim: 6 } shape { dim: 1 dim: 5 } } }
		layer { name: 'a' type: 'Power' bottom: 'u' top: 'a' }
		layer { name: 'b' type: 'Power' bottom: 'v' top: 'b' }
		layer { name: 'c' type: 'Power' bottom: 'w' top: 'c' }
		layer { name: 'y' type: 'Concat' bottom: 'a' bottom: 'b' bottom: 'c' top: 'y' }`
	n := build(t, text, Options{Inference: true})
	if got := joinedBlobs(n); got != "a b c" {
		t.Fatalf("bottoms in the top: %s", got)
	}
	for _, sizes := range [][]int{{4, 6, 5}, {10, 2, 5}, {1, 6, 5}, {4, 6, 5}} {
		var want []float32
		for i, size := range sizes {
			b := n.Blob(string("uvw"[i]))
			if err := b.Reshape(1, size); err != nil {
				t.Fatal(err)
			}
			for k := range b.MutableData() {
				b.MutableData()[k] = float32(10*i + k)
			}
			want = append(want, b.Data()...)
		}
		forward(t, n)
		if got := n.Blob("y").Data(); !slices.Equal(got, want) {
			t.Errorf("bottoms of %v elements: got %v", sizes, got)
		}
	}
}
