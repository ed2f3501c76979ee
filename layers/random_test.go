package layers

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
)

func words(r Rand, stream, first uint64, n int) []uint32 {
	w := make([]uint32, n)
	r.Uint32(nil, stream, first, w)
	return w
}

// TestRandDependsOn checks on what a random number depends, and that it does
// not depend on what was drawn before it.
func TestRandDependsOn(t *testing.T) {
	spec := func(seed uint64, name string) *Spec {
		return NewSpec(&caffepb.LayerParameter{Name: &name}, &Env{Seed: seed}, nil)
	}
	base := words(spec(1, "drop").Rand("mask"), 5, 0, 8)
	if same := words(spec(1, "drop").Rand("mask"), 5, 0, 8); !slices.Equal(base, same) {
		t.Error("same seed, layer, purpose and stream give other numbers")
	}
	if later := words(spec(1, "drop").Rand("mask"), 5, 3, 5); !slices.Equal(base[3:], later) {
		t.Error("number 3 depends on whether those before it were drawn")
	}
	for what, other := range map[string][]uint32{
		"seed":    words(spec(2, "drop").Rand("mask"), 5, 0, 8),
		"layer":   words(spec(1, "drop2").Rand("mask"), 5, 0, 8),
		"purpose": words(spec(1, "drop").Rand("mast"), 5, 0, 8),
		"stream":  words(spec(1, "drop").Rand("mask"), 6, 0, 8),
		"border":  words(spec(1, "dro").Rand("pmask"), 5, 0, 8),
	} {
		if slices.Equal(base, other) {
			t.Errorf("numbers do not depend on the %s", what)
		}
	}
}

// TestRandStable pins the numbers: weights and masks must be the same in every
// version and on every machine.
func TestRandStable(t *testing.T) {
	got := words(NewRand(1701, "conv1", "param 0"), 0, 0, 4)
	want := []uint32{0xcc36ee47, 0xfa41b430, 0x9c5e0c14, 0x10957ac4}
	if !slices.Equal(got, want) {
		t.Errorf("words %#x, want %#x", got, want)
	}
}

func TestRandSource(t *testing.T) {
	r := NewRand(3, "shuffle")
	a, b := rand.New(r.Source(0)).Perm(1000), rand.New(r.Source(0)).Perm(1000)
	if !slices.Equal(a, b) {
		t.Error("two permutations of one stream differ")
	}
	if slices.Equal(a, rand.New(r.Source(1)).Perm(1000)) {
		t.Error("two streams give the same permutation")
	}
	source := r.Source(1)
	source.Uint64()
	source.Restart(0)
	if !slices.Equal(a, rand.New(source).Perm(1000)) {
		t.Error("a source restarted at stream 0 gives another permutation than a new one")
	}
	sorted := slices.Sorted(slices.Values(a))
	if sorted[0] != 0 || sorted[999] != 999 || slices.Equal(a, sorted) {
		t.Error("permutation is none")
	}
}

// TestStream checks that no two passes of solvers that train together share a
// stream.
func TestStream(t *testing.T) {
	seen := make(map[uint64]bool)
	for pass := range int64(10) {
		for rank := range 3 {
			s := (&Env{Pass: pass, Rank: rank, Ranks: 3}).Stream()
			if seen[s] {
				t.Errorf("pass %d of rank %d has stream %d, which another pass has", pass, rank, s)
			}
			seen[s] = true
		}
	}
}
