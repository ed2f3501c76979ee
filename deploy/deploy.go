// Package deploy turns a trained net into one for inference. It does what
// Caffe's users do by hand in a deploy.prototxt, with the TEST net of a file
// and its weights: data layers become Input layers, losses become probabilities
// or are dropped, and labels are no longer needed. The result uses only layers
// of BVLC Caffe, so stock Caffe and programs that import its models can load
// it. Plugins supply the replacements of their layers (layers.Deployer).
//
// Before New returns a net, it builds it from its own text and weights; for
// random data the outputs must equal those of the TEST net.
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

// Options control how a net is deployed. The zero value is for a net whose data
// can be read.
type Options struct {
	// State selects the layers. Its phase must be TEST; nil is phase TEST
	// alone.
	State *caffepb.NetState

	// Shape is channels, height and width of the data as they leave the data
	// layer. If it is nil, the layer is asked, which needs its source.
	Shape []int

	// Batch is the size of axis 0 of the inputs. If it is 0, inputs for data
	// that are read from outside have size 1, and Input and DummyData layers
	// keep theirs.
	Batch int

	Workers *parallel.Pool // the threads; nil is one
}

// A Net is a deployed net.
type Net struct {
	Param   *caffepb.NetParameter // for deploy.prototxt
	Weights *caffepb.NetParameter // for deploy.caffemodel: the same layers, with their weights

	Inputs  []Input
	Outputs []string // the blobs that no layer reads, in alphabetical order

	// LeftOut lists the layers of the TEST net that the deployed net lacks, and
	// Replaced those that others replace.
	LeftOut, Replaced []string

	// Notes tell the user what may surprise.
	Notes []string

	// Difference is the largest difference between an output and that of the
	// TEST net for random data, relative to the largest element of that output.
	Difference float64
}

// An Input is a blob that the user of a deployed net sets.
type Input struct {
	Name  string
	Shape []int

	// Preparation describes what the data layer did to the data, which the user
	// has to do now; "" for nothing.
	Preparation string
}

// A ShapeError reports that the shape of the data is unknown. Setting
// Options.Shape avoids it.
type ShapeError struct{ Err error }

// Error says what was missing.
func (e *ShapeError) Error() string {
	return "the shape of the data is not known: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *ShapeError) Unwrap() error { return e.Err }

// New deploys the net of a file. Errors name the weights weightsFile. It
// changes neither the file nor the weights.
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
	if err := refusePrograms(file, opts.State); err != nil {
		return nil, err
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

// refusePrograms returns an error if the net has a layer whose code is not in its file.
func refusePrograms(file *prototxt.Net, state *caffepb.NetState) error {
	d := &deployer{file: file}
	for _, l := range net.Filter(file.Param, state) {
		if l.GetType() == "Python" {
			return d.errorAt(l, "type", 0, "is Python code, which a deployed net cannot have: replace the layer by an Input layer"+
				" or by layers of Caffe's own, or exclude it in phase TEST")
		}
	}
	return nil
}

// A deployer holds the state of New.
type deployer struct {
	file        *prototxt.Net
	weights     *caffepb.NetParameter
	weightsFile string
	opts        Options
	result      *Net
	shaped      bool // an Input layer has the shape of the options

	net   *net.Net // the TEST net, with its weights and made-up data
	nodes []*node  // its layers

	// By the names of blobs. A blob that is computed in place has one name.
	weighted map[string]bool // trained weights have gone into it
	labels   map[string]bool // tops of data layers that are labels
	labelled map[string]bool // labels have gone into it
	results  map[string]bool // what the deployed net is for
	needed   map[string]bool // what is needed for the results
}

// A node is a layer of the TEST net with its replacement in the deployed net.
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

// probe builds the TEST net with synthetic data and loads the weights.
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

// build builds the TEST net. If the shape of the data is unknown, it is guessed
// from the options of the data layer.
func (d *deployer) build() error {
	opts := net.Options{
		State:       d.opts.State,
		Workers:     d.opts.Workers,
		ForwardOnly: true,
		Synthetic:   &net.Synthetic{Shape: d.opts.Shape, Batch: max(d.opts.Batch, 1)},
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

// next removes and returns the first of the built layers that comes from param,
// with the splits before it, which the net has added.
func next(built *[]*net.Layer, param *caffepb.LayerParameter) *net.Layer {
	for {
		l := (*built)[0]
		*built = (*built)[1:]
		if l.Name == param.GetName() && l.Type == param.GetType() {
			return l
		}
	}
}

// title returns how messages name a layer.
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

// weightsThere checks that the file has weights for every layer with weights; a
// layer without would keep those of its filler.
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
