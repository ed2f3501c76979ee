package conv

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
)

// TestSingles checks that a depthwise convolution of many channels, whose vectors are of
// channels, has the same results as one of few of them, to the last bit.
func TestSingles(t *testing.T) {
	for _, all := range []Params{
		square(1, 40, 40, 40, 7, 3, 1, 1, 1),
		square(2, 16, 16, 16, 50, 7, 3, 2, 1), // several bands
		square(1, 19, 19, 19, 12, 5, 0, 2, 1),
		square(1, 33, 33, 33, 9, 3, 2, 1, 2),
		square(1, 18, 18, 18, 4, 7, 3, 3, 1),  // taps outside the plane
		square(25, 16, 16, 16, 8, 3, 1, 2, 1), // several images in a part
		{1, 20, 20, 20, []int{40, 3}, []int{5, 1}, []int{4, 2}, []int{1, 2}, []int{1, 1}, false},
	} {
		t.Run(fmt.Sprint(all.Channels, all.In, all.Kernel, all.Stride), func(t *testing.T) {
			few := all
			few.Batch, few.Channels, few.Outputs, few.Group = 1, 3, 3, 3
			a, err := New(all)
			if err != nil {
				t.Fatal(err)
			}
			b, err := New(few)
			if err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(9, 9))
			x, weight, bias := make([]float32, all.Batch*all.Channels*a.inSize), make([]float32, all.Channels*a.taps), make([]float32, all.Channels)
			dy := make([]float32, all.Batch*all.Channels*a.outSize)
			for _, s := range [][]float32{x, weight, bias, dy} {
				kerneltest.FillNormal(r, s)
			}
			kerneltest.EachLevel(t, func(t *testing.T) {
				y, dx := make([]float32, len(dy)), make([]float32, len(x))
				a.Forward(nil, x, weight, bias, y)
				a.BackwardData(nil, weight, dy, dx)
				for _, p := range []*plan{a.direct.forward, a.direct.data} { // that of the data is nil with strides
					if p != nil && channelsOf[cpu.Active()] != nil && (p.dense.fits() || !p.singles.fits()) {
						t.Errorf("the product is not computed by vectors of channels (gradient of the data: %v)", p.backward)
					}
				}
				if p := a.direct.phases; p != nil && channelsOf[cpu.Active()] != nil && !p.singles.fits() {
					t.Error("the phases of the gradient of the data are not computed by vectors of channels")
				}
				if w := a.direct.weights; channelsGradOf[cpu.Active()] != nil && !w.singles.fits(&w.window, w.geometry) {
					t.Error("the gradient of the weights is not computed by vectors of channels")
				}
				if want := channelsGradOf[cpu.Active()] != nil && a.direct.data != nil; a.bothBySingles() != want {
					t.Errorf("bothBySingles() = %v, want %v", !want, want)
				}
				for _, p := range []*plan{b.direct.forward, b.direct.data} {
					if p != nil && p.prepared && p.singles.fits() {
						t.Errorf("3 channels are computed by vectors of channels (gradient of the data: %v)", p.backward)
					}
				}
				for n := range all.Batch {
					wantY, wantX := make([]float32, 3*a.outSize), make([]float32, 3*a.inSize)
					atY, atX := n*all.Channels*a.outSize, n*all.Channels*a.inSize
					b.Forward(nil, x[atX:], weight, bias, wantY)
					b.BackwardData(nil, weight, dy[atY:], wantX)
					kerneltest.SameBits(t, "y", y[atY:][:3*a.outSize], wantY)
					kerneltest.SameBits(t, "dx", dx[atX:][:3*a.inSize], wantX)
				}
			})
		})
	}
}
