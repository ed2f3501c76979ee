package convert

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/gocaffe/gocaffe/internal/reference"
)

// The channels of each pair are images of the set, and its label says whether their
// labels are equal.
func TestSiamese(t *testing.T) {
	f := reference.Golden(t, "formats")
	singles := readAll(t, f+"/idx_lmdb") // 60 images, of Caffe
	labels := make(map[string]int32)
	for _, r := range singles {
		d := datum(t, r)
		labels[string(d.GetData())] = d.GetLabel()
	}
	pairsOf := func(seed uint64) []record {
		out := filepath.Join(t.TempDir(), "db")
		if err := Siamese(t.Context(), f+"/idx/images-idx3-ubyte", f+"/idx/labels-idx1-ubyte", out, seed, Options{}); err != nil {
			t.Fatal(err)
		}
		return readAll(t, out)
	}
	pairs := pairsOf(1)
	if len(pairs) != len(singles) {
		t.Fatalf("%d pairs, want %d", len(pairs), len(singles))
	}
	used, same := 0, 0
	for i, r := range pairs {
		d := datum(t, r)
		half := len(d.GetData()) / 2
		a, okA := labels[string(d.GetData()[:half])]
		b, okB := labels[string(d.GetData()[half:])]
		single := datum(t, singles[0])
		if r.key != fmt.Sprintf("%08d", i) || !okA || !okB || d.GetChannels() != 2 || d.GetHeight() != single.GetHeight() || d.GetWidth() != single.GetWidth() {
			t.Fatalf("pair %d has key %s, %d channels, images of the set: %t %t", i, r.key, d.GetChannels(), okA, okB)
		}
		if (a == b) != (d.GetLabel() == 1) || d.GetLabel() > 1 {
			t.Errorf("pair %d of labels %d and %d has label %d", i, a, b, d.GetLabel())
		}
		if !bytes.Equal(d.GetData()[:half], d.GetData()[half:]) {
			used++
		}
		same += int(d.GetLabel())
	}
	if used < 50 || same == 0 || same == len(pairs) {
		t.Errorf("%d pairs of two images, %d of the same label", used, same)
	}
	again, other := pairsOf(1), pairsOf(2)
	if !bytes.Equal(again[7].value, pairs[7].value) || bytes.Equal(other[7].value, pairs[7].value) && bytes.Equal(other[8].value, pairs[8].value) {
		t.Error("the pairs do not depend on the seed alone")
	}
}
