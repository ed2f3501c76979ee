package kernel_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/kernel"
)

// TestPoolMapChannels checks that a map of no channels is for no planes only.
func TestPoolMapChannels(t *testing.T) {
	m := &kernel.ChannelMap{Slope: 1}
	for planes, want := range []string{"<nil>", "kernel: a map of 0 channels for 1 planes"} {
		g := kernel.PoolParams{Planes: planes, H: 1, W: 1, OutH: 1, OutW: 1, KernelH: 1, KernelW: 1, StrideH: 1, StrideW: 1}
		x, y := make([]float32, planes), make([]float32, planes)
		for name, pool := range map[string]func(){
			"Max": func() { kernel.MaxPoolForwardMap(nil, g, m, 0, x, y, nil) },
			"Ave": func() { kernel.AvePoolForwardMap(nil, g, m, 0, x, y) },
		} {
			func() {
				defer func() {
					if got := fmt.Sprint(recover()); !strings.HasPrefix(got, want) {
						t.Errorf("%s of %d planes: panic %q, want %q", name, planes, got, want)
					}
				}()
				pool()
			}()
		}
	}
}
