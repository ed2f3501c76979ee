package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
)

// MapsInput reports whether Forward and BackwardWeights can compute a map of each channel of x
// as they read it: both copy x, and turn it into vectors of channels or pad its rows. It does not
// depend on the batch.
func (c *Conv) MapsInput() bool {
	if c.rounded != nil {
		return false
	}
	if c.tiled() {
		return true
	}
	// Without vectors of channels it would depend on the length of rows.
	return depthwise(c.geometry) && channelsOf[cpu.Active()] != nil && c.Group >= gemm.Active().Lanes && c.direct.forward.mapsInput() && c.direct.weights.mapsInput()
}

// MapInput sets the map that Forward and BackwardWeights compute of x as they read it, nil for
// none. It panics unless MapsInput returns true.
func (c *Conv) MapInput(m *norm.ChannelMap) {
	if m != nil && !c.MapsInput() {
		panic("kernel: Conv: MapInput of a convolution that cannot map its input")
	}
	c.given = m
}

// setInput lays out the map for the vectors in use.
func (c *Conv) setInput() {
	groups, channels := c.Group, c.groupChannels()
	switch {
	case channels == 1: // vectors of several groups
		groups, channels = 1, groups
	case c.winograd != nil:
		n := c.joined()
		groups, channels = groups/n, channels*n
	}
	if d := c.direct; d != nil {
		d.forward.rows.cut.inputMap, d.weights.rows.inputMap, d.rows.inputMap = c.given, c.given, c.given
	}
	c.input.Set(c.given, groups, channels, gemm.Active().Lanes)
}
