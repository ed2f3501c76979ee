// Package conv computes convolutions and their gradients.
//
// The micro-kernels of package gemm compute all three products, the forward pass and
// the gradients of the data and of the weights: by Winograd's algorithm, or with Fourier
// transforms, for 3x3 and 5x5 kernels of stride 1, and otherwise directly, from a zero-padded
// copy of a few images through tables of offsets. There is no im2col matrix.
//
// The files, from low to high: geometry.go; strides.go, loops over elements that are a stride
// apart; window*.go, the padded copy; epilogue.go, what is done with each part of the result;
// kept.go, packed weights that are kept; product.go with tiles*.go, lines*.go, dense*.go,
// singles.go and rows_product.go, ways to compute the forward pass and the gradient of the data;
// plan.go, which chooses one; phases.go with rows_phases.go, the gradient of the data with
// strides; grad*.go, singles_grad.go, rows_grad.go and depthwise.go, the gradient of the weights;
// vectors.go, which both singles share, and rows.go, which all rows_*.go share; transform*.go,
// fourier_generic.go, tiling.go with classes.go, winograd.go and winograd_*.go; phased.go and
// rounded*.go, all three products from operands in bfloat16; conv.go, which chooses.
package conv

import (
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

//go:generate go run -C ../_asm . -subject conv -out ../conv/conv_amd64.s -stubs ../conv/stubs_amd64.go -pkg conv
//go:generate go run -C ../_asm ./arm64 -subject conv -out ../conv/conv_arm64.s -stubs ../conv/stubs_arm64.go

// A Conv computes an N-dimensional convolution and its gradients. x is
// (Batch,Channels,In...), weight is (Outputs,Channels/Group,Kernel...), bias is
// (Outputs) and y is (Batch,Outputs,OutShape...). Two goroutines must not use a
// Conv at the same time.
type Conv struct {
	*geometry
	outShape []int // without the axis added to a convolution without spatial axes
	bias     biasTask
	addBias  addBias

	winograd *winograd // nil if the convolution is computed directly
	direct   *direct   // nil if not
	rounded  *rounded  // comes before both; nil if the operands are not rounded

	kept keptWeights // of forward

	given *norm.ChannelMap // of x; nil for none
	left  *norm.ItemGrad   // of dy; nil for nothing
	input norm.VectorMap   // given, during a run
}

// winograd holds the three products by Winograd's algorithm.
type winograd struct {
	forward, data *winogradProduct
	weights       *winogradGrad
	bothTask      winogradBoth
}

// direct holds the three products from padded copies.
type direct struct {
	forward *plan
	data    *plan   // nil unless all pixels of x form one phase
	phases  *phases // nil unless there are several, or gaps between those of one
	gaps    bool    // there are pixels of x that no tap covers, which have a gradient of 0
	weights *gradPlan
	singles singlesSums // with data, instead of weights
	rows    rowsSums    // the same
}

// New returns the convolution of the given geometry.
func New(p Params) (*Conv, error) {
	g, err := newGeometry(p)
	if err != nil {
		return nil, err
	}
	c := &Conv{geometry: g}
	if len(p.In) > 0 {
		c.outShape = g.out
	}
	if t := newTiling(g); t != nil {
		back := t.backward()
		c.winograd = &winograd{
			forward: &winogradProduct{tiling: t, inputMap: &c.input, kept: &c.kept},
			data:    &winogradProduct{tiling: back, backward: true},
			weights: newWinogradGrad(t.ofWeights()),
		}
		c.winograd.weights.inputMap = &c.input
		return c, nil
	}
	if c.direct, err = newDirect(g); err != nil {
		return nil, err
	}
	c.direct.forward.kept = &c.kept
	c.direct.forward.singles.cut.inputMap = &c.input
	c.direct.weights.singles.inputMap = &c.input
	c.direct.singles.inputMap = &c.input
	return c, nil
}

// NewRounded returns the convolution that rounds the operands of its products to bfloat16, if
// they are large enough and Winograd's algorithm is not faster. Sums are float32.
func NewRounded(p Params) (*Conv, error) {
	c, err := New(p)
	if err == nil {
		c.rounded = newRounded(c.geometry, c.winograd)
	}
	return c, err
}

func newDirect(g *geometry) (*direct, error) {
	d := new(direct)
	var err error
	if d.forward, err = forwardPlan(g); err != nil {
		return nil, err
	}
	if d.weights, err = newGradPlan(g); err != nil {
		return nil, err
	}
	products, rests, gaps := dataProducts(g)
	d.gaps = gaps
	switch {
	case len(products) == 1 && size(products[0].out) == g.inSize:
		d.data, err = newPlan(products[0])
	case len(products) == 1 && g.dense(g.groupOutputs(), g.groupChannels()):
		d.gaps = false
		d.data, err = newPlan(products[0])
	case len(products) > 0:
		d.phases, err = newPhases(g, products, rests)
	}
	return d, err
}

// OutShape returns the spatial shape of y.
func (c *Conv) OutShape() []int { return slices.Clone(c.outShape) }

// MACs returns the number of multiply-adds of Forward, computed directly.
func (c *Conv) MACs() int64 { return c.macs() }

// Rounds reports whether the products are computed from rounded operands.
func (c *Conv) Rounds() bool { return c.rounded != nil }

func (c *Conv) check(name string, x []float32, want int) {
	if len(x) < want {
		panic(fmt.Sprintf("kernel: Conv: %s has %d elements, want %d", name, len(x), want))
	}
}

func (c *Conv) checkAll(x, weight, y []float32) {
	c.check("x", x, c.Batch*c.Channels*c.inSize)
	c.check("weight", weight, c.Outputs*c.groupChannels()*c.taps)
	c.check("y", y, c.Batch*c.Outputs*c.outSize)
}

// Forward sets y to the convolution of x with weight, plus bias. A nil bias stands for
// zeros.
func (c *Conv) Forward(p *parallel.Pool, x, weight, bias, y []float32) {
	c.ForwardThen(p, x, weight, bias, y, nil)
}

// ForwardThen is Forward followed by an epilogue, which each part of the work computes of
// its part of y. It may be nil.
func (c *Conv) ForwardThen(p *parallel.Pool, x, weight, bias, y []float32, then *norm.Epilogue) {
	if then != nil {
		then.Check("Conv", c.Batch, c.Outputs, c.outSize)
	}
	c.forward(p, x, weight, bias, y, epilogue{Epilogue: then})
}

// ForwardSums is Forward, and also takes the sums of each plane of y if y is larger than the
// caches, so that the next layer need not read it from memory for them.
func (c *Conv) ForwardSums(p *parallel.Pool, x, weight, bias, y []float32, sums *norm.PlaneSums) {
	if c.Batch*c.Outputs*c.outSize < streamSize || c.outSize == 1 || c.rounded.plan() || c.winograd != nil && c.winograd.forward.few() {
		sums.Free()
		c.Forward(p, x, weight, bias, y)
		return
	}
	var ends []int
	switch {
	case c.Direct && bias != nil: // addBias takes the sums, of whole planes
	case c.winograd != nil:
		ends = c.winograd.forward.sumEnds
	case c.direct.forward.byRows():
		ends = c.direct.forward.rows.cut.ends
	case c.direct.forward.bySingles():
		ends = c.direct.forward.singles.ends
	}
	sums.Begin(c.Batch, c.Outputs, c.outSize, ends)
	c.forward(p, x, weight, bias, y, epilogue{sums: sums})
	sums.End()
}

// forward is Forward with an epilogue.
func (c *Conv) forward(p *parallel.Pool, x, weight, bias, y []float32, then epilogue) {
	c.checkAll(x, weight, y)
	if bias != nil {
		c.check("bias", bias, c.Outputs)
	}
	if c.Batch == 0 {
		return
	}
	op := p.Begin()
	defer op.End()
	c.setInput()
	if c.rounded.plan() {
		c.rounded.forward.run(op, x, weight, bias, y)
		if then.Epilogue != nil {
			then.Run(op.Pool(), c.Batch, c.Outputs, c.outSize, y)
		}
		return
	}
	if c.winograd != nil {
		c.winograd.forward.run(op, x, weight, bias, y, then)
		return
	}
	if !c.Direct || bias == nil {
		c.direct.forward.run(op, x, weight, bias, y, then)
		return
	}
	c.direct.forward.run(op, x, weight, nil, y, epilogue{})
	c.addBias = addBias{geometry: c.geometry, bias: bias, y: y, then: then}
	op.Pool().Run(c.Batch, &c.addBias)
	c.addBias = addBias{}
}

// addBias adds the bias to images of y, and then computes an epilogue.
type addBias struct {
	*geometry
	bias, y []float32
	then    epilogue
}

// Do adds it to image i.
func (t *addBias) Do(_, i int) {
	for o := range t.Outputs {
		at := (i*t.Outputs + o) * t.outSize
		y := t.y[at:][:t.outSize]
		vec.AddScalar(t.bias[o], y, y)
		t.then.rows(o, 1, t.y, at, 0, t.outSize)
	}
}

// Backward is BackwardWeights and BackwardData. With groups of one channel it reads dy once for
// both, and sums the gradient of weight in another order.
func (c *Conv) Backward(p *parallel.Pool, x, weight, dy, dweight, dbias, dx []float32) {
	if c.left.Left() && c.TakesGrad(p.Threads()) {
		c.checkAll(x, weight, dy)
		c.checkAll(dx, dweight, dy)
		if dbias != nil {
			c.check("dbias", dbias, c.Outputs)
		}
		op := p.Begin()
		defer op.End()
		c.setInput()
		c.winograd.both(op, x, weight, dy, dweight, dbias, dx, c.left)
		return
	}
	c.left.Finish(p)
	rows := c.bothByRows()
	if c.Batch == 0 || !rows && !c.bothBySingles() {
		c.BackwardWeights(p, x, dy, dweight, dbias)
		c.BackwardData(p, weight, dy, dx)
		return
	}
	c.checkAll(x, weight, dy)
	c.checkAll(dx, dweight, dy)
	op := p.Begin()
	defer op.End()
	c.setInput()
	data := c.direct.data
	data.set(op, dy, weight, nil, dx)
	if rows {
		c.direct.rows.run(op, &data.rows, x, dweight)
	} else {
		c.direct.singles.run(op, &data.singles, x, dweight)
	}
	data.unset()
	if dbias != nil {
		c.BackwardBias(op.Pool(), dy, dbias)
	}
}

// bothBySingles reports whether Backward computes both gradients by vectors of channels from one
// copy of dy, also where that of the data alone is computed by vectors of pixels.
func (c *Conv) bothBySingles() bool {
	d := c.direct
	return d != nil && !c.Direct && !c.rounded.plan() && d.data != nil && depthwise(c.geometry) && d.data.singlesFit() && d.weights.bySingles()
}

// bothByRows reports the same of vectors of pixels.
func (c *Conv) bothByRows() bool {
	d := c.direct
	return d != nil && !c.Direct && !c.rounded.plan() && d.data != nil && depthwise(c.geometry) && d.data.byRows() && d.weights.byRows()
}

// BackwardData sets dx to the gradient of x, given the gradient dy of y.
func (c *Conv) BackwardData(p *parallel.Pool, weight, dy, dx []float32) {
	c.checkAll(dx, weight, dy)
	c.left.Finish(p)
	if c.Batch == 0 {
		return
	}
	op := p.Begin()
	defer op.End()
	if c.rounded.plan() {
		c.rounded.backwardData(op, weight, dy, dx)
		return
	}
	if c.winograd != nil {
		c.winograd.data.run(op, dy, weight, nil, dx, epilogue{})
		return
	}
	if c.direct.gaps {
		clear(dx[:c.Batch*c.Channels*c.inSize])
	}
	switch d := c.direct; {
	case d.data != nil:
		d.data.run(op, dy, weight, nil, dx, epilogue{})
	case d.phases != nil:
		d.phases.run(op, weight, dy, dx)
	}
}

// BackwardWeights adds the gradient of weight to dweight and, unless dbias is nil,
// the gradient of bias to dbias.
func (c *Conv) BackwardWeights(p *parallel.Pool, x, dy, dweight, dbias []float32) {
	c.checkAll(x, dweight, dy)
	c.left.Finish(p)
	if dbias != nil {
		c.check("dbias", dbias, c.Outputs)
	}
	if c.Batch == 0 {
		return
	}
	op := p.Begin()
	defer op.End()
	c.setInput()
	switch {
	case c.rounded.plan():
		c.rounded.weights.run(op, x, dy, dweight)
		if dbias != nil {
			c.BackwardBias(op.Pool(), dy, dbias)
		}
	case c.winograd != nil:
		c.winograd.weights.run(op, x, dy, dweight, dbias)
	default:
		c.direct.weights.run(op, x, dy, dweight, dbias)
	}
}

// BackwardBias adds the gradient of bias to dbias.
func (c *Conv) BackwardBias(p *parallel.Pool, dy, dbias []float32) {
	c.check("y", dy, c.Batch*c.Outputs*c.outSize)
	c.check("dbias", dbias, c.Outputs)
	c.left.Finish(p)
	if c.Batch == 0 {
		return
	}
	c.bias.run(p, c.geometry, dy, dbias)
}

// biasWork is the approximate number of elements of dy that a part of BackwardBias sums.
const biasWork = 1 << 16

// biasTask sums dy over some of the outputs.
type biasTask struct {
	*geometry
	step      int // outputs per part
	dy, dbias []float32
}

func (t *biasTask) run(p *parallel.Pool, g *geometry, dy, dbias []float32) {
	*t = biasTask{geometry: g, dy: dy, dbias: dbias}
	t.step = max(1, biasWork/(g.Batch*g.outSize))
	p.Run(gemm.CeilDiv(g.Outputs, t.step), t)
	*t = biasTask{}
}

// Do sums part i of the outputs.
func (t *biasTask) Do(_, i int) {
	for o := i * t.step; o < min((i+1)*t.step, t.Outputs); o++ {
		var sum float64
		for n := range t.Batch {
			sum += vec.Sum(t.dy[(n*t.Outputs+o)*t.outSize:][:t.outSize])
		}
		t.dbias[o] += float32(sum)
	}
}
