package kerneltest

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
)

// A Map is a function from up to three slices to one, element by element. y is the
// destination with its old contents.
type Map struct {
	Name   string
	Inputs int // slices that are read besides y
	Run    func(y, a, b, c []float32)
	Want   func(y, a, b, c float64) float64
}

// CheckMaps runs maps with every level and length, into a separate slice and into each
// input, and compares the results with Want. Then it compares the levels on special
// values.
func CheckMaps(t *testing.T, maps []Map) {
	EachLevel(t, func(t *testing.T) {
		for _, m := range maps {
			r := rand.New(rand.NewPCG(2, 1))
			// alias is the input that the destination is, or 0.
			for alias := 0; alias <= m.Inputs; alias++ {
				for _, n := range Lengths {
					m.check(t, r, n, alias)
				}
			}
			m.checkSpecials(t)
			m.checkFences(t, r)
		}
	})
}

// fencedLengths are some that leave remainders of every kind.
var fencedLengths = []int{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 47, 63, 64, 65, 127, 129}

// checkFences checks that a map touches no memory next to its slices.
func (m *Map) checkFences(t *testing.T, r *rand.Rand) {
	t.Helper()
	for _, n := range fencedLengths {
		EachFence(t, m.Name, func(slice func(r *rand.Rand, n int) []float32) {
			m.Run(slice(r, n), slice(r, n), slice(r, n), slice(r, n))
		})
	}
}

func (m *Map) check(t *testing.T, r *rand.Rand, n, alias int) {
	t.Helper()
	y := Guarded(r, n)
	in := [3][]float32{Guarded(r, n), Guarded(r, n), Guarded(r, n)}
	if alias > 0 {
		in[alias-1] = y
	}
	old := [4][]float32{slices.Clone(y), slices.Clone(in[0]), slices.Clone(in[1]), slices.Clone(in[2])}
	m.Run(y, in[0], in[1], in[2])
	CheckGuards(t, m.Name, y)
	for i := range y {
		a, b, c := float64(old[1][i]), float64(old[2][i]), float64(old[3][i])
		want := m.Want(float64(old[0][i]), a, b, c)
		// Three roundings of values that are at most this large.
		size := 3 * (math.Abs(want) + math.Abs(float64(old[0][i])) + math.Abs(a) + math.Abs(b) + math.Abs(c) + math.Abs(a*b) + a*a + 2)
		if !(math.Abs(float64(y[i])-want) <= 3*Eps*size) {
			t.Fatalf("%s, n %d, alias %d: y[%d] = %g, want %g", m.Name, n, alias, i, y[i], want)
		}
	}
	for k, s := range in {
		if alias-1 != k {
			SameBits(t, m.Name+" input", s, old[k+1])
		}
	}
}

// Specials are values that vector instructions and Go may treat differently. No product
// of two overflows, since a fused multiply-add does not round it to infinity.
var Specials = []float32{
	float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0, float32(math.Copysign(0, -1)),
	1, -1, 1e19, -1e19, math.SmallestNonzeroFloat32, 1e-40, -1e-40,
}

// Alike reports whether two results of a function for special values agree: both NaN, or
// within a few roundings of each other.
func Alike(a, b float32) bool {
	if a != a || b != b {
		return a != a && b != b
	}
	return a == b || math.Abs(float64(a)-float64(b)) <= 4*Eps*math.Abs(float64(a))+2*math.SmallestNonzeroFloat32
}

func (m *Map) checkSpecials(t *testing.T) {
	t.Helper()
	var in [3][]float32
	for _, a := range Specials {
		for _, b := range Specials {
			for _, c := range Specials {
				in[0], in[1], in[2] = append(in[0], a), append(in[1], b), append(in[2], c)
			}
		}
	}
	got, want := slices.Clone(in[2]), slices.Clone(in[2])
	m.Run(got, in[0], in[1], in[2])
	level := cpu.Active()
	cpu.Use(cpu.Generic)
	m.Run(want, in[0], in[1], in[2])
	cpu.Use(level)
	for i := range got {
		if !Alike(got[i], want[i]) {
			t.Errorf("%s of %g, %g, %g: %g, want %g", m.Name, in[0][i], in[1][i], in[2][i], got[i], want[i])
		}
	}
}

// A Sum is a function that sums one term per element of one or two slices.
type Sum struct {
	Name string
	Run  func(a, b []float32) float64
	Term func(a, b float64) float64
}

// CheckSums runs sums with every level and length, and some long ones.
func CheckSums(t *testing.T, sums []Sum) {
	EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 4))
		for _, n := range append(slices.Clone(Lengths), 40000) {
			a, b := Guarded(r, n), Guarded(r, n)
			for _, s := range sums {
				var want, size float64
				for i := range a {
					term := s.Term(float64(a[i]), float64(b[i]))
					want += term
					size += math.Abs(term)
				}
				if got := s.Run(a, b); !(math.Abs(got-want) <= size*float64(n)*0x1p-52) {
					t.Errorf("%s of %d: %g, want %g", s.Name, n, got, want)
				}
			}
		}
		for _, s := range sums {
			for _, n := range fencedLengths {
				EachFence(t, s.Name, func(slice func(r *rand.Rand, n int) []float32) { s.Run(slice(r, n), slice(r, n)) })
			}
		}
	})
}
