package cascade

import (
	"math"

	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

// regressionField is the field bbox_reg_param, which several types read.
func regressionField() layers.Plugin {
	return layers.Plugin{Field: "bbox_reg_param", Number: 150, Proto: layers.Schema(schemas, "bbox_reg.proto"), Message: "BBoxRegParameter"}
}

// regressionDoc describes the field in the documentation of these types.
const regressionDoc = `bbox_reg_param:
	bbox_mean, bbox_std: mean and standard deviation of the four numbers of a box, four of each; 0 and 1 if they are
	    not given
`

// A regression is how boxes are predicted: as four numbers, which are normalized by mean
// and standard deviation.
type regression struct {
	mean, std  [4]float32
	classAware bool // each class has a box of its own
}

// newRegression reads the field bbox_reg_param.
func newRegression(s *layers.Spec) (r regression, err error) {
	var o struct {
		Mean     []float32 `proto:"bbox_mean"`
		Std      []float32 `proto:"bbox_std"`
		ClsAware bool      `proto:"cls_aware"`
	}
	if _, err := s.OptionsIn("bbox_reg_param", &o); err != nil {
		return r, err
	}
	r = regression{std: [4]float32{1, 1, 1, 1}, classAware: o.ClsAware}
	if len(o.Mean) == 0 && len(o.Std) == 0 {
		return r, nil
	}
	if len(o.Mean) != 4 || len(o.Std) != 4 {
		return r, s.Errorf("bbox_reg_param", "there are %d bbox_mean and %d bbox_std, want four of each or none", len(o.Mean), len(o.Std))
	}
	copy(r.mean[:], o.Mean)
	copy(r.std[:], o.Std)
	for _, v := range r.std {
		if !(v > 0) { // true for NaN too
			return r, s.Errorf("bbox_reg_param.bbox_std", "bbox_std is %v, want positive numbers", r.std)
		}
	}
	return r, nil
}

// denormalize returns the prediction of a box from four numbers, which are step apart.
func (r *regression) denormalize(x []float32, step int) (t [4]float32) {
	for k := range t {
		t[k] = float32(x[k*step]*r.std[k]) + r.mean[k]
	}
	return t
}

// decode returns the box that four numbers predict relative to a prior: offsets of the
// center in its width and height, and the logarithms of the sizes' ratios. Coordinates
// are those of the first and last pixels.
func (r *regression) decode(prior boxes.Box, x []float32) boxes.Box {
	t := r.denormalize(x, 1)
	x0, x1 := decodeSide(prior.XMin, prior.XMax, t[0], t[2])
	y0, y1 := decodeSide(prior.YMin, prior.YMax, t[1], t[3])
	return boxes.Box{XMin: x0, YMin: y0, XMax: x1, YMax: y1}
}

func decodeSide(from, to, offset, logarithm float32) (first, last float32) {
	size, center := to-from+1, 0.5*(to+from)
	length := size * exp(logarithm)
	first = float32(offset*size) + center - (length-1)/2
	return first, first + length - 1
}

func exp(x float32) float32 { return float32(math.Exp(float64(x))) }
func log(x float32) float32 { return float32(math.Log(float64(x))) }
