package layers

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
)

// A Chain is the layers that a Fuser computes in the epilogue of its own work, in a net
// for inference: affine maps of each channel, then a sum with another blob, then a
// rectifier, each of which may be missing.
//
// The zero Chain has no layers.
type Chain struct {
	affine    []ChannelAffine
	adds      bool
	rectifier Layer // a Rectifier or a ChannelRectifier

	epilogue     kernel.Epilogue
	scale, slope []float32 // scratch, one element per channel
}

// Take puts layers, from the first on, into the chain in place of those that are there,
// and returns how many fit. They are on a blob of n items and c channels on axis 1.
func (c *Chain) Take(next []Layer, n, channels int) int {
	*c = Chain{scale: c.scale, slope: c.slope}
	taken := 0
	for ; taken < len(next) && c.takeAffine(next[taken], n, channels); taken++ {
	}
	if taken < len(next) {
		if a, ok := next[taken].(Adder); ok && a.Adds() {
			c.adds = true
			taken++
		}
	}
	if taken < len(next) {
		switch r := next[taken].(type) {
		case Rectifier:
			c.rectifier = next[taken]
		case ChannelRectifier:
			if k := r.NegativeSlopes().Count(); k == 1 || k == channels {
				c.rectifier = next[taken]
			}
		}
		if c.rectifier != nil {
			taken++
		}
	}
	c.scale, c.slope = Resize(c.scale, channels), Resize(c.slope, channels)
	return taken
}

// takeAffine takes in an affine map. A mean must come first and a shift last: other orders
// would have to multiply shifts, which rounds differently from the layers.
func (c *Chain) takeAffine(next Layer, n, channels int) bool {
	f, ok := next.(ChannelAffine)
	if !ok {
		return false
	}
	for _, before := range c.affine {
		if a, _ := before.ChannelAffine(n, channels); a.Shift != nil {
			return false
		}
	}
	if a, ok := f.ChannelAffine(n, channels); !ok || a.Mean != nil && len(c.affine) > 0 {
		return false
	}
	c.affine = append(c.affine, f)
	return true
}

// Empty reports whether there is no layer in the chain.
func (c *Chain) Empty() bool { return len(c.affine) == 0 && !c.adds && c.rectifier == nil }

// Epilogue returns what the layers compute in a pass, nil if there are none. bottoms are
// those of Forward, of which the last is the summand if there is a sum.
func (c *Chain) Epilogue(bottoms []*blob.Blob, n, channels int) *kernel.Epilogue {
	if c.Empty() {
		return nil
	}
	e := &c.epilogue
	*e = kernel.Epilogue{}
	for _, f := range c.affine {
		a, _ := f.ChannelAffine(n, channels)
		if a.Mean != nil {
			e.Mean = a.Mean.Data()
		}
		switch {
		case a.Factor == nil:
		case e.Scale == nil:
			e.Scale = a.Factor.Data()
		default:
			kernel.Mul(nil, e.Scale, a.Factor.Data(), c.scale)
			e.Scale = c.scale
		}
		if a.Shift != nil {
			e.Shift = a.Shift.Data()
		}
	}
	if c.adds {
		e.Add = bottoms[len(bottoms)-1].Data()
	}
	switch r := c.rectifier.(type) {
	case Rectifier:
		e.Slope = c.slope
		kernel.Fill(nil, r.NegativeSlope(), c.slope)
	case ChannelRectifier:
		slopes := r.NegativeSlopes().Data()
		if e.Slope = slopes; len(slopes) < channels {
			e.Slope = c.slope
			kernel.Fill(nil, slopes[0], c.slope)
		}
	}
	return e
}
