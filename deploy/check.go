package deploy

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// tolerance is the largest difference allowed between an output of the deployed
// net and that of the TEST net, relative to the largest element. Layers that
// are kept compute the same values to the last bit. Replacements compute in
// another order, which moves a result by about 1e-7 for each of some ten such
// layers; a mistake moves it much more.
const tolerance = 1e-4

// check builds the deployed net from its own text and weights, and compares its
// outputs for random data with those of the TEST net.
func (d *deployer) check(ctx context.Context) error {
	file, err := prototxt.ParseNet("deploy.prototxt", prototxt.MarshalNet(d.result.Param))
	if err != nil {
		return err
	}
	deployed, err := net.New(file, net.Options{Workers: d.opts.Workers, ForwardOnly: true})
	if err != nil {
		return err
	}
	defer deployed.Close()
	if err := deployed.CopyTrainedFrom(d.result.Weights, "deploy.caffemodel"); err != nil {
		return err
	}
	reference, err := d.reference()
	if err != nil {
		return err
	}
	defer reference.Close()

	random := rand.New(rand.NewPCG(1, 1))
	for _, in := range d.result.Inputs {
		x := reference.Blob(in.Name).MutableData()
		for i := range x {
			x[i] = float32(random.NormFloat64())
		}
		copy(deployed.Blob(in.Name).MutableData(), x)
	}
	sources := make(map[string]*caffepb.LayerParameter) // of outputs that the TEST net has not
	var wanted []string
	for _, name := range d.result.Outputs {
		if reference.Blob(name) == nil {
			if sources[name] = d.probabilitiesOf(name); sources[name] == nil {
				return fmt.Errorf("the TEST net has no blob %q, so that this output cannot be compared", name)
			}
			name = sources[name].Bottom[0]
		}
		wanted = append(wanted, name)
	}
	want, err := run(ctx, reference, wanted)
	if err != nil {
		return err
	}
	got, err := run(ctx, deployed, d.result.Outputs)
	if err != nil {
		return err
	}
	for i, name := range d.result.Outputs {
		expected := want[wanted[i]]
		if l := sources[name]; l != nil {
			expected = expect(l, expected, deployed.Blob(name).Shape())
		}
		if err := d.compare(name, got[name], expected); err != nil {
			return err
		}
	}
	return nil
}

// reference returns the TEST net with Input layers of the deployed net's batch
// size in place of its data layers. Its labels are zeros.
func (d *deployer) reference() (*net.Net, error) {
	param := &caffepb.NetParameter{Name: d.file.Param.Name, ForceBackward: d.file.Param.ForceBackward}
	for _, l := range net.Filter(d.file.Param, d.opts.State) {
		n := d.nodes[len(param.Layer)]
		if n.role == dataRole {
			own := &caffepb.LayerParameter{Name: l.Name, Type: proto.String("Input"), Top: l.Top, InputParam: new(caffepb.InputParameter)}
			for _, shape := range d.shapes(n) {
				own.InputParam.Shape = append(own.InputParam.Shape, protoShape(shape))
			}
			l = own
		}
		param.Layer = append(param.Layer, l)
	}
	n, err := net.New(&prototxt.Net{File: d.file.File, Param: param, Positions: d.file.Positions},
		net.Options{State: d.opts.State, Workers: d.opts.Workers, ForwardOnly: true})
	if err != nil {
		return nil, err
	}
	if err := n.CopyTrainedFrom(d.weights, d.weightsFile); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// probabilitiesOf returns the layer that computes an output, if it is a Softmax
// or Sigmoid that the TEST net does not have.
func (d *deployer) probabilitiesOf(output string) *caffepb.LayerParameter {
	for _, l := range d.result.Param.Layer {
		if slices.Contains(l.Top, output) && (l.GetType() == "Softmax" || l.GetType() == "Sigmoid") {
			return l
		}
	}
	return nil
}

// run runs a net and returns the values of the named blobs.
func run(ctx context.Context, n *net.Net, names []string) (map[string][]float32, error) {
	values := make(map[string][]float32)
	for i, l := range n.Layers() {
		if _, err := n.ForwardLayer(ctx, i); err != nil {
			return nil, err
		}
		for j, name := range l.TopNames {
			if slices.Contains(names, name) {
				values[name] = slices.Clone(l.Tops[j].Data())
			}
		}
	}
	return values, nil
}

// expect computes the output of a Softmax or Sigmoid layer of the given shape
// in float64, by its definition.
func expect(l *caffepb.LayerParameter, x []float32, shape []int) []float32 {
	y := make([]float32, len(x))
	if l.GetType() == "Sigmoid" {
		for i, v := range x {
			y[i] = float32(1 / (1 + math.Exp(-float64(v))))
		}
		return y
	}
	axis := int(l.GetSoftmaxParam().GetAxis())
	if axis < 0 {
		axis += len(shape)
	}
	inner := 1
	for _, n := range shape[axis+1:] {
		inner *= n
	}
	classes := shape[axis]
	for place := range len(x) / max(classes, 1) {
		first := place/inner*classes*inner + place%inner
		most, sum := math.Inf(-1), 0.0
		for k := range classes {
			most = max(most, float64(x[first+k*inner]))
		}
		for k := range classes {
			sum += math.Exp(float64(x[first+k*inner]) - most)
		}
		for k := range classes {
			y[first+k*inner] = float32(math.Exp(float64(x[first+k*inner])-most) / sum)
		}
	}
	return y
}

// compare checks an output and keeps the largest difference.
func (d *deployer) compare(name string, got, want []float32) error {
	if len(got) != len(want) {
		return fmt.Errorf("output %q has %d numbers, in the TEST net it has %d", name, len(got), len(want))
	}
	var scale, most float64
	for i, w := range want {
		if math.IsNaN(float64(w)) || math.IsInf(float64(w), 0) {
			return fmt.Errorf("output %q of the TEST net is %v for random data, so that it cannot be compared: are the weights of a net that diverged?", name, w)
		}
		scale = max(scale, math.Abs(float64(w)))
		if diff := math.Abs(float64(got[i]) - float64(w)); diff > most || math.IsNaN(diff) {
			most = diff
		}
	}
	if !(most <= tolerance*scale) {
		return fmt.Errorf("output %q differs from that of the TEST net by %.3g for random data, its largest number is %.3g", name, most, scale)
	}
	if scale > 0 {
		d.result.Difference = max(d.result.Difference, most/scale)
	}
	return nil
}
