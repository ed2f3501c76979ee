package python

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:    "Python",
		Group:   "utility",
		Param:   "python_param",
		Bottoms: layers.AtLeast(0),
		Tops:    layers.AtLeast(0),
		New:     newLayer,
		Doc: `Runs a class of your own that is derived from caffe.Layer, with python3 and NumPy. docs/python-layers.md
says what it can use.

Bottoms and tops: as many as the class wants. Their .data and .diff are NumPy arrays of type float32.
Weights: those that setup adds with self.blobs.add_blob(shape).
The layer runs on the host, in a process of its own; a loss needs a loss_weight, as in Caffe.
The classes of Faster R-CNN (rpn.proposal_layer and others; docs/forks.md) run without Python if their modules
cannot be imported.

python_param:
	module: the module with the class, which is imported from the working directory and PYTHONPATH
	layer: the name of the class
	param_str: options for the class, its self.param_str
	share_in_parallel: whether solvers that train together share one layer; each process has one solver and
	a layer of its own, so it changes nothing

Caffe: python_layer.hpp, _caffe.cpp`,
	})
}

// layer implements the layer type; its registration describes it.
type layer struct {
	spec *layers.Spec

	process  *process // nil before SetUp and after Close
	id       int64    // in the process
	bottom   []*shared
	top      []*shared // that of a bottom for a top in place
	params   []*shared
	blobs    []*blob.Blob // of params
	skipped  []bool       // the params whose gradient is not needed
	segments []*segment   // all that the layer has used
	shape    []int        // in a reply

	ready    bool   // Reshape has run
	began    bool   // Forward has run
	reshaped int64  // the pass for which Reshape has run since, or -1
	printed  []byte // last output, if there is no observer
}

var (
	_ layers.Parameterized   = (*layer)(nil)
	_ layers.ParamPropagator = (*layer)(nil)
	_ layers.BackwardReader  = (*layer)(nil)
	_ layers.ProgramRunner   = (*layer)(nil)
	_ layers.Closer          = (*layer)(nil)
)

func newLayer(spec *layers.Spec) (layers.Layer, error) {
	p := spec.Param.GetPythonParam()
	if p.GetModule() == "" {
		return nil, spec.Errorf("python_param.module", "python_param.module is not set, want the Python module with the class")
	}
	if p.GetLayer() == "" {
		return nil, spec.Errorf("python_param.layer", "python_param.layer is not set, want the name of a class in module %q", p.GetModule())
	}
	own, err := native(spec)
	if err != nil {
		return nil, err
	}
	if own != nil {
		return own.New(spec)
	}
	return &layer{spec: spec, reshaped: -1}, nil
}

// Program returns that the layer runs Python.
func (l *layer) Program() string { return "Python" }

// Params returns the blobs that setup has added.
func (l *layer) Params() []*blob.Blob { return l.blobs }

// SetParamPropagateDown says whether the gradient of weights i is needed.
func (l *layer) SetParamPropagateDown(i int, need bool) {
	if i < len(l.skipped) {
		l.skipped[i] = !need
	}
}

// BackwardReads returns that Backward reads no data: the process has them from Forward.
func (l *layer) BackwardReads() (bottom, top bool) { return false, false }

// SetUp makes the object and calls its setup.
func (l *layer) SetUp(bottom, top []*blob.Blob) (err error) {
	if l.process, err = use(l); err != nil {
		return l.failed(err)
	}
	l.id = l.process.ids.Add(1)
	if err := l.call(context.Background(), opSetUp, bottom, top, nil); err != nil {
		l.Close()
		return err
	}
	return nil
}

// Reshape calls reshape. When a net is built, the bottoms have no data yet; arrays that
// Python looks at all the same are zeros.
func (l *layer) Reshape(bottom, top []*blob.Blob) error {
	if err := l.call(context.Background(), opReshape, bottom, top, nil); err != nil {
		return err
	}
	if l.reshaped = -1; l.ready {
		l.reshaped = l.spec.Env.Pass
	}
	l.ready = true
	return nil
}

// Forward calls reshape, as Caffe does before each pass, and forward. If a net has
// called Reshape in this pass already, since a bottom has another shape, that was it.
func (l *layer) Forward(ctx context.Context, bottom, top []*blob.Blob) error {
	if !l.began && len(bottom) == 0 && l.spec.Env.Pass > 0 && l.spec.Env.Phase == caffepb.Phase_TRAIN {
		l.spec.Notef(event.Warning, "training resumes, but a snapshot does not have the state of Python code, such as a place in a list: layer %q begins anew, as in Caffe",
			l.spec.Param.GetName())
	}
	l.began = true
	err := l.call(ctx, opForward, bottom, top, nil)
	l.reshaped = -1
	return err
}

// Backward calls backward.
func (l *layer) Backward(ctx context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	return l.call(ctx, opBackward, bottom, top, propagateDown)
}

// call makes a call of the process, with the blobs that Python sees in it.
func (l *layer) call(ctx context.Context, op int64, bottom, top []*blob.Blob, propagateDown []bool) error {
	if l.process == nil {
		return l.failed(errors.New("the layer is not set up, or closed"))
	}
	l.bind(bottom, top)
	if err := l.process.begin(ctx, l); err != nil {
		return l.failed(err)
	}
	defer l.process.end()
	l.process.request.add(op, l.id)
	err := l.send(op, propagateDown)
	if err == nil {
		err = l.process.do(ctx, l)
	}
	if err == nil {
		err = l.receive(op, propagateDown)
	}
	if err != nil {
		return l.failed(err)
	}
	return nil
}

// send copies the arrays that a call reads, and adds its arguments to the request.
func (l *layer) send(op int64, propagateDown []bool) error {
	var err error
	switch {
	case op == opSetUp:
		err = l.sendOptions()
	case op == opForward, op == opReshape && l.ready:
		err = l.sendArrays(l.bottom, true, false)
		if op == opForward {
			l.process.request.addBool(l.reshaped != l.spec.Env.Pass)
		}
	case op == opBackward:
		err = l.sendArrays(l.top, false, true)
		l.process.request.add(int64(len(propagateDown)))
		for _, b := range propagateDown {
			l.process.request.addBool(b)
		}
	}
	if err == nil {
		err = l.sendArrays(l.params, true, op == opBackward)
	}
	l.describe()
	return err
}

// sendOptions adds what setup needs to the request.
func (l *layer) sendOptions() error {
	r := &l.process.request
	r.add(int64(len(l.top)))
	for _, top := range l.top {
		r.add(int64(slices.Index(l.bottom, top))) // -1 if it is not in place
	}
	p := l.spec.Param.GetPythonParam()
	text, err := json.Marshal(map[string]any{
		"name": l.spec.Param.GetName(), "module": p.GetModule(), "layer": p.GetLayer(),
		"param_str": p.GetParamStr(), "phase": int(l.spec.Env.Phase),
	})
	r.text = append(r.text, text...)
	return err
}

// receive copies the results of a call.
func (l *layer) receive(op int64, propagateDown []bool) error {
	if err := l.receiveShapes(); err != nil {
		return err
	}
	switch op {
	case opSetUp:
		return l.receiveWeights()
	case opForward:
		for _, b := range l.top {
			if err := l.ensure(&b.data, b.Count()); err != nil {
				return err
			}
			kernel.Copy(l.spec.Env.Workers, b.data.floats(b.Count()), b.MutableData())
		}
	case opBackward:
		for i, b := range l.bottom {
			if !propagateDown[i] {
				continue
			}
			if err := l.ensure(&b.diff, b.Count()); err != nil {
				return err
			}
			kernel.Copy(l.spec.Env.Workers, b.diff.floats(b.Count()), b.MutableDiff())
		}
		for i, b := range l.params {
			if !l.skipped[i] {
				kernel.Copy(l.spec.Env.Workers, b.diff.floats(b.Count()), b.MutableDiff())
			}
		}
	}
	l.receiveParams()
	return nil
}

// Close forgets the object, and ends the process if no other layer uses it.
func (l *layer) Close() error {
	p := l.process
	if p == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if p.beginIdle(ctx) {
		p.request.add(opClose, l.id)
		if p.do(ctx, l) == nil {
			for _, s := range l.segments {
				p.memory.release(s)
			}
		}
		p.end()
	}
	p.leave(l)
	l.process = nil
	return nil
}

// print sends the observer what the process has printed.
func (l *layer) print(text []byte) {
	if l.spec.Env.Observer != nil {
		event.Send(l.spec.Env.Observer, layers.ProgramOutput{Layer: l.spec.Param.GetName(), Text: text})
		return
	}
	const most = 4096
	l.printed = append(l.printed, text...)
	l.printed = l.printed[max(0, len(l.printed)-most):]
}

// lastOutput returns the end of what the process has printed, for an error, if there is
// no observer to show it.
func (l *layer) lastOutput() string {
	if text := bytes.TrimSpace(l.printed); len(text) > 0 {
		return "; its last output:\n" + string(text)
	}
	return ""
}
