package layers

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/prototxt"
)

// A filler sets the values of new weights. check finds what is wrong with its
// options whatever the shape is, and suits what is wrong with the shape; nil takes
// every shape. fill sets data, whose shape is that of b.
type filler struct {
	check func(p *caffepb.FillerParameter) error
	suits func(b *blob.Blob, p *caffepb.FillerParameter) error
	fill  func(data []float32, b *blob.Blob, p *caffepb.FillerParameter, r Rand)
}

// fillers has those of Caffe's filler.hpp.
var fillers = map[string]filler{
	"constant":          {notSparse, nil, fillConstant},
	"uniform":           {checkUniform, nil, fillUniform},
	"gaussian":          {checkGaussian, suitsSparse, fillGaussian},
	"positive_unitball": {notSparse, nil, fillPositiveUnitball},
	"gaussian_unitball": {notSparse, nil, fillGaussianUnitball},
	"xavier":            {notSparse, nil, fillXavier},
	"msra":              {notSparse, nil, fillMSRA},
	"bilinear":          {notSparse, suitsBilinear, fillBilinear},
}

// fillerNames has the order in which Caffe's documentation lists them.
var fillerNames = []string{"constant", "uniform", "gaussian", "positive_unitball", "xavier", "msra", "bilinear", "gaussian_unitball"}

// Fill sets the numbers of a blob as filler.hpp does, with random numbers of
// its own: Caffe's cannot be had without boost's generators. A nil p fills with
// zeros, as an absent filler does.
func Fill(b *blob.Blob, p *caffepb.FillerParameter, r Rand) error {
	if err := suitsFiller(b, p); err != nil {
		return err
	}
	fillers[p.GetType()].fill(b.MutableData(), b, p, r)
	return nil
}

// FillLater is Fill for values that are set when they are first read. Errors come
// at once.
func FillLater(b *blob.Blob, p *caffepb.FillerParameter, r Rand) error {
	if err := suitsFiller(b, p); err != nil {
		return err
	}
	b.FillLater(func(data []float32) { fillers[p.GetType()].fill(data, b, p, r) })
	return nil
}

// suitsFiller returns an error if the options of a filler are wrong or do not
// suit the shape of b.
func suitsFiller(b *blob.Blob, p *caffepb.FillerParameter) error {
	if err := checkFiller(p); err != nil {
		return err
	}
	if b.Count() == 0 {
		return fmt.Errorf("blob of shape %v has no numbers to fill", b.Shape())
	}
	if f := fillers[p.GetType()]; f.suits != nil {
		return f.suits(b, p)
	}
	return nil
}

func checkFiller(p *caffepb.FillerParameter) error {
	f, known := fillers[p.GetType()]
	if !known {
		hint := ""
		if near := prototxt.Nearest(p.GetType(), fillerNames); near != "" {
			hint = fmt.Sprintf(", did you mean %q?", near)
		}
		return fmt.Errorf("%w %q%s (known types: %s)", errUnknownFiller, p.GetType(), hint, strings.Join(fillerNames, ", "))
	}
	return f.check(p)
}

// errUnknownFiller is wrapped by the error for a type that does not exist, which
// is about the type and not about the filler.
var errUnknownFiller = errors.New("unknown filler type")

// CheckFiller returns an error, with its place, if the options of the filler in
// a field such as "convolution_param.weight_filler" are wrong. Layers call it
// when they are made, so that a wrong filler is found before the shapes are
// known.
func (s *Spec) CheckFiller(field string, p *caffepb.FillerParameter) error {
	err := checkFiller(p)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errUnknownFiller):
		field += ".type"
	}
	return s.ErrorAt(field, 0, err)
}

// NewParam makes blob i of a layer's weights: from the blobs that the net's
// file holds for the layer, if it does, or else by the filler in the field
// fillerField. sizeField is the field that a shape out of range is blamed on,
// such as "convolution_param.num_output".
func (s *Spec) NewParam(i int, sizeField, fillerField string, p *caffepb.FillerParameter, shape ...int) (*blob.Blob, error) {
	b, err := blob.New(shape...)
	if err != nil {
		return nil, s.ErrorAt(sizeField, 0, fmt.Errorf("weights: %w", err))
	}
	stored := s.Param.GetBlobs()
	if len(stored) == 0 {
		if err := FillLater(b, p, s.Rand(fmt.Sprintf("param %d", i))); err != nil {
			return nil, s.ErrorAt(fillerField, 0, fmt.Errorf("filler %q: %w", p.GetType(), err))
		}
		return b, nil
	}
	if i >= len(stored) {
		return nil, s.Errorf("blobs", "layer has %d blobs of weights, want at least %d", len(stored), i+1)
	}
	if err := b.FromProto(stored[i], false); err != nil {
		return nil, s.ErrorAt("blobs", i, err)
	}
	return b, nil
}

func notSparse(p *caffepb.FillerParameter) error {
	if p.GetSparse() != -1 {
		return fmt.Errorf("filler %q with sparse: %d, which only gaussian has", p.GetType(), p.GetSparse())
	}
	return nil
}

func fillConstant(data []float32, b *blob.Blob, p *caffepb.FillerParameter, _ Rand) {
	for i := range data {
		data[i] = p.GetValue()
	}
}

func checkUniform(p *caffepb.FillerParameter) error {
	if !(p.GetMin() <= p.GetMax()) {
		return fmt.Errorf("filler %q with min %g and max %g", p.GetType(), p.GetMin(), p.GetMax())
	}
	return notSparse(p)
}

func fillUniform(data []float32, b *blob.Blob, p *caffepb.FillerParameter, r Rand) {
	r.Uniform(nil, 0, p.GetMin(), p.GetMax(), data)
}

func checkGaussian(p *caffepb.FillerParameter) error {
	if !(p.GetStd() > 0) {
		return fmt.Errorf("filler %q with std %g, want more than 0", p.GetType(), p.GetStd())
	}
	if p.GetSparse() < -1 {
		return fmt.Errorf("filler %q with sparse %d, want -1 or more", p.GetType(), p.GetSparse())
	}
	return nil
}

func suitsSparse(b *blob.Blob, p *caffepb.FillerParameter) error {
	if sparse := int(p.GetSparse()); sparse > -1 && (b.Axes() == 0 || sparse > b.Num()) {
		return fmt.Errorf("sparse %d is more than the %d outputs of shape %v", sparse, b.Num(), b.Shape())
	}
	return nil
}

// fillGaussian leaves, if sparse is given, so many weights of each input other
// than zero, on average.
func fillGaussian(data []float32, b *blob.Blob, p *caffepb.FillerParameter, r Rand) {
	sparse := int(p.GetSparse())
	r.Gaussian(nil, 0, p.GetMean(), p.GetStd(), data)
	if sparse == -1 {
		return
	}
	keep := uint64(float64(sparse) / float64(b.Num()) * (1 << 32)) // of 2³² words
	words := make([]uint32, len(data))
	r.Uint32(nil, 1, 0, words)
	for i, w := range words {
		if uint64(w) >= keep {
			data[i] = 0
		}
	}
}

// fillPositiveUnitball makes the numbers of each output positive with sum 1.
func fillPositiveUnitball(data []float32, b *blob.Blob, _ *caffepb.FillerParameter, r Rand) {
	r.Uniform(nil, 0, 0, 1, data)
	for row := range slices.Chunk(data, len(data)/b.Num()) {
		var sum float32
		for _, v := range row {
			sum += v
		}
		for i := range row {
			row[i] /= sum
		}
	}
}

// fillGaussianUnitball gives the numbers of each output a random direction and
// the length 1, as the filler of NormFace's Caffe does.
func fillGaussianUnitball(data []float32, b *blob.Blob, _ *caffepb.FillerParameter, r Rand) {
	r.Gaussian(nil, 0, 0, 1, data)
	for row := range slices.Chunk(data, len(data)/b.Num()) {
		kernel.Scale(nil, float32(1/math.Sqrt(kernel.SumSq(nil, row)+1e-12)), row, row)
	}
}

// fans returns the number that xavier and msra divide by. The inputs of an
// output are fan_in, the outputs that an input goes to are fan_out.
func fans(b *blob.Blob, norm caffepb.FillerParameter_VarianceNorm) float64 {
	in, out := b.Count()/b.Num(), b.Count()
	if b.Axes() > 1 {
		out = b.Count() / b.Dim(1)
	}
	switch norm {
	case caffepb.FillerParameter_FAN_OUT:
		return float64(out)
	case caffepb.FillerParameter_AVERAGE:
		return float64(in+out) / 2
	}
	return float64(in)
}

// fillXavier is the initialization of Glorot and Bengio ("Understanding the
// difficulty of training deep feedforward neural networks", 2010) with the
// variance 1/fan.
func fillXavier(data []float32, b *blob.Blob, p *caffepb.FillerParameter, r Rand) {
	limit := float32(math.Sqrt(3 / fans(b, p.GetVarianceNorm())))
	r.Uniform(nil, 0, -limit, limit, data)
}

// fillMSRA is the initialization of He et al. ("Delving deep into rectifiers",
// 2015) with the variance 2/fan.
func fillMSRA(data []float32, b *blob.Blob, p *caffepb.FillerParameter, r Rand) {
	r.Gaussian(nil, 0, 0, float32(math.Sqrt(2/fans(b, p.GetVarianceNorm()))), data)
}

func suitsBilinear(b *blob.Blob, _ *caffepb.FillerParameter) error {
	if b.Axes() != 4 || b.Dim(2) != b.Dim(3) {
		return fmt.Errorf("blob has shape %v, want 4 axes and the last two equal", b.Shape())
	}
	return nil
}

// fillBilinear makes every kernel that of bilinear interpolation, for a
// Deconvolution that enlarges pictures.
func fillBilinear(data []float32, b *blob.Blob, _ *caffepb.FillerParameter, _ Rand) {
	k := b.Dim(3)
	f := (k + 1) / 2
	c := float32(float64(k-1) / float64(2*f))
	weight := func(i int) float32 {
		return 1 - float32(math.Abs(float64(float32(i)/float32(f)-c)))
	}
	for i := range data {
		data[i] = weight(i%k) * weight(i/k%k)
	}
}
