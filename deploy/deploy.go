// Package deploy makes the net that is used of the net that is trained. What
// Caffe's users do by hand in a deploy.prototxt, it does with the TEST net of
// a file and its weights: data layers become an Input layer, losses become the
// probabilities or leave, and labels are not needed any more. The result has
// layers of BVLC Caffe alone, so that stock Caffe and what imports its models
// load it; plugins bring what stands for their layers (layers.Deployer).
//
// Before a net is handed out it is built from its own text with its own
// weights, and must give for random data what the TEST net gives.
package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// Options say how a net is deployed. The zero value is for a net whose data
// can be read.
type Options struct {
	// State chooses the layers. Its phase must be TEST; nil is phase TEST alone.
	State *caffepb.NetState

	// Shape is channels, height and width of the data as they leave the data
	// layer. Nil asks the layer, whose source must then be there.
	Shape []int

	// Batch is the size of axis 0 of the inputs. With 0 it is 1 where data are
	// read from outside, and Input and DummyData layers keep theirs.
	Batch int

	Workers *parallel.Pool // the threads; nil is one
}

// A Net is a deployed net.
type Net struct {
	Param   *caffepb.NetParameter // for deploy.prototxt
	Weights *caffepb.NetParameter // for deploy.caffemodel: the same layers, with their weights

	Inputs  []Input
	Outputs []string // the blobs that no layer reads, in alphabetical order

	// LeftOut has the layers of the TEST net that are not in the deployed one,
	// and Replaced those in whose place others are.
	LeftOut, Replaced []string

	// Notes are for the user: what is not as it seems.
	Notes []string

	// Difference is the largest difference between an output and that of the
	// TEST net, for random data, by the largest number in that output.
	Difference float64
}

// An Input is a blob that the user of a deployed net fills.
type Input struct {
	Name  string
	Shape []int

	// Preparation says what the data layer did with the data, which its user
	// has to do now; "" for nothing.
	Preparation string
}

// A ShapeError says that the shape of the data is not known. Options.Shape
// does without the data.
type ShapeError struct{ Err error }

// Error says what was missing.
func (e *ShapeError) Error() string {
	return "the shape of the data is not known: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *ShapeError) Unwrap() error { return e.Err }

// New deploys the net of a file. weightsFile is the name of the weights in
// errors. The file and the weights are not changed.
func New(ctx context.Context, file *prototxt.Net, weights *caffepb.NetParameter, weightsFile string, opts Options) (*Net, error) {
	if opts.State == nil {
		opts.State = &caffepb.NetState{Phase: caffepb.Phase_TEST.Enum()}
	}
	if opts.State.GetPhase() != caffepb.Phase_TEST {
		return nil, fmt.Errorf("a net is deployed in phase TEST, got phase %v", opts.State.GetPhase())
	}
	if opts.Batch < 0 {
		return nil, fmt.Errorf("the batch size is %d, want at least 1", opts.Batch)
	}
	d := &deployer{file: file, weights: weights, weightsFile: weightsFile, opts: opts, result: new(Net)}
	if err := d.probe(); err != nil {
		return nil, err
	}
	defer d.net.Close()
	if err := d.rewrite(); err != nil {
		return nil, err
	}
	d.trace()
	if err := d.choose(); err != nil {
		return nil, err
	}
	if err := d.weightsThere(); err != nil {
		return nil, err
	}
	d.rename()
	if err := d.assemble(); err != nil {
		return nil, err
	}
	if err := d.check(ctx); err != nil {
		return nil, fmt.Errorf("the deployed net was made but is not right: %w", err)
	}
	return d.result, nil
}

// A deployer is what is known while a net is deployed.
type deployer struct {
	file        *prototxt.Net
	weights     *caffepb.NetParameter
	weightsFile string
	opts        Options
	result      *Net
	shaped      bool // an Input layer has the shape of the options

	net   *net.Net // the TEST net, with its weights and made-up data
	nodes []*node  // its layers

	// By names of blobs. A blob that is computed in place has one name.
	weighted map[string]bool // trained weights have gone into it
	labels   map[string]bool // tops of data layers that are labels
	labelled map[string]bool // labels have gone into it
	results  map[string]bool // what the deployed net is for
	needed   map[string]bool // what is needed for the results
}

// A node is a layer of the TEST net, and what stands for it in the deployed
// net.
type node struct {
	param *caffepb.LayerParameter // as in the file
	layer *net.Layer

	role role
	out  []*caffepb.LayerParameter // none if it is left out
	same string                    // of a loss whose result the net has already: that blob
	used []bool                    // for each of out whether it is needed
}

type role int

const (
	kept     role = iota // out is the layer itself
	replaced             // out are other layers
	removed              // nothing stands for it
	dataRole             // an Input layer will stand for it
)

// probe builds the TEST net with made-up data, and loads the weights.
func (d *deployer) probe() error {
	own := &prototxt.Net{File: d.file.File, Param: proto.Clone(d.file.Param).(*caffepb.NetParameter), Positions: d.file.Positions}
	own.Positions.Copied(d.file.Param, own.Param)
	d.file = own
	if err := d.shapeInputs(); err != nil {
		return err
	}
	if err := d.build(); err != nil {
		return err
	}
	named := NameScores(d.file, d.net, d.opts.State)
	if named != d.file {
		d.net.Close()
		d.file = named
		if err := d.build(); err != nil {
			return err
		}
	}
	err := d.net.CopyTrainedFrom(d.weights, d.weightsFile)
	if err == nil {
		err = d.collect()
	}
	if err != nil {
		d.net.Close()
	}
	return err
}

// build makes the TEST net. Where the shape of the data is not known, it is
// guessed from the options of the data layer.
func (d *deployer) build() error {
	opts := net.Options{
		State:     d.opts.State,
		Workers:   d.opts.Workers,
		Synthetic: &net.Synthetic{Shape: d.opts.Shape, Batch: max(d.opts.Batch, 1)},
	}
	var err error
	d.net, err = net.New(d.file, opts)
	var source *net.SourceError
	if err == nil || !errors.As(err, &source) || d.opts.Shape != nil {
		return err
	}
	cause := err
	for _, l := range net.Filter(d.file.Param, d.opts.State) {
		if opts.Synthetic.Shape = shapeOf(l); opts.Synthetic.Shape != nil {
			break
		}
	}
	if opts.Synthetic.Shape == nil {
		return &ShapeError{cause}
	}
	d.net, err = net.New(d.file, opts)
	return err
}

// collect pairs the layers of the net with those of the file.
func (d *deployer) collect() error {
	built := d.net.Layers()
	for _, param := range net.Filter(d.file.Param, d.opts.State) {
		l := next(&built, param)
		d.nodes = append(d.nodes, &node{param: param, layer: l})
	}
	if d.opts.Shape == nil || d.shaped {
		return nil
	}
	for _, n := range d.nodes {
		if isData(n.layer) && n.readsAhead() && n.param.GetType() != "MemoryData" {
			return nil
		}
	}
	return fmt.Errorf("%s: a shape of the data is given, %v, but no layer of the net reads data: the shapes of its inputs are in the file",
		d.file.File, d.opts.Shape)
}

// next returns the first of the built layers that was made of param, and takes
// it and those before it, which are splits that the net has added, away.
func next(built *[]*net.Layer, param *caffepb.LayerParameter) *net.Layer {
	for {
		l := (*built)[0]
		*built = (*built)[1:]
		if l.Name == param.GetName() && l.Type == param.GetType() {
			return l
		}
	}
}

// title is how messages name a layer.
func title(l *caffepb.LayerParameter) string { return fmt.Sprintf("%s (%s)", l.GetName(), l.GetType()) }

func (d *deployer) errorAt(l *caffepb.LayerParameter, field string, index int, format string, args ...any) *prototxt.Error {
	at := d.file.Positions.Of(l, field, index)
	if !at.IsValid() {
		at.File = d.file.File
	}
	return &prototxt.Error{Pos: at, Layer: l.GetName(), Err: fmt.Errorf(format, args...)}
}

func (d *deployer) note(format string, args ...any) {
	d.result.Notes = append(d.result.Notes, fmt.Sprintf(format, args...))
}

// weightsThere checks that the file of weights has those of every layer that
// has some: a layer without would have what its filler makes.
func (d *deployer) weightsThere() error {
	have := make(map[string]bool)
	for _, l := range d.weights.Layer {
		have[l.GetName()] = have[l.GetName()] || len(l.Blobs) > 0
	}
	owner := make(map[string]string) // of layers whose weights are another's
	for _, p := range d.net.AllParams() {
		if p.Owner != nil {
			owner[p.Layer] = p.Owner.Layer
		}
	}
	var missing []string
	for _, n := range d.nodes {
		if len(n.layer.Params) > 0 && n.isUsed() && !have[n.param.GetName()] && !have[owner[n.param.GetName()]] {
			missing = append(missing, title(n.param))
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("%s: has no weights of %s", d.weightsFile, strings.Join(missing, ", "))
}

func (n *node) isUsed() bool {
	for _, used := range n.used {
		if used {
			return true
		}
	}
	return false
}
