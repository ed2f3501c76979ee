package surgery

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/net"
	"google.golang.org/protobuf/proto"
)

func newNet(t *testing.T, text string, seed uint64) *net.Net {
	t.Helper()
	file, err := net.Parse("net.prototxt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	n, err := net.New(file, net.Options{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// connected classifies images of 5 x 6; convolved does so at each place of larger ones.
const (
	connected = `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 dim: 5 dim: 6 } } }
layer { name: "fc1" type: "InnerProduct" bottom: "data" top: "fc1" inner_product_param { num_output: 4 weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 } } }
layer { name: "relu" type: "ReLU" bottom: "fc1" top: "fc1" }
layer { name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2" inner_product_param { num_output: 3 weight_filler { type: "gaussian" std: 1 } } }`
	convolved = `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 dim: 7 dim: 9 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 4 kernel_h: 5 kernel_w: 6 } }
layer { name: "relu" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2" convolution_param { num_output: 3 kernel_size: 1 } }`
)

// TestFullyConvolutional turns a classifier into a fully convolutional net: at each place
// it must say what the classifier says of the part of the image there.
func TestFullyConvolutional(t *testing.T) {
	fc, conv := newNet(t, connected, 3), newNet(t, convolved, 4)
	weights := fc.ToProto(false)
	for from, to := range map[string]string{"fc1": "conv1", "fc2": "conv2"} {
		if err := Rename(weights, from, to); err != nil {
			t.Fatal(err)
		}
	}
	changes, err := Fit(weights, conv)
	if err != nil {
		t.Fatal(err)
	}
	if len(changes) != 2 || changes[0].Layer != "conv1" || changes[0].Blob != 0 || !slices.Equal(changes[0].From, []int{4, 60}) || !slices.Equal(changes[0].To, []int{4, 2, 5, 6}) {
		t.Errorf("the changes are %+v", changes)
	}
	if err := conv.CopyTrainedFrom(weights, "weights"); err != nil {
		t.Fatal(err)
	}
	image := conv.Blob("data").MutableData()
	r := rand.New(rand.NewPCG(1, 2))
	for i := range image {
		image[i] = float32(r.NormFloat64())
	}
	if _, err := conv.Forward(context.Background()); err != nil {
		t.Fatal(err)
	}
	out := conv.Blob("conv2")
	if !out.ShapeEqual([]int{1, 3, 3, 4}) {
		t.Fatalf("the scores have the shape %v", out.Shape())
	}
	for y := range 3 {
		for x := range 4 {
			part := fc.Blob("data").MutableData()
			for i := range part {
				c, py, px := i/30, i/6%5, i%6
				part[i] = image[(c*7+y+py)*9+x+px]
			}
			if _, err := fc.Forward(context.Background()); err != nil {
				t.Fatal(err)
			}
			for k, want := range fc.Blob("fc2").Data() {
				if got := out.Data()[(k*3+y)*4+x]; math.Abs(float64(got-want)) > 1e-4 { // sums of 60 products of size 1
					t.Errorf("score %d at %d, %d is %g, want %g", k, y, x, got, want)
				}
			}
		}
	}

	// And back.
	back := conv.ToProto(false)
	for from, to := range map[string]string{"conv1": "fc1", "conv2": "fc2"} {
		if err := Rename(back, from, to); err != nil {
			t.Fatal(err)
		}
	}
	if changes, err = Fit(back, fc); err != nil || len(changes) != 2 {
		t.Fatalf("%d changes, %v", len(changes), err)
	}
	want := slices.Clone(fc.Params()[0].Blob.Data())
	if err := fc.CopyTrainedFrom(back, "back"); err != nil || !slices.Equal(fc.Params()[0].Blob.Data(), want) {
		t.Errorf("the weights that came back are others, %v", err)
	}
}

// model returns weights: a of 2 x 3 and 2, in the old form, b without, c of 6 and 2.
func model() *caffepb.NetParameter {
	return &caffepb.NetParameter{Layer: []*caffepb.LayerParameter{
		{Name: proto.String("a"), Type: proto.String("InnerProduct"), Blobs: []*caffepb.BlobProto{
			{Num: proto.Int32(1), Channels: proto.Int32(1), Height: proto.Int32(2), Width: proto.Int32(3), Data: []float32{1, 2, 3, 4, 5, 6}},
			{Shape: &caffepb.BlobShape{Dim: []int64{2}}, DoubleData: []float64{7, 8}},
		}},
		{Name: proto.String("b")},
		{Name: proto.String("c"), Blobs: []*caffepb.BlobProto{
			{Shape: &caffepb.BlobShape{Dim: []int64{6}}, Data: make([]float32, 6)}, {Shape: &caffepb.BlobShape{Dim: []int64{2, 1}}, Data: make([]float32, 2)},
		}},
	}}
}

// values returns shape and elements of a blob.
func values(t *testing.T, p *caffepb.BlobProto) ([]int, []float32) {
	t.Helper()
	var b blob.Blob
	if err := b.FromProto(p, true); err != nil {
		t.Fatal(err)
	}
	return b.Shape(), b.Data()
}

func TestCopy(t *testing.T) {
	p := model()
	if err := Copy(p, "a", "c"); err != nil {
		t.Fatal(err)
	}
	if shape, data := values(t, p.Layer[2].Blobs[0]); !slices.Equal(shape, []int{6}) || !slices.Equal(data, []float32{1, 2, 3, 4, 5, 6}) {
		t.Errorf("blob 0 of c is %v, %v", shape, data)
	}
	if shape, data := values(t, p.Layer[2].Blobs[1]); !slices.Equal(shape, []int{2, 1}) || !slices.Equal(data, []float32{7, 8}) {
		t.Errorf("blob 1 of c is %v, %v", shape, data)
	}
	if err := Copy(p, "a", "new"); err != nil || len(p.Layer) != 4 || p.Layer[3].GetName() != "new" || p.Layer[3].GetType() != "InnerProduct" {
		t.Fatalf("the copy of a is %v, %v", p.Layer, err)
	}
	p.Layer[3].Blobs[0].Data[0] = 9
	if _, data := values(t, p.Layer[0].Blobs[0]); data[0] != 1 {
		t.Error("the copy shares its elements")
	}
}

func TestReshapeAndRemove(t *testing.T) {
	p := model()
	if err := Reshape(p, "a", 0, 3, 2); err != nil {
		t.Fatal(err)
	}
	if shape, data := values(t, p.Layer[0].Blobs[0]); !slices.Equal(shape, []int{3, 2}) || !slices.Equal(data, []float32{1, 2, 3, 4, 5, 6}) {
		t.Errorf("blob 0 of a is %v, %v", shape, data)
	}
	if err := Remove(p, "a"); err != nil || len(p.Layer) != 2 || p.Layer[0].GetName() != "b" {
		t.Errorf("without a there are %v, %v", p.Layer, err)
	}
}

// TestRefuses checks that errors say what was got and wanted, and change nothing.
func TestRefuses(t *testing.T) {
	n := newNet(t, `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 5 } } }
layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" inner_product_param { num_output: 2 } }
layer { name: "c" type: "InnerProduct" bottom: "data" top: "c" inner_product_param { num_output: 2 bias_term: false } }`, 1)
	damaged := model()
	damaged.Layer[0].Blobs[0].Data = damaged.Layer[0].Blobs[0].Data[:5]
	for name, tt := range map[string]struct {
		edit func(p *caffepb.NetParameter) error
		want string
	}{
		"rename nothing":    {func(p *caffepb.NetParameter) error { return Rename(p, "aa", "x") }, `there is no layer "aa"`},
		"rename to another": {func(p *caffepb.NetParameter) error { return Rename(p, "a", "c") }, `layer "a" cannot be renamed: there is a layer "c"`},
		"rename to nothing": {func(p *caffepb.NetParameter) error { return Rename(p, "a", "") }, `the new name of layer "a" is empty`},
		"copy no weights":   {func(p *caffepb.NetParameter) error { return Copy(p, "b", "x") }, `layer "b" has no weights`},
		"copy to itself":    {func(p *caffepb.NetParameter) error { return Copy(p, "a", "a") }, `layer "a" cannot be copied to itself`},
		"copy to none":      {func(p *caffepb.NetParameter) error { return Copy(p, "a", "b") }, `layer "a" has 2 blobs of weights, layer "b" has 0`},
		"reshape":           {func(p *caffepb.NetParameter) error { return Reshape(p, "a", 0, 4, 2) }, `blob 0 of layer "a": the shape 1 x 1 x 2 x 3 has 6 elements, 4 x 2 has 8`},
		"reshape no blob":   {func(p *caffepb.NetParameter) error { return Reshape(p, "a", 2, 1) }, `layer "a" has no blob 2, it has 2 of weights`},
		"reshape damaged":   {func(*caffepb.NetParameter) error { return Reshape(damaged, "a", 0, 3, 2) }, `blob 0 of layer "a": `},
		"remove nothing":    {func(p *caffepb.NetParameter) error { return Remove(p, "x") }, `there is no layer "x"`},
		"fit": {func(p *caffepb.NetParameter) error { _, err := Fit(p, n); return err },
			"layer \"a\": blob 0 is 1 x 1 x 2 x 3 with 6 elements, in the net 2 x 5 with 10\nlayer \"c\": the file has 2 blobs of weights, the net has 1"},
	} {
		p := model()
		if err := tt.edit(p); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
		if !proto.Equal(p, model()) {
			t.Errorf("%s: the weights are changed after the error", name)
		}
	}
}
