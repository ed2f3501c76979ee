// Package margin is the common part of the layers of L-Softmax and A-Softmax:
// the angular margin ψ and the weight λ that anneals it.
//
// Both layers lower the score of the true class from ‖w‖‖x‖ cos θ to
// ‖w‖‖x‖ ψ(cos θ), with
//
//	ψ(cos θ) = (-1)ⁿ cos mθ - 2n      for θ in [nπ/m, (n+1)π/m]
//
// which decreases monotonically from 1 to 1-2m, and mix both:
// (ψ + λ cos θ)/(1 + λ).
package margin

import (
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// Options holds the fields that the messages of both layers share.
type Options struct {
	NumOutput    uint32                   `proto:"num_output"`
	Type         string                   `proto:"type"`
	WeightFiller *caffepb.FillerParameter `proto:"weight_filler"`
	Axis         int                      `proto:"axis"`
	Base         float32                  `proto:"base"`
	Gamma        float32                  `proto:"gamma"`
	Power        float32                  `proto:"power"`
	Iteration    int32                    `proto:"iteration"`
	LambdaMin    float32                  `proto:"lambda_min"`
}

// read returns the options in the layer's parameter of the given name, and the
// factor m of the angle.
func read(s *layers.Spec, field string) (o Options, m int, err error) {
	if err := s.Options(&o); err != nil {
		return o, 0, err
	}
	if o.NumOutput < 1 || o.NumOutput > math.MaxInt32 {
		return o, 0, s.Errorf(field+".num_output", "num_output is %d, want 1 to %d", o.NumOutput, math.MaxInt32)
	}
	for _, f := range []struct {
		name  string
		value float32
	}{{"base", o.Base}, {"lambda_min", o.LambdaMin}} {
		if !(f.value >= 0 && f.value <= math.MaxFloat32) {
			return o, 0, s.Errorf(field+"."+f.name, "%s is %g, want 0 or more", f.name, f.value)
		}
	}
	// A negative base of the power would make λ NaN.
	if !(o.Gamma >= 0 && o.Gamma <= math.MaxFloat32) {
		return o, 0, s.Errorf(field+".gamma", "gamma is %g, want 0 or more", o.Gamma)
	}
	if p := float64(o.Power); math.IsNaN(p) || math.IsInf(p, 0) {
		return o, 0, s.Errorf(field+".power", "power is %g, want a finite number", o.Power)
	}
	if o.Iteration < 0 {
		return o, 0, s.Errorf(field+".iteration", "iteration is %d, want 0 or more", o.Iteration)
	}
	if err := s.CheckFiller(field+".weight_filler", o.WeightFiller); err != nil {
		return o, 0, err
	}
	m = map[string]int{"SINGLE": 1, "DOUBLE": 2, "TRIPLE": 3, "QUADRUPLE": 4}[o.Type]
	return o, m, nil
}

// An InnerProduct is embedded by layers with a margin. It reads the options,
// creates the weights and computes the products.
type InnerProduct struct {
	layers.Weights
	Schedule
	Spec    *layers.Spec
	Factor  int     // m
	Lambda  float32 // of the last Start
	Class   []int32 // of each item
	Kept    []Item  // what Forward keeps of each item for Backward
	M, N, K int     // x is (M,K), the weights are (N,K)

	field    string
	options  Options
	items    layers.Items
	labels   *layers.Labels
	gradient []float32 // (M,N)
	device   onDevice
}

// An Item holds the lengths of an item and of its class vector, and the cosine of
// the angle between them.
type Item struct{ NormX, NormW, Cos float32 }

var (
	_ layers.Parameterized   = (*InnerProduct)(nil)
	_ layers.ParamPropagator = (*InnerProduct)(nil)
	_ layers.BackwardForcer  = (*InnerProduct)(nil)
	_ layers.Stateful        = (*InnerProduct)(nil)
	_ layers.Counter         = (*InnerProduct)(nil)
)

// New reads the options from the layer's parameter of the given name.
func New(s *layers.Spec, field string) (*InnerProduct, error) {
	o, factor, err := read(s, field)
	if err != nil {
		return nil, err
	}
	return &InnerProduct{
		Schedule: NewSchedule(o),
		Spec:     s, Factor: factor,
		field: field, options: o, items: layers.NewItems(s, field, o.Axis), labels: layers.NewLabels(s, nil),
	}, nil
}

// AllowForceBackward reports whether bottom i has a gradient: labels have none.
func (l *InnerProduct) AllowForceBackward(i int) bool { return i == 0 }

// MACs returns the number of multiply-adds of Product.
func (l *InnerProduct) MACs() int64 { return int64(l.M) * int64(l.N) * int64(l.K) }

// SetUp creates the weights.
func (l *InnerProduct) SetUp(bottom, _ []*blob.Blob) error {
	var err error
	if l.K, err = l.items.Size(bottom[0]); err != nil {
		return err
	}
	l.N = int(l.options.NumOutput)
	weights, err := l.Spec.NewParam(0, l.field+".num_output", l.field+".weight_filler", l.options.WeightFiller, l.N, l.K)
	if err != nil {
		return err
	}
	l.Blobs = []*blob.Blob{weights}
	return nil
}

// Reshape sets the sizes from the shapes of the bottoms.
func (l *InnerProduct) Reshape(bottom, top []*blob.Blob) error {
	if err := l.Spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	var err error
	if l.M, err = l.items.Count(bottom[0], l.K); err != nil {
		return err
	}
	if err := l.labels.Reshape(bottom[1], l.M, l.N, 1); err != nil {
		return err
	}
	if err := l.items.ReshapeTop(bottom[0], l.N, top[0]); err != nil {
		return err
	}
	l.Kept, l.gradient = layers.Resize(l.Kept, l.M), layers.Resize(l.gradient, l.M*l.N)
	if err := l.device.reshape(l.M, l.N); err != nil {
		return l.Spec.ErrorAt(l.field+".num_output", 0, err)
	}
	if len(top) == 2 {
		return top[1].Reshape(1)
	}
	return nil
}

// Start begins a forward pass: it reads the classes and sets λ, also in the second
// top if there is one.
func (l *InnerProduct) Start(bottom, top []*blob.Blob) error {
	var err error
	if l.Class, _, err = l.labels.Read(bottom[1]); err != nil {
		return err
	}
	l.Lambda = l.Next()
	if len(top) == 2 {
		top[1].MutableData()[0] = l.Lambda
	}
	return nil
}

// Product sets the first top to x Wᵀ.
func (l *InnerProduct) Product(x, y *blob.Blob) {
	kernel.Gemm(l.Spec.Env.Workers, false, true, l.M, l.N, l.K, 1, x.Data(), l.K, l.Blobs[0].Data(), l.K, 0, y.MutableData(), l.N)
}

// At returns the index in the first top of the score of item i's true class.
func (l *InnerProduct) At(i int) int { return i*l.N + int(l.Class[i]) }

// X returns the elements of item i in the data of x, or in its diff.
func (l *InnerProduct) X(x []float32, i int) []float32 { return x[i*l.K : (i+1)*l.K] }

// W returns the class vector of item i's true class in the data of the weights, or
// in their diff.
func (l *InnerProduct) W(w []float32, i int) []float32 {
	c := int(l.Class[i])
	return w[c*l.K : (c+1)*l.K]
}

// Gradient returns the gradient by x·w: a copy of the first top's diff in which the
// value of each item's true class is multiplied by (across(i) + λ)/(1 + λ).
func (l *InnerProduct) Gradient(dy []float32, across func(i int) float32) []float32 {
	g := l.gradient[:len(dy)]
	copy(g, dy)
	for i := range l.M {
		g[l.At(i)] *= (across(i) + l.Lambda) / (1 + l.Lambda)
	}
	return g
}

// BackwardX sets the diff of x to g W.
func (l *InnerProduct) BackwardX(g []float32, x *blob.Blob) {
	kernel.Gemm(l.Spec.Env.Workers, false, false, l.M, l.K, l.N, 1, g, l.N, l.Blobs[0].Data(), l.K, 0, x.MutableDiff(), l.K)
}

// BackwardW adds gᵀ x to the diff of the weights.
func (l *InnerProduct) BackwardW(g []float32, x *blob.Blob) {
	kernel.Gemm(l.Spec.Env.Workers, true, false, l.N, l.K, l.M, 1, g, l.N, x.Data(), l.K, 1, l.Blobs[0].MutableDiff(), l.K)
}

// Norm returns the length of a vector.
func Norm(x []float32) float32 { return float32(math.Sqrt(kernel.SumSq(nil, x))) }
