package cfmt

import (
	"math"
	"testing"
)

// The wanted strings are what glibc's printf("%g") gives, which is what a C++
// stream uses.
func TestG(t *testing.T) {
	tests := []struct {
		x    float64
		want string
	}{
		{0, "0"}, {math.Copysign(0, -1), "-0"}, {1, "1"}, {0.5, "0.5"},
		{87.3365478, "87.3365"}, {2.302585, "2.30259"}, {-0.001, "-0.001"},
		{100000, "100000"}, {999999, "999999"}, {999999.5, "1e+06"}, {1e6, "1e+06"}, {1234567, "1.23457e+06"},
		{0.0001, "0.0001"}, {0.00001, "1e-05"}, {0.000099999995, "0.0001"}, {9.99999e-5, "9.99999e-05"},
		{float64(float32(0.01)), "0.01"}, {float64(float32(1e-45)), "1.4013e-45"},
		{1e100, "1e+100"}, {3.4e38, "3.4e+38"},
		{math.NaN(), "nan"}, {math.Copysign(math.NaN(), -1), "-nan"}, {math.Inf(1), "inf"}, {math.Inf(-1), "-inf"},
	}
	for _, test := range tests {
		if got := G(test.x); got != test.want {
			t.Errorf("G(%v) = %q, want %q", test.x, got, test.want)
		}
	}
}
