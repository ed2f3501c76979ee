// Package layertest tests layers, built-in ones and those of plugins. It compares a
// layer with reference values (Golden), Backward with the central difference
// (CheckGradient) and the GPU with the host (CheckDevice). It checks what every
// layer promises: results that do not depend on the number of threads
// (CheckThreads), passes that allocate nothing (CheckAllocs), errors that name the
// place in the file (CheckError), and data that depend on the seed and the pass
// alone (CheckData). Main demands the first three, and a description of every
// option, for each layer type of a package.
//
// A test describes a layer as a net would, and sets it up without a net:
//
//	f := layertest.New(t, `layer { type: "Power" bottom: "x" top: "y" power_param { power: 2 } }`,
//		layertest.Gaussian(1701, 3, 5))
//	layertest.CheckGradient(t, f, layertest.GradientOptions{})
package layertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
)

// A Fixture is a layer with its bottoms and tops, set up as a net does it.
type Fixture struct {
	Layer       layers.Layer
	Info        *layers.Info
	Spec        *layers.Spec
	Bottom, Top []*blob.Blob

	// Propagate tells Backward which bottoms need a gradient: at first, all that
	// have one.
	Propagate []bool
}

// New sets up the layer that the text describes, and fails the test on an error. The
// phase is TRAIN unless the layer names another. The given blobs are the bottoms, in
// order; a top with the name of a bottom is that bottom.
func New(t testing.TB, text string, bottom ...*blob.Blob) *Fixture {
	t.Helper()
	device, err := envDevice()
	if err != nil {
		t.Fatal(err)
	}
	f, err := SetUp(&layers.Env{Device: device}, text, bottom...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// SetUp is New in a given environment, and returns the error.
func SetUp(env *layers.Env, text string, bottom ...*blob.Blob) (*Fixture, error) {
	net, err := prototxt.ParseNet("layer.prototxt", []byte(text))
	if err != nil {
		return nil, err
	}
	if n := len(net.Param.GetLayer()); n != 1 {
		return nil, fmt.Errorf("text has %d layers, want 1", n)
	}
	param := net.Param.GetLayer()[0]
	if param.Phase != nil {
		env.Phase = param.GetPhase()
	}
	blobs := make(map[string]*blob.Blob)
	for i, name := range param.GetBottom() {
		if i < len(bottom) {
			blobs[name] = bottom[i]
		}
	}
	if len(bottom) != len(param.GetBottom()) {
		return nil, fmt.Errorf("layer has %d bottoms, %d blobs were given", len(param.GetBottom()), len(bottom))
	}
	return setUp(env, param, net.Positions, blobs)
}

// setUp makes a layer whose bottoms are in blobs, and adds its tops to them.
func setUp(env *layers.Env, param *caffepb.LayerParameter, positions *prototxt.Positions, blobs map[string]*blob.Blob) (*Fixture, error) {
	spec := layers.NewSpec(param, env, positions)
	info := layers.Of(param)
	if info == nil {
		return nil, spec.Errorf("type", "unknown layer type %q", param.GetType())
	}
	f := &Fixture{Info: info, Spec: spec}
	for _, name := range param.GetBottom() {
		b := blobs[name]
		if b == nil {
			return nil, spec.Errorf("bottom", "bottom %q is not the top of any layer above", name)
		}
		f.Bottom = append(f.Bottom, b)
		f.Propagate = append(f.Propagate, hasGradient(info, nil, len(f.Propagate)))
	}
	for _, name := range param.GetTop() {
		inPlace := false
		for i, bottom := range param.GetBottom() {
			if bottom == name {
				f.Top, inPlace = append(f.Top, f.Bottom[i]), true
				break
			}
		}
		if !inPlace {
			f.Top = append(f.Top, new(blob.Blob))
		}
		blobs[name] = f.Top[len(f.Top)-1]
	}
	for info.Loss && len(f.Top) < info.Tops.Min {
		f.Top = append(f.Top, new(blob.Blob))
	}
	if err := f.checkCounts(); err != nil {
		return nil, err
	}
	var err error
	if f.Layer, err = info.New(spec); err != nil {
		return nil, err
	}
	for i := range f.Propagate {
		f.Propagate[i] = hasGradient(info, f.Layer, i)
	}
	if err = f.Layer.SetUp(f.Bottom, f.Top); err == nil {
		err = f.Layer.Reshape(f.Bottom, f.Top)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	for i, top := range f.Top {
		if w := f.lossWeight(i); w != 0 {
			fill(top.MutableDiff(), w)
		}
	}
	return f, nil
}

func (f *Fixture) checkCounts() error {
	if !f.Info.Bottoms.Allows(len(f.Bottom)) {
		return f.Spec.Errorf("bottom", "layer has %d bottoms, want %v", len(f.Bottom), f.Info.Bottoms)
	}
	if !f.Info.Tops.Allows(len(f.Top)) {
		return f.Spec.Errorf("top", "layer has %d tops, want %v", len(f.Top), f.Info.Tops)
	}
	if f.Info.SameCount && len(f.Bottom) != len(f.Top) {
		return f.Spec.Errorf("top", "layer has %d bottoms and %d tops, want as many tops as bottoms", len(f.Bottom), len(f.Top))
	}
	return nil
}

// hasGradient reports whether bottom i has a gradient under force_backward.
func hasGradient(info *layers.Info, layer layers.Layer, i int) bool {
	if forcer, ok := layer.(layers.BackwardForcer); ok {
		return forcer.AllowForceBackward(i)
	}
	return !info.Loss || i != 1
}

// lossWeight returns the loss weight of top i.
func (f *Fixture) lossWeight(i int) float32 {
	if weights := f.Spec.Param.GetLossWeight(); i < len(weights) {
		return weights[i]
	}
	if f.Info.Loss && i == 0 {
		return 1
	}
	return 0
}

// sharesDiff reports whether a top and a bottom share their diff, as those of layers
// do that work in place or only change the shape.
func (f *Fixture) sharesDiff() bool {
	for _, top := range f.Top {
		for _, bottom := range f.Bottom {
			if top.SharesDiff(bottom) {
				return true
			}
		}
	}
	return false
}

// Params returns the layer's weight blobs.
func (f *Fixture) Params() []*blob.Blob {
	if p, ok := f.Layer.(layers.Parameterized); ok {
		return p.Params()
	}
	return nil
}

// Forward runs Reshape and Forward. On a GPU it waits for errors in the data, such as
// labels out of range.
func (f *Fixture) Forward() error {
	if err := f.Layer.Reshape(f.Bottom, f.Top); err != nil {
		return err
	}
	if err := f.forward(); err != nil {
		return err
	}
	if c, ok := f.Layer.(layers.DeviceChecker); ok {
		return c.CheckDevice()
	}
	return nil
}

// forward runs Forward alone.
func (f *Fixture) forward() error {
	if d := f.Spec.Env.Device; d != nil {
		return layers.ForwardOn(context.Background(), d, f.Layer, f.Bottom, f.Top)
	}
	return f.Layer.Forward(context.Background(), f.Bottom, f.Top)
}

// Backward runs Backward for the bottoms in Propagate.
func (f *Fixture) Backward() error {
	if d := f.Spec.Env.Device; d != nil {
		return layers.BackwardOn(context.Background(), d, f.Layer, f.Top, f.Propagate, f.Bottom)
	}
	return f.Layer.Backward(context.Background(), f.Top, f.Propagate, f.Bottom)
}

// Close closes the layer if it implements layers.Closer.
func (f *Fixture) Close() error {
	if c, ok := f.Layer.(layers.Closer); ok {
		return c.Close()
	}
	return nil
}

// Gaussian returns a blob with values of the standard normal distribution, the same
// for the same seed and shape.
func Gaussian(seed uint64, shape ...int) *blob.Blob {
	b := zeros(shape)
	layers.NewRand(seed, "layertest").Gaussian(nil, 0, 0, 1, b.MutableData())
	return b
}

// Uniform returns a blob with values in [lo,hi), the same for the same seed and shape.
func Uniform(seed uint64, lo, hi float32, shape ...int) *blob.Blob {
	b := zeros(shape)
	layers.NewRand(seed, "layertest").Uniform(nil, 0, lo, hi, b.MutableData())
	return b
}

// Labels returns a blob of classes, numbers from 0 to classes-1, the same for the same
// seed and shape.
func Labels(seed uint64, classes int, shape ...int) *blob.Blob {
	b := Uniform(seed, 0, float32(classes), shape...)
	for i, v := range b.Data() {
		b.MutableData()[i] = float32(int(v))
	}
	return b
}

// Values returns a blob with the given values.
func Values(values []float32, shape ...int) *blob.Blob {
	b := zeros(shape)
	if b.Count() != len(values) {
		panic(fmt.Sprintf("layertest: Values: %d values for shape %v", len(values), shape))
	}
	copy(b.MutableData(), values)
	return b
}

func zeros(shape []int) *blob.Blob {
	b, err := blob.New(shape...)
	if err != nil {
		panic("layertest: " + err.Error())
	}
	return b
}

// CheckError sets up the layer that the text describes. It fails the test unless that
// gives an error at the given line of the text with the given message, which begins
// with the layer: `layer "ip1": ...`.
func CheckError(t testing.TB, line int, want, text string, bottom ...*blob.Blob) {
	t.Helper()
	_, err := SetUp(new(layers.Env), text, bottom...)
	if err == nil {
		t.Errorf("no error, want %s", want)
		return
	}
	var at *prototxt.Error
	if !errors.As(err, &at) {
		t.Errorf("error %q is not a *prototxt.Error", err)
		return
	}
	if at.Pos.Line != line {
		t.Errorf("error %q is about line %d, want line %d", err, at.Pos.Line, line)
	}
	if got := strings.TrimPrefix(err.Error(), at.Pos.String()+": "); got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}
