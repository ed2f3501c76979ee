package kernel_test

import (
	"math"
	"testing"

	"github.com/gocaffe/gocaffe/kernel"
)

func TestSign(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, test := range [][2]float32{{3, 1}, {0x1p-149, 1}, {inf, 1}, {0, 0}, {-0x1p-149, -1}, {-inf, -1}, {nan, nan}} {
		if got := kernel.Sign(test[0]); got != test[1] && (got == got || test[1] == test[1]) {
			t.Errorf("Sign(%g) = %g, want %g", test[0], got, test[1])
		}
	}
}
