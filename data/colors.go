package data

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/caffepb"
)

// colors changes the colours of images at random. Each step rounds to the nearest
// integer from 0 to 255, as OpenCV does. In this order:
//
//   - shift: a random number up to maxShift for each of blue, green and red is added to
//     the channel, or subtracted from it; the sign is the same for the three.
//   - contrast: α v + β, with a random α in contrastRange and a random integer β from
//     -maxBrightness to maxBrightness.
//   - distort: brightness, v + δ; contrast, α v; saturation, which multiplies S of HSV;
//     hue, which adds to H; an exchange of channels. With a probability of 1/2 contrast
//     follows hue. Each has its own probability.
//
// Differs from SSD's Caffe: the conversions to HSV and back are not rounded to bytes,
// and a hue below 0 continues at 360 degrees, where SSD's Caffe makes it 0.
type colors struct {
	maxShift      int
	adjust        bool
	contrastRange [2]float32
	maxBrightness int
	probability   float32 // of the shift and of the contrast
	distort       *caffepb.DistortionParameter
}

// newColors reads the options.
func newColors(p *caffepb.TransformationParameter) (colors, error) {
	c := colors{
		maxShift: int(p.GetMaxColorShift()), adjust: p.GetContrastBrightnessAdjustment(),
		contrastRange: [2]float32{p.GetMinContrast(), p.GetMaxContrast()}, maxBrightness: int(p.GetMaxBrightnessShift()),
		probability: p.GetApplyProbability(), distort: p.GetDistortParam(),
	}
	d := c.distort
	type bounds struct {
		field        string
		lo, hi, most float32
	}
	for _, b := range []bounds{
		{field: "max_color_shift", hi: float32(p.GetMaxColorShift()), most: maxPixel},
		{field: "max_brightness_shift", hi: float32(p.GetMaxBrightnessShift()), most: maxPixel},
		{field: "apply_probability", hi: c.probability, most: 1},
		{field: "min_contrast", lo: c.contrastRange[0], hi: c.contrastRange[1], most: maxPixel},
		{field: "distort_param.brightness_prob", hi: d.GetBrightnessProb(), most: 1},
		{field: "distort_param.brightness_delta", hi: d.GetBrightnessDelta(), most: maxPixel},
		{field: "distort_param.contrast_prob", hi: d.GetContrastProb(), most: 1},
		{field: "distort_param.contrast_lower", lo: d.GetContrastLower(), hi: d.GetContrastUpper(), most: maxPixel},
		{field: "distort_param.saturation_prob", hi: d.GetSaturationProb(), most: 1},
		{field: "distort_param.saturation_lower", lo: d.GetSaturationLower(), hi: d.GetSaturationUpper(), most: maxPixel},
		{field: "distort_param.hue_prob", hi: d.GetHueProb(), most: 1},
		{field: "distort_param.hue_delta", hi: d.GetHueDelta(), most: 180},
		{field: "distort_param.random_order_prob", hi: d.GetRandomOrderProb(), most: 1},
	} {
		if !(b.lo >= 0 && b.lo <= b.hi && b.hi <= b.most) {
			got := fmt.Sprint(b.hi)
			if b.lo != 0 {
				got = fmt.Sprintf("%v to %v", b.lo, b.hi)
			}
			return colors{}, &OptionError{b.field, fmt.Errorf("got %s, want 0 to %g, and no lower bound above the upper one", got, b.most)}
		}
	}
	return c, nil
}

// any reports whether there is something to do.
func (c *colors) any() bool { return c.maxShift > 0 || c.adjust || c.distort != nil }

// needColor reports whether images need three channels.
func (c *colors) needColor() bool {
	return c.distort.GetSaturationProb() > 0 || c.distort.GetHueProb() > 0 || c.distort.GetRandomOrderProb() > 0
}

// The places of random numbers among the colours'.
const (
	atShift = iota // happens
	atShiftSign
	atShifts   // three
	atContrast = iota + 2
	atContrastBy
	atBrightnessBy
	atOrder // of the distortions
	atDistort
	colorWords = atDistort + 10
)

// change changes the colours of an image.
func (c *colors) change(im *Image, words []uint32) {
	if !c.any() {
		return
	}
	var m mapping
	m.reset(im)
	if c.maxShift > 0 && happens(words[atShift], c.probability) {
		for k := range min(3, im.Channels) {
			by := float32(below(words[atShifts+k], c.maxShift+1))
			if words[atShiftSign]>>31 == 1 {
				by = -by
			}
			m.line(k, 1, by)
		}
	}
	if c.adjust && happens(words[atContrast], c.probability) {
		by := float32(below(words[atBrightnessBy], 2*c.maxBrightness+1) - c.maxBrightness)
		m.lines(between(words[atContrastBy], c.contrastRange[0], c.contrastRange[1]), by)
	}
	if d := c.distort; d != nil {
		w := words[atDistort:]
		contrast := func() {
			if happens(w[2], d.GetContrastProb()) {
				m.lines(between(w[3], d.GetContrastLower(), d.GetContrastUpper()), 0)
			}
		}
		if happens(w[0], d.GetBrightnessProb()) {
			m.lines(1, between(w[1], -d.GetBrightnessDelta(), d.GetBrightnessDelta()))
		}
		first := words[atOrder]>>31 == 1
		if first {
			contrast()
		}
		if happens(w[4], d.GetSaturationProb()) {
			m.apply()
			saturate(im.Pix, between(w[5], d.GetSaturationLower(), d.GetSaturationUpper()))
		}
		if happens(w[6], d.GetHueProb()) {
			m.apply()
			turnHue(im.Pix, between(w[7], -d.GetHueDelta(), d.GetHueDelta())/30)
		}
		if !first {
			contrast()
		}
		m.apply()
		if happens(w[8], d.GetRandomOrderProb()) {
			exchange(im.Pix, below(w[9], len(orders)))
		}
	}
	m.apply()
}

// mapping collects what is done to each byte of a channel by itself.
type mapping struct {
	im      *Image
	changed bool
	table   [4][256]byte
}

func (m *mapping) reset(im *Image) {
	m.im, m.changed = im, false
	for k := range m.table {
		for v := range m.table[k] {
			m.table[k][v] = byte(v)
		}
	}
}

// line adds the step v to a·v + b to channel k.
func (m *mapping) line(k int, a, b float32) {
	m.changed = true
	for i, v := range m.table[k] {
		m.table[k][i] = toByte(float32(a*float32(v)) + b)
	}
}

// lines adds the step to all channels.
func (m *mapping) lines(a, b float32) {
	for k := range m.table {
		m.line(k, a, b)
	}
}

// apply maps the image, and begins anew.
func (m *mapping) apply() {
	if !m.changed {
		return
	}
	pix := m.im.Pix
	switch m.im.Channels {
	case 3:
		for i := 0; i+2 < len(pix); i += 3 {
			p := pix[i : i+3 : i+3]
			p[0], p[1], p[2] = m.table[0][p[0]], m.table[1][p[1]], m.table[2][p[2]]
		}
	default:
		for i, v := range pix {
			pix[i] = m.table[min(i%m.im.Channels, len(m.table)-1)][v]
		}
	}
	m.reset(m.im)
}

// toByte rounds to the nearest integer from 0 to 255, half to even.
func toByte(v float32) byte {
	return byte(math.RoundToEven(float64(max(0, min(v, maxPixel)))))
}

// saturate multiplies the saturation of the pixels, S = (max - min)/max, by s. It stays
// at most 1, and hue and maximum are kept: a channel v becomes max - (max - v) k with
// k = min(s, 1/S).
func saturate(pix []byte, s float32) {
	for i := 0; i+2 < len(pix); i += 3 {
		p := pix[i : i+3 : i+3]
		most, least := float32(max(p[0], p[1], p[2])), float32(min(p[0], p[1], p[2]))
		if most == least {
			continue
		}
		k := min(s, most/(most-least))
		for c, v := range p {
			p[c] = byte(int32(most - float32((most-float32(v))*k) + 0.5))
		}
	}
}

// turnHue adds by to the hue of the pixels, in units of 60 degrees, from -6 to 6.
func turnHue(pix []byte, by float32) {
	for i := 0; i+2 < len(pix); i += 3 {
		p := pix[i : i+3 : i+3]
		b, g, r := float32(p[0]), float32(p[1]), float32(p[2])
		most, least := max(b, g, r), min(b, g, r)
		span := most - least
		if span == 0 {
			continue
		}
		var hue float32 // from -1 to 5
		switch most {
		case r:
			hue = (g - b) / span
		case g:
			hue = 2 + (b-r)/span
		default:
			hue = 4 + (r-g)/span
		}
		hue += by
		for hue < 0 {
			hue += 6
		}
		for hue >= 6 {
			hue -= 6
		}
		p[0] = near(hue, 4, least, span)
		p[1] = near(hue, 2, least, span)
		p[2] = near(hue, 0, least, span)
	}
}

// near returns the value of a channel whose own hue is given: its maximum, least + span,
// within 1 of it, and its minimum from 2 on.
func near(hue, own, least, span float32) byte {
	away := hue - own
	if away < 0 {
		away = -away
	}
	away = min(away, 6-away)
	return byte(int32(least + float32(span*max(0, min(2-away, 1))) + 0.5))
}

// orders are the orders that three channels can have.
var orders = [6][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}

// exchange puts the channels of the pixels in one of the orders.
func exchange(pix []byte, order int) {
	o := orders[order]
	for i := 0; i+2 < len(pix); i += 3 {
		p := pix[i : i+3 : i+3]
		p[0], p[1], p[2] = p[o[0]], p[o[1]], p[o[2]]
	}
}
