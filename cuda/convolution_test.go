package cuda_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
)

// TestConvolutionAllocations runs the passes of cuDNN, the fake's, without garbage;
// and checks that without cuDNN there are none.
func TestConvolutionAllocations(t *testing.T) {
	fake := cudatest.Fake(t)
	s := cuda.ConvolutionShape{N: 1, C: 2, H: 3, W: 3, M: 2, OutH: 3, OutW: 3, KernelH: 1, KernelW: 1, StrideH: 1, StrideW: 1,
		DilationH: 1, DilationW: 1, Group: 1}
	for _, libraries := range []bool{false, true} {
		if libraries {
			fake.UseLibraries()
		}
		d, err := cuda.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if (d.Convolution(s) != nil) != libraries {
			t.Errorf("cuDNN is there: %v; a convolution: %v", libraries, !libraries)
		}
		if !libraries {
			continue
		}
		x, w, y := random(t, 1, 18).MutableDeviceData(d), random(t, 2, 4).MutableDeviceData(d), random(t, 3, 18).MutableDeviceData(d)
		allocs := testing.AllocsPerRun(10, func() {
			c := d.Convolution(s)
			c.Forward(x, w, y)
			c.BackwardData(w, y, x)
			c.BackwardWeights(x, y, w)
		})
		if allocs != 0 {
			t.Errorf("%g allocations", allocs)
		}
		check(t, d)
	}
}
