package utility

import (
	"fmt"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestConcatSlice joins pieces along each axis and compares number by number,
// cuts the result again, and does the same to the gradient. Sizes are below and
// above what one part of the copying is.
func TestConcatSlice(t *testing.T) {
	for _, shape := range [][]int{{3, 4, 5}, {1, 2, 20000}, {700, 3, 30}, {2, 40000}, {33000}} {
		for axis := range shape {
			t.Run(fmt.Sprint(shape, axis), func(t *testing.T) { concatSlice(t, shape, axis) })
		}
	}
}

func concatSlice(t *testing.T, shape []int, axis int) {
	var pieces []*blob.Blob
	starts := []int{0}
	for i, size := range []int{shape[axis], 1, 2} {
		s := append([]int(nil), shape...)
		s[axis] = size
		pieces = append(pieces, layertest.Gaussian(uint64(i), s...))
		starts = append(starts, starts[i]+size)
	}
	join := layertest.New(t, layer("Concat", 3, 1, fmt.Sprintf("concat_param { axis: %d }", axis)), pieces...)
	if err := join.Forward(); err != nil {
		t.Fatal(err)
	}
	all := join.Top[0]
	if all.Dim(axis) != starts[3] {
		t.Fatalf("joined shape %v, want size %d of axis %d", all.Shape(), starts[3], axis)
	}
	inner := all.CountFrom(axis + 1)
	for i, v := range all.Data() {
		at, outer := i/inner%starts[3], i/inner/starts[3]
		piece := 0
		for at >= starts[piece+1] {
			piece++
		}
		p := pieces[piece]
		if want := p.Data()[(outer*p.Dim(axis)+at-starts[piece])*inner+i%inner]; v != want {
			t.Fatalf("joined[%d] = %g, want %g", i, v, want)
		}
	}

	cut := layertest.New(t, layer("Slice", 1, 3, fmt.Sprintf("slice_param { axis: %d slice_point: [%d, %d] }", axis, starts[1], starts[2])), all)
	if err := cut.Forward(); err != nil {
		t.Fatal(err)
	}
	for i, p := range pieces {
		same(t, fmt.Sprint("piece ", i), cut.Top[i].Data(), p.Data())
		copy(cut.Top[i].MutableDiff(), p.Data())
	}
	if err := cut.Backward(); err != nil { // writes the diff of all
		t.Fatal(err)
	}
	same(t, "gradient of Slice", all.Diff(), all.Data())
	if err := join.Backward(); err != nil {
		t.Fatal(err)
	}
	for i, p := range pieces {
		same(t, fmt.Sprint("gradient of piece ", i), p.Diff(), p.Data())
	}
}

func same(t *testing.T, name string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d numbers, want %d", name, len(got), len(want))
	}
	for i, w := range want {
		if got[i] != w {
			t.Fatalf("%s[%d] = %g, want %g", name, i, got[i], w)
		}
	}
}

// TestSliceEmptyPiece checks that the last piece may be empty, as in Caffe.
func TestSliceEmptyPiece(t *testing.T) {
	f := layertest.New(t, layer("Slice", 1, 2, "slice_param { slice_point: 3 }"), layertest.Gaussian(1, 2, 3))
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	same(t, "first piece", f.Top[0].Data(), f.Bottom[0].Data())
	if !f.Top[1].ShapeEqual([]int{2, 0}) {
		t.Errorf("last piece has shape %v, want [2 0]", f.Top[1].Shape())
	}
}
