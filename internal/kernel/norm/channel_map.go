package norm

// A ChannelMap is a normalization with the scale, shift and rectifier after it, as a map of
// each element, which depends on the channel. A layer can compute it as it reads x:
//
//	z = Scale·(x - Mean) + Shift    y = z where z > 0, Slope·z elsewhere
//
// It rounds as Norm.
type ChannelMap struct {
	Mean, Scale, Shift []float32 // of each channel; nil stands for 0, 1 and 0
	Slope              float32   // 1 is no rectifier
}

// Map returns the map of the last pass. The slices are valid until the next one.
func (m *Norm) Map() ChannelMap { return ChannelMap{m.Mean, m.scale, m.shift, m.Slope} }

// Apply sets y to the map of x, elements of channel ch.
func (m *ChannelMap) Apply(ch int, x, y []float32) {
	active().affineReLU(y, x, of(m.Mean, ch, 0), of(m.Scale, ch, 1), of(m.Shift, ch, 0), m.Slope)
}

// A VectorMap is a ChannelMap of vectors whose lanes are channels. The zero VectorMap
// changes nothing.
type VectorMap struct {
	lanes, depth       int // of a vector, and channels of a group in whole vectors
	mean, scale, shift []float32
	slope              float32
}

// Set makes it m, for groups of channels that begin with a vector of their own. A nil m
// changes nothing.
func (v *VectorMap) Set(m *ChannelMap, groups, channels, lanes int) {
	if m == nil {
		v.lanes = 0
		return
	}
	v.lanes, v.depth, v.slope = lanes, (channels+lanes-1)/lanes*lanes, m.Slope
	for _, each := range []struct {
		to        *[]float32
		from      []float32
		otherwise float32
	}{{&v.mean, m.Mean, 0}, {&v.scale, m.Scale, 1}, {&v.shift, m.Shift, 0}} {
		if len(*each.to) != groups*v.depth {
			*each.to = make([]float32, groups*v.depth)
		}
		for i := range groups * channels {
			(*each.to)[i/channels*v.depth+i%channels] = of(each.from, i, each.otherwise)
		}
	}
}

// Apply computes x, vectors of the channels from ch on of a group. Lanes without a channel
// stay 0.
func (v *VectorMap) Apply(group, ch int, x []float32) {
	if v == nil || v.lanes == 0 {
		return
	}
	at := group*v.depth + ch
	end := at + v.lanes
	active().affineReLUVectors(x, v.mean[at:end], v.scale[at:end], v.shift[at:end], v.slope)
}
