package margin

import (
	"math"
	"testing"

	"github.com/gocaffe/gocaffe/plugins/margin/margintest"
)

// TestPsi compares ψ with its definition by the angle, and the coefficients of
// the gradient with central differences of it.
func TestPsi(t *testing.T) {
	for m := 2; m <= 4; m++ {
		for i := range 397 {
			c := float32(-0.99 + float64(i)*0.005)
			if c == 0 {
				continue
			}
			psi, across, along := Psi(m, c)
			if want := margintest.Psi(m, float64(c)); math.Abs(float64(psi)-want) > 1e-5 {
				t.Errorf("m = %d: ψ(%g) is %g, want %g", m, c, psi, want)
			}
			const h = 1e-6
			slope := (margintest.Psi(m, float64(c)+h) - margintest.Psi(m, float64(c)-h)) / (2 * h)
			if math.Abs(float64(across)-slope) > 2e-4 {
				t.Errorf("m = %d: ψ'(%g) is %g, want %g", m, c, across, slope)
			}
			if want := float64(c)*slope - margintest.Psi(m, float64(c)); math.Abs(float64(along)-want) > 2e-4 {
				t.Errorf("m = %d: cψ' - ψ at %g is %g, want %g", m, c, along, want)
			}
		}
	}
	// The sign of 0 is 0, as in Caffe's code.
	for m, want := range map[int]float32{2: -1, 3: -2, 4: -3} {
		if psi, _, _ := Psi(m, 0); psi != want {
			t.Errorf("m = %d: ψ(0) is %g, want %g", m, psi, want)
		}
	}
}

// TestSchedule compares λ with what Caffe printed for the first iterations of a
// net with the settings published for MNIST.
func TestSchedule(t *testing.T) {
	s := NewSchedule(Options{Base: 1000, Gamma: 0.000025, Power: 35})
	for i, want := range []float32{999.124207, 998.253357, 997.37915, 996.505737, 995.633057, 994.76532} {
		if got := s.Next(); got != want {
			t.Errorf("λ of iteration %d is %g, want %g", i+1, got, want)
		}
	}
	s = NewSchedule(Options{Base: 10, Gamma: 1, Power: 2, Iteration: 1, LambdaMin: 0.5})
	for i, want := range []float32{10. / 9, 10. / 16, 0.5, 0.5} {
		if got := s.Next(); math.Abs(float64(got-want)) > 1e-6 {
			t.Errorf("λ of pass %d is %g, want %g", i+1, got, want)
		}
	}
}

func TestState(t *testing.T) {
	o := Options{Base: 1000, Gamma: 0.1, Power: 1}
	first, second := NewSchedule(o), NewSchedule(o)
	for range 7 {
		first.Next()
	}
	if err := second.SetState(first.State()); err != nil {
		t.Fatal(err)
	}
	if a, b := first.Next(), second.Next(); a != b || math.Abs(float64(a)-1000/1.8) > 1e-3 {
		t.Errorf("λ is %g and %g, want %g of both", a, b, 1000/1.8)
	}
	for _, bad := range []string{"", "x", "-1", "1.5"} {
		if err := second.SetState([]byte(bad)); err == nil {
			t.Errorf("state %q: no error", bad)
		}
	}
	if a, b := first.Next(), second.Next(); a != b {
		t.Errorf("a wrong state changed λ from %g to %g", a, b)
	}
}
