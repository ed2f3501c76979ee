package deploy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// parse reads a net from text.
func parse(t *testing.T, text string) *prototxt.Net {
	t.Helper()
	file, err := prototxt.ParseNet("net.prototxt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// weightsOf returns weights for the TEST net of a file, as its fillers make
// them. BatchNorm gets statistics of made-up data.
func weightsOf(t *testing.T, file *prototxt.Net, shape []int) *caffepb.NetParameter {
	t.Helper()
	n, err := net.New(file, net.Options{
		State:     &caffepb.NetState{Phase: caffepb.Phase_TEST.Enum()},
		Seed:      7,
		Synthetic: &net.Synthetic{Shape: shape},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	return n.ToProto(false)
}

// deployed deploys a net of text with weights as its fillers make them.
func deployed(t *testing.T, text string, opts Options) (*Net, error) {
	t.Helper()
	file := parse(t, text)
	return New(context.Background(), file, weightsOf(t, file, opts.Shape), "net.caffemodel", opts)
}

// wiring returns the layers of a net, one in a line.
func wiring(p *caffepb.NetParameter) string {
	var lines []string
	for _, l := range p.Layer {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s > %s", l.GetName(), l.GetType(),
			strings.Join(l.Bottom, ","), strings.Join(l.Top, ","))))
	}
	return strings.Join(lines, "\n")
}

// stand is a layer for tests: bottom 0 times a learned number, minus the label
// if there is one.
type stand struct {
	layers.Weights
	loss, wrong bool
}

func (s *stand) SetUp(bottom, top []*blob.Blob) error {
	w, err := blob.New(1)
	if err != nil {
		return err
	}
	w.MutableData()[0] = 3
	s.Blobs = []*blob.Blob{w}
	return nil
}

func (s *stand) Reshape(bottom, top []*blob.Blob) error {
	if s.loss {
		return top[0].Reshape()
	}
	return top[0].ReshapeLike(bottom[0])
}

func (s *stand) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	for i := range top[0].MutableData() {
		top[0].MutableData()[i] = s.Blobs[0].Data()[0] * bottom[0].Data()[i]
	}
	return nil
}

func (s *stand) Backward(context.Context, []*blob.Blob, []bool, []*blob.Blob) error { return nil }

// deployable is a stand that says what stands for it, which is right unless
// wrong is set.
type deployable struct{ stand }

func (s *deployable) Deploy(param *caffepb.LayerParameter) ([]*caffepb.LayerParameter, error) {
	factor := s.Blobs[0].Data()[0]
	if s.wrong {
		factor += 0.01
	}
	return []*caffepb.LayerParameter{{
		Name: param.Name, Type: proto.String("Power"), Bottom: param.Bottom[:1], Top: param.Top[:1],
		PowerParam: &caffepb.PowerParameter{Scale: &factor},
	}}, nil
}

func init() {
	register := func(typ string, loss bool, impl func() layers.Layer) {
		layers.Register(layers.Info{
			Type: typ, Group: "test", Doc: "for tests", Loss: loss, Bottoms: layers.Between(1, 2), Tops: layers.Exactly(1),
			New: func(*layers.Spec) (layers.Layer, error) { return impl(), nil },
		})
	}
	// Where the layer itself is not linked, its description is enough.
	if typ := "SigmoidCrossEntropyLoss"; layers.Lookup(typ) == nil {
		register(typ, true, func() layers.Layer { return &stand{loss: true} })
	}
	register("DeployTestLoss", true, func() layers.Layer { return &stand{loss: true} })
	register("DeployTestUnknown", false, func() layers.Layer { return &stand{} })
	register("DeployTestRight", false, func() layers.Layer { return &deployable{} })
	register("DeployTestWrong", false, func() layers.Layer { return &deployable{stand{wrong: true}} })
}

const (
	inputs = `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 6 } } }
		layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 4 } } }
`
	ip = `layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 5 weight_filler { type: "gaussian" std: 1 } } }
`
	softmaxLoss = `layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
`
)

func TestShapes(t *testing.T) {
	images := func(options string) string {
		return `layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "absent" batch_size: 4 backend: LMDB } ` + options + ` }` + ip + softmaxLoss
	}
	list := func(options string) string {
		return `layer { name: "data" type: "ImageData" top: "data" top: "label" image_data_param { source: "absent" batch_size: 4 ` + options + ` } }` + ip + softmaxLoss
	}
	mean := filepath.Join(t.TempDir(), "mean.binaryproto")
	if err := prototxt.WriteBinary(mean, &caffepb.BlobProto{
		Num: proto.Int32(1), Channels: proto.Int32(2), Height: proto.Int32(9), Width: proto.Int32(9), Data: make([]float32, 162)}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, text string
		opts       Options
		want       string
		preparing  string
	}{
		{"crop and mean values", images("transform_param { crop_size: 7 scale: 0.5 mean_value: 104 mean_value: 117 mean_value: 123.5 }"), Options{}, "[1 3 7 7]",
			"subtract 104, 117, 123.5, take 7 x 7 from the centre, multiply by 0.5"},
		{"crop and mean image", images("transform_param { crop_size: 5 mean_file: '" + mean + "' }"), Options{Batch: 2}, "[2 2 5 5]",
			"subtract the mean image " + mean + ", take 5 x 5 from the centre"},
		{"sizes of a list", list("new_height: 4 new_width: 5"), Options{}, "[1 3 4 5]", "scale to 4 x 5 (height x width)"},
		{"grey list", list("new_height: 4 new_width: 5 is_color: false"), Options{}, "[1 1 4 5]", "scale to 4 x 5 (height x width)"},
		{"shorter side", images("transform_param { crop_size: 7 min_side: 9 max_rotation_angle: 5 mean_value: 1 mean_value: 2 cutout_size: 3 }"), Options{}, "[1 2 7 7]",
			"scale the shorter side to 9, subtract 1, 2, take 7 x 7 from the centre"},
		{"given", images(""), Options{Shape: []int{1, 28, 20}, Batch: 9}, "[9 1 28 20]", ""},
		{"given against the options", images("transform_param { crop_size: 7 mean_value: 1 mean_value: 2 }"), Options{Shape: []int{3, 8, 8}}, "[1 3 8 8]",
			"subtract 1, 2, take 7 x 7 from the centre"},
		{"Input keeps its batch", inputs + ip + softmaxLoss, Options{}, "[4 6]", ""},
		{"Input of another batch", inputs + ip + softmaxLoss, Options{Batch: 2}, "[2 6]", ""},
		{"Input without a shape", `layer { name: "data" type: "Input" top: "data" }` + ip, Options{Shape: []int{6}}, "[1 6]", ""},
		{"DummyData", `layer { name: "data" type: "DummyData" top: "data" dummy_data_param { shape { dim: 3 dim: 6 } } }` + ip, Options{}, "[3 6]", ""},
		{"MemoryData", `layer { name: "data" type: "MemoryData" top: "data" top: "label" memory_data_param { batch_size: 4 channels: 2 height: 1 width: 3 } }` + ip + softmaxLoss, Options{}, "[1 2 1 3]", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := parse(t, test.text)
			known := test.opts.Shape
			if known == nil {
				var b, c, h, w int
				if n, _ := fmt.Sscanf(test.want, "[%d %d %d %d]", &b, &c, &h, &w); n == 4 {
					known = []int{c, h, w}
				}
			}
			filled := parse(t, test.text)
			if l := filled.Param.Layer[0]; l.GetType() == "Input" && l.InputParam == nil {
				l.InputParam = &caffepb.InputParameter{Shape: []*caffepb.BlobShape{protoShape([]int{1, 6})}}
			}
			weights := weightsOf(t, filled, known)
			n, err := New(context.Background(), file, weights, "net.caffemodel", test.opts)
			if err != nil {
				t.Fatal(err)
			}
			if len(n.Inputs) != 1 || fmt.Sprint(n.Inputs[0].Shape) != test.want || n.Inputs[0].Preparation != test.preparing {
				t.Errorf("the inputs are %+v, want one of shape %s with the preparation %q", n.Inputs, test.want, test.preparing)
			}
		})
	}
}

// TestKeptExactly checks that a net in which nothing was replaced gives the
// same numbers to the last bit.
func TestKeptExactly(t *testing.T) {
	n, err := deployed(t, inputs+ip+`layer { name: "loss" type: "HingeLoss" bottom: "ip" bottom: "label" top: "loss" }`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n.Difference != 0 {
		t.Errorf("the difference is %g", n.Difference)
	}
}

// TestNotes checks what the user is told, and that fields of forks leave.
func TestNotes(t *testing.T) {
	text := inputs + ip + `layer { name: "bn" type: "BatchNorm" bottom: "ip" top: "bn" batch_norm_param { use_global_stats: false } }`
	file := parse(t, text)
	weights := weightsOf(t, file, nil)
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 200, protowire.VarintType), 1)
	file.Param.Layer[2].InnerProductParam.ProtoReflect().SetUnknown(unknown)
	n, err := New(context.Background(), file, weights, "net.caffemodel", Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(n.Notes, "\n")
	if len(n.Notes) != 2 || !strings.Contains(got, `layer "ip" has fields that stock Caffe does not know`) || !strings.Contains(got, `layer "bn" has use_global_stats: false`) {
		t.Errorf("the notes are\n%s", got)
	}
	if len(n.Param.Layer[1].InnerProductParam.ProtoReflect().GetUnknown()) > 0 {
		t.Error("the field is still there")
	}
	if len(file.Param.Layer[2].InnerProductParam.ProtoReflect().GetUnknown()) == 0 {
		t.Error("the caller's net was changed")
	}
}

// TestSharedWeights checks that layers which share weights go on sharing them,
// and that names of other weights leave.
func TestSharedWeights(t *testing.T) {
	text := inputs + `layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" param { name: "w" lr_mult: 2 } param { name: "alone" } inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
		layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" } inner_product_param { num_output: 6 } }`
	file := parse(t, text)
	weights := weightsOf(t, file, nil)
	n, err := New(context.Background(), file, weights, "net.caffemodel", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range n.Param.Layer[1:] {
		if len(l.Param) != 1 || string(prototxt.Marshal(l.Param[0])) != "name: \"w\"\n" {
			t.Errorf("layer %s has the param entries %v, want one with the name w alone", l.GetName(), l.Param)
		}
	}
}

// TestWrite checks that files are not written over without being asked, and
// that what is written is the net.
func TestWrite(t *testing.T) {
	n, err := deployed(t, inputs+ip+softmaxLoss, Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "new", "folder")
	if _, err := n.Write(dir, []string{"a comment"}, false); err != nil {
		t.Fatal(err)
	}
	model, weights := Files(dir)
	for _, remaining := range []string{model, weights} {
		if _, err := n.Write(dir, nil, false); err == nil || !strings.Contains(err.Error(), "already exists") {
			t.Errorf("with %s there: %v", remaining, err)
		}
		if err := os.Rename(model, model+".moved"); err != nil && remaining == model {
			t.Fatal(err)
		}
	}
	if _, err := n.Write(dir, []string{"a comment"}, true); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "# a comment\nlayer {") {
		t.Errorf("the file begins\n%.100s", text)
	}
	file, err := prototxt.ReadNet(model)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(file.Param, n.Param) {
		t.Error("the net of the file is another")
	}
	p, _, err := prototxt.ReadBinaryNet(weights)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(p, n.Weights) {
		t.Error("the weights of the file are others")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 3 {
		t.Errorf("%d files are in the folder, want two and the one moved away", len(entries))
	}
}
