package conv

import "testing"

// TestNeeded counts the products of tiles that end beyond the plane, which do without those of
// the last point.
func TestNeeded(t *testing.T) {
	for _, test := range []struct {
		params Params
		want   int // of a plane
	}{
		{square(8, 16, 16, 1, 8, 3, 1, 1, 1), 4 * 36},
		{square(8, 16, 16, 1, 7, 3, 1, 1, 1), 11 * 11},
		{square(8, 16, 16, 1, 14, 3, 1, 1, 1), 23 * 23},
		{square(8, 16, 16, 1, 3, 3, 1, 1, 1), 25},
		{square(8, 16, 16, 1, 1, 3, 1, 1, 1), 9}, // F(2x2,3x3)
		{square(5, 16, 16, 1, 7, 5, 2, 1, 1), 23 * 23},
		{square(8, 16, 16, 1, 7, 5, 2, 1, 1), fourierMatrices},
		{Params{2, 16, 16, 1, []int{8, 7}, []int{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1}, false}, 12 * 11},
		{Params{2, 16, 16, 1, []int{7, 12}, []int{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1}, false}, 11 * 18},
	} {
		c, err := New(test.params)
		if err != nil {
			t.Fatal(err)
		}
		w := c.winograd.forward
		got := 0
		for xi := range w.matrices() {
			first, n := w.needed(w.plane, xi)
			if first < 0 || first+n > w.plane.before(classes) {
				t.Errorf("%+v: matrices %d need tiles %d to %d", test.params, xi, first, first+n)
			}
			got += n
		}
		if got != test.want {
			t.Errorf("%+v: %d products, want %d", test.params, got, test.want)
		}
	}
}
