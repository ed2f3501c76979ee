package sysmem

import "testing"

func TestFloats(t *testing.T) {
	for _, n := range []int{0, 1, 1000, 2*hugePage/4 - 1, 2 * hugePage / 4, 3*hugePage + 12345} {
		x := Reserve(n, n+7)
		if len(x) != n || cap(x) < n+7 {
			t.Errorf("Reserve(%d, %d) has %d elements of %d", n, n+7, len(x), cap(x))
		}
		for i, v := range x[:n+7] {
			if v != 0 {
				t.Fatalf("element %d of %d is %g, want 0", i, n, v)
			}
			x[:n+7][i] = 1
		}
	}
}
