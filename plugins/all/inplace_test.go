package all

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// TestInPlace runs the layer of each golden case with tops that have the names of its
// bottoms. It must refuse that, or compute what it computes otherwise, forward and
// backward. Caffe lets many types work in place that then compute nonsense.
func TestInPlace(t *testing.T) {
	t.Run("host", func(t *testing.T) { inPlaceCases(t, nil) })
	t.Run("device", func(t *testing.T) { inPlaceCases(t, cudatest.Device(t)) })
}

func inPlaceCases(t *testing.T, device *cuda.Device) {
	tried, same := make(map[string]bool), make(map[string]bool)
	for root, cases := range goldenCases(t) {
		for _, name := range caseFiles(t, cases) {
			text, err := fs.ReadFile(cases, name)
			if err != nil {
				t.Fatal(err)
			}
			typ := path.Base(path.Dir(path.Dir(name)))
			if layers.Lookup(typ) == nil || device != nil && tried[typ] && typ != "Power" { // the fake device is slow
				continue
			}
			file, err := prototxt.ParseNetIn(dialectOf(root, typ), name, text)
			if err != nil {
				continue // another fork's layer of the same name
			}
			for j := range 2 {
				if ran, equal := inPlace(t, device, file, typ, j); ran {
					tried[typ] = true
					same[typ] = same[typ] || equal
				}
			}
		}
	}
	for _, typ := range []string{"ReLU", "Dropout", "BatchNorm", "Scale", "BN"} {
		if !same[typ] {
			t.Errorf("%s does not work in place", typ)
		}
	}
	if len(tried) < 40 {
		t.Errorf("%d types were tried", len(tried))
	}
}

// inPlace runs the layer of the type in a net as it is, and with top j in place. ran
// means that the first was possible, equal that the second was too.
func inPlace(t *testing.T, device *cuda.Device, file *prototxt.Net, typ string, j int) (ran, equal bool) {
	t.Helper()
	before := slices.IndexFunc(file.Param.GetLayer(), func(l *caffepb.LayerParameter) bool { return l.GetType() == typ })
	if before < 0 {
		return false, false
	}
	if l := file.Param.GetLayer()[before]; j >= len(l.GetBottom()) || j >= len(l.GetTop()) || l.GetBottom()[j] == l.GetTop()[j] {
		return false, false
	}
	want, err := computed(t, device, file, typ, j, false)
	if err != nil {
		return false, false
	}
	got, err := computed(t, device, file, typ, j, true)
	if err != nil {
		calm(t, file.File, err)
		return true, false
	}
	for k, w := range want {
		for i, v := range w {
			if g := got[k][i]; math.Abs(float64(g-v)) > 1e-5*max(1, math.Abs(float64(v))) || (g != g) != (v != v) {
				t.Errorf("%s: top %d in place: array %d, element %d is %v, want %v", file.File, j, k, i, g, v)
				return true, false
			}
		}
	}
	return true, true
}

// computed returns top j, the gradient of bottom j and the gradients of the weights of
// the layer of a type. The layer reads copies of the net's inputs, since nothing may be
// in place of an input.
func computed(t *testing.T, device *cuda.Device, file *prototxt.Net, typ string, j int, inPlace bool) (arrays [][]float32, err error) {
	t.Helper()
	changed := *file
	changed.Param = proto.CloneOf(file.Param)
	changed.Param.ForceBackward = proto.Bool(true)
	var all []*caffepb.LayerParameter
	at := -1
	for _, l := range changed.Param.GetLayer() {
		if l.GetType() == typ && at < 0 {
			for k, bottom := range l.GetBottom() {
				copied := fmt.Sprint(bottom, "_copy_", k)
				all = append(all, &caffepb.LayerParameter{Name: &copied, Type: proto.String("Power"), Bottom: []string{bottom}, Top: []string{copied}})
				l.Bottom[k] = copied
			}
			at = len(all)
			if inPlace {
				l.Top[j] = l.GetBottom()[j]
			}
			all = append(all, l)
			break // what reads the tops is of no interest
		}
		all = append(all, l)
	}
	changed.Param.Layer = all
	n, err := net.New(&changed, net.Options{State: file.Param.GetState(), Device: device, Seed: 7})
	if err != nil {
		return nil, err
	}
	defer n.Close()
	for k, name := range n.Inputs() {
		wave(n.Blob(name).MutableData(), k)
	}
	if _, err := n.Forward(t.Context()); err != nil {
		return nil, err
	}
	// Copies of inputs with several readers have Split layers between.
	i := slices.IndexFunc(n.Layers(), func(l *net.Layer) bool { return l.Name == all[at].GetName() && l.Type == typ })
	layer := n.Layers()[i]
	arrays = append(arrays, slices.Clone(layer.Tops[j].Data()))
	for _, b := range layer.Tops {
		clear(b.MutableDiff())
	}
	wave(layer.Tops[j].MutableDiff(), 3)
	if err := n.ClearParamDiffs(); err != nil {
		return nil, err
	}
	if err := n.BackwardLayer(t.Context(), i); err != nil {
		return nil, err
	}
	blobs := layer.Params
	if layer.PropagateDown[j] {
		blobs = append([]*blob.Blob{layer.Bottoms[j]}, blobs...)
	}
	for _, b := range blobs {
		arrays = append(arrays, slices.Clone(b.Diff()))
	}
	return arrays, nil
}

// wave fills an array with numbers from 0.1 to 0.9.
func wave(x []float32, which int) {
	for i := range x {
		x[i] = float32(0.5 + 0.4*math.Sin(float64(3*i+which+1)))
	}
}
