package deploy

import (
	"context"
	"errors"
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

func TestWiring(t *testing.T) {
	for _, test := range []struct {
		name, text, want string
		opts             Options
		outputs          string
	}{
		{name: "softmax", text: inputs + ip + softmaxLoss + `layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc" }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip
				prob Softmax ip > prob`, outputs: "prob"},
		{name: "named probabilities", text: inputs + ip + `layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" top: "p" softmax_param { axis: -1 } }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip
				p Softmax ip > p`, outputs: "p"},
		{name: "softmax there already", text: inputs + ip + softmaxLoss + `layer { name: "soft" type: "Softmax" bottom: "ip" top: "classes" include { phase: TEST } }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip
				soft Softmax ip > classes`, outputs: "classes"},
		{name: "loss in training only", text: inputs + ip + `layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" include { phase: TRAIN } }
				layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc" include { phase: TEST } }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip
				prob Softmax ip > prob`, outputs: "prob"},
		{name: "accuracy alone", text: inputs + ip + `layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc" }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip`, outputs: "ip"},
		{name: "no loss", text: inputs + ip + `layer { name: "relu" type: "ReLU" bottom: "ip" top: "ip" }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip
				relu ReLU ip > ip`, outputs: "ip"},
		{name: "hinge", text: inputs + ip + `layer { name: "loss" type: "HingeLoss" bottom: "ip" bottom: "label" top: "loss" }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip`, outputs: "ip"},
		{name: "regression", text: `layer { name: "data" type: "Input" top: "data" top: "target" input_param { shape { dim: 4 dim: 6 } shape { dim: 4 dim: 5 } } }
				` + ip + `layer { name: "half" type: "Power" bottom: "target" top: "half" power_param { scale: 0.5 } }
				layer { name: "loss" type: "EuclideanLoss" bottom: "half" bottom: "ip" top: "loss" }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip`, outputs: "ip"},
		{name: "autoencoder", text: inputs + ip + `layer { name: "back" type: "InnerProduct" bottom: "ip" top: "back" inner_product_param { num_output: 6 } }
				layer { name: "loss" type: "EuclideanLoss" bottom: "back" bottom: "data" top: "loss" }
				layer { name: "quiet" type: "Silence" bottom: "label" }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip
				back InnerProduct ip > back`, outputs: "back"},
		{name: "sigmoid", text: `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 6 } } }
				layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }
				` + ip + `layer { name: "back" type: "InnerProduct" bottom: "ip" top: "back" inner_product_param { num_output: 6 } }
				layer { name: "loss" type: "SigmoidCrossEntropyLoss" bottom: "back" bottom: "flat" top: "loss" }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip
				back InnerProduct ip > back
				prob Sigmoid back > prob`, outputs: "prob"},
		{name: "a loss of ordinary layers", text: inputs + `layer { name: "target" type: "Reshape" bottom: "label" top: "target" reshape_param { shape { dim: 0 dim: 1 } } }
				layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 1 } }
				layer { name: "diff" type: "Eltwise" bottom: "ip" bottom: "target" top: "diff" eltwise_param { coeff: 1 coeff: -1 } }
				layer { name: "square" type: "Power" bottom: "diff" top: "square" loss_weight: 1 power_param { power: 2 } }`,
			opts: Options{}, want: `
				data Input  > data
				label Input  > label
				target Reshape label > target
				ip InnerProduct data > ip
				diff Eltwise ip,target > diff`, outputs: "diff"},
		{name: "that, with a label known as one", text: `layer { name: "data" type: "MemoryData" top: "data" top: "label" memory_data_param { batch_size: 4 channels: 6 height: 1 width: 1 } }
				layer { name: "target" type: "Reshape" bottom: "label" top: "target" reshape_param { shape { dim: 0 dim: 1 } } }
				layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 1 } }
				layer { name: "diff" type: "Eltwise" bottom: "ip" bottom: "target" top: "diff" eltwise_param { coeff: 1 coeff: -1 } }
				layer { name: "square" type: "Power" bottom: "diff" top: "square" loss_weight: 1 power_param { power: 2 } }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip`, outputs: "ip"},
		{name: "two losses of one label", text: `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 6 } } }
				layer { name: "label" type: "Input" top: "labels" input_param { shape { dim: 4 dim: 2 } } }
				layer { name: "slice" type: "Slice" bottom: "labels" top: "a" top: "b" }
				` + ip + `layer { name: "loss/a" type: "SoftmaxWithLoss" bottom: "ip" bottom: "a" top: "loss_a" }
				layer { name: "ip2" type: "InnerProduct" bottom: "data" top: "ip2" inner_product_param { num_output: 3 } }
				layer { name: "loss/b" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "b" top: "loss_b" loss_weight: 0.3 }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip
				prob_loss/a Softmax ip > prob_loss/a
				ip2 InnerProduct data > ip2
				prob_loss/b Softmax ip2 > prob_loss/b`, outputs: "prob_loss/a prob_loss/b"},
		{name: "a blob called prob", text: inputs + ip + `layer { name: "feature" type: "ReLU" bottom: "ip" top: "prob" }
				layer { name: "ip2" type: "InnerProduct" bottom: "prob" top: "ip2" inner_product_param { num_output: 3 } }
				layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip
				feature ReLU ip > prob
				ip2 InnerProduct prob > ip2
				prob_loss Softmax ip2 > prob_loss`, outputs: "prob_loss"},
		{name: "a plugin's loss beside the softmax", text: inputs + ip + `layer { name: "ip2" type: "InnerProduct" bottom: "ip" top: "ip2" inner_product_param { num_output: 3 } }
				layer { name: "center" type: "DeployTestLoss" bottom: "ip" bottom: "label" top: "center" loss_weight: 0.01 }
				layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip
				ip2 InnerProduct ip > ip2
				prob Softmax ip2 > prob`, outputs: "prob"},
		{name: "a plugin's loss alone", text: inputs + ip + `layer { name: "center" type: "DeployTestLoss" bottom: "ip" bottom: "label" top: "center" }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip`, outputs: "ip"},
		{name: "a plugin's layer", text: inputs + ip + `layer { name: "times" type: "DeployTestRight" bottom: "ip" bottom: "label" top: "times" }
				layer { name: "loss" type: "SoftmaxWithLoss" bottom: "times" bottom: "label" top: "loss" }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip
				times Power ip > times
				prob Softmax times > prob`, outputs: "prob"},
		{name: "unknown layers that nothing needs", text: inputs + ip + softmaxLoss + `layer { name: "times" type: "DeployTestUnknown" bottom: "ip" top: "times" } layer { name: "quiet" type: "Silence" bottom: "times" }`,
			want: `
				data Input  > data
				ip InnerProduct data > ip
				prob Softmax ip > prob`, outputs: "prob"},
		{name: "data that are not there", opts: Options{Shape: []int{2, 3, 1}, Batch: 3},
			text: `layer { name: "digits" type: "Data" top: "data" top: "label" include { phase: TRAIN } data_param { source: "absent" batch_size: 4 backend: LMDB } }
				layer { name: "digits" type: "Data" top: "data" top: "label" include { phase: TEST } data_param { source: "absent" batch_size: 4 backend: LMDB } }
				` + ip + softmaxLoss,
			want: `
				digits Input  > data
				ip InnerProduct data > ip
				prob Softmax ip > prob`, outputs: "prob"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n, err := deployed(t, test.text, test.opts)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.TrimSpace(strings.ReplaceAll(test.want, "\t", ""))
			if got := wiring(n.Param); got != want {
				t.Errorf("the deployed net is\n%s\nwant\n%s", got, want)
			}
			if got := wiring(n.Weights); got != want {
				t.Errorf("the net of the weights is\n%s\nwant\n%s", got, want)
			}
			if got := strings.Join(n.Outputs, " "); got != test.outputs {
				t.Errorf("its outputs are %s, want %s", got, test.outputs)
			}
			stock(t, n.Param)
			stock(t, n.Weights)
		})
	}
}

// stock fails if a net has what BVLC Caffe does not know, or what a deployed
// net does not need.
func stock(t *testing.T, p *caffepb.NetParameter) {
	t.Helper()
	for _, l := range p.Layer {
		if !caffeTypes[l.GetType()] {
			t.Errorf("layer %s has type %s", l.GetName(), l.GetType())
		}
		text := string(prototxt.Marshal(&caffepb.LayerParameter{
			Name: l.Name, Include: l.Include, Exclude: l.Exclude, LossWeight: l.LossWeight, Phase: l.Phase, TransformParam: l.TransformParam}))
		if text != fmt.Sprintf("name: %q\n", l.GetName()) {
			t.Errorf("layer %s keeps what only training needs:\n%s", l.GetName(), text)
		}
		for _, p := range l.Param {
			if p.LrMult != nil || p.DecayMult != nil {
				t.Errorf("layer %s keeps a multiplier", l.GetName())
			}
		}
		for _, b := range l.Blobs {
			if len(b.RawData) > 0 || len(b.Data) == 0 || b.Shape == nil && len(b.Data) > 1 {
				t.Errorf("layer %s has weights in a form that Caffe does not know", l.GetName())
			}
		}
		if text := string(prototxt.Marshal(l)); strings.Contains(text, "filler") || strings.Contains(text, "normalize") || strings.Contains(text, "_value") {
			t.Errorf("layer %s has a filler or a field of a fork:\n%s", l.GetName(), text)
		}
	}
}

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

func TestErrors(t *testing.T) {
	data := `layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "absent" batch_size: 4 backend: LMDB } }
`
	for _, test := range []struct {
		name, text string
		opts       Options
		change     func(*caffepb.NetParameter)
		want       string
	}{
		{name: "no shape", text: data + ip + softmaxLoss, want: `the shape of the data is not known: net.prototxt:1:81: layer "data": `},
		{name: "Input without a shape", text: `layer { name: "data" type: "Input" top: "data" }` + ip,
			want: `the shape of the data is not known: net.prototxt:1:1: layer "data": the Input layer has no shape`},
		{name: "a shape for nothing", text: inputs + ip, opts: Options{Shape: []int{6}}, want: "net.prototxt: a shape of the data is given, [6], but no layer"},
		{name: "missing weights", text: inputs + ip + softmaxLoss, change: func(w *caffepb.NetParameter) { w.Layer = nil },
			want: "net.caffemodel: has no weights of ip (InnerProduct)"},
		{name: "other weights", text: inputs + ip + softmaxLoss, change: func(w *caffepb.NetParameter) { w.Layer[2].Blobs[0].Shape.Dim[0]++ },
			want: `net.caffemodel: layer "ip": cannot copy param 0`},
		{name: "a plugin that does not say", text: inputs + ip + `layer { name: "times" type: "DeployTestUnknown" bottom: "ip" top: "times" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "times" bottom: "label" top: "loss" }`,
			want: `net.prototxt:4:29: layer "times": stock Caffe does not know type DeployTestUnknown`},
		{name: "a plugin that is wrong", text: inputs + ip + `layer { name: "times" type: "DeployTestWrong" bottom: "ip" top: "times" }`,
			want: `the deployed net was made but is not right: output "times" differs`},
		{name: "a label that is needed", text: `layer { name: "data" type: "MemoryData" top: "data" top: "label" memory_data_param { batch_size: 4 channels: 6 height: 1 width: 1 } }
layer { name: "more" type: "Reshape" bottom: "label" top: "more" reshape_param { shape { dim: 0 dim: 1 } } }
layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }
layer { name: "both" type: "Concat" bottom: "flat" bottom: "more" top: "both" }
layer { name: "ip" type: "InnerProduct" bottom: "both" top: "ip" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "HingeLoss" bottom: "ip" bottom: "label" top: "loss" }`,
			want: `net.prototxt: the net has no output in phase TEST but losses and labels`},
		{name: "a softmax of labels", text: `layer { name: "data" type: "MemoryData" top: "data" top: "label" memory_data_param { batch_size: 4 channels: 6 height: 1 width: 1 } }
layer { name: "more" type: "Reshape" bottom: "label" top: "more" reshape_param { shape { dim: 0 dim: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "more" top: "ip" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }`,
			want: `net.prototxt:2:46: layer "more": reads the label "label" and is needed for prob; a deployed net has no labels`},
		{name: "weights from a bottom", text: inputs + `layer { name: "w" type: "InnerProduct" bottom: "data" top: "w" inner_product_param { num_output: 6 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" bottom: "w" top: "ip" inner_product_param { bias_term: false } }`,
			want: `net.prototxt:4:64: layer "ip": the InnerProduct of stock Caffe cannot take its weights from a bottom`},
		{name: "limits for factors from a bottom", text: inputs + `layer { name: "f" type: "Parameter" top: "f" parameter_param { shape { dim: 6 } } }
layer { name: "times" type: "Scale" bottom: "data" bottom: "f" top: "times" scale_param { max_value: 2 } }`,
			want: `net.prototxt:4:77: layer "times": the Scale of stock Caffe has no min_value and max_value for the factors of a bottom`},
		{name: "nothing to deploy", text: inputs + `layer { name: "loss" type: "EuclideanLoss" bottom: "label" bottom: "label" top: "loss" }`,
			want: "net.prototxt: the net has no output in phase TEST"},
		{name: "phase", text: inputs + ip, opts: Options{State: &caffepb.NetState{Phase: caffepb.Phase_TRAIN.Enum()}}, want: "a net is deployed in phase TEST, got phase TRAIN"},
		{name: "batch", text: inputs + ip, opts: Options{Batch: -1}, want: "the batch size is -1"},
		{name: "diverged", text: inputs + ip + softmaxLoss, change: func(w *caffepb.NetParameter) {
			data := w.Layer[2].Blobs[0].Data
			data[3] /= data[3] - data[3]
			data[4] = data[3] - data[3]
		}, want: `output "prob" of the TEST net is NaN for random data`},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := parse(t, test.text)
			filled := parse(t, test.text)
			shape := []int{2, 3, 1}
			if l := filled.Param.Layer[0]; l.GetType() == "Input" && l.InputParam == nil {
				l.InputParam = &caffepb.InputParameter{Shape: []*caffepb.BlobShape{protoShape([]int{1, 6})}}
			}
			weights := weightsOf(t, filled, shape)
			if test.change != nil {
				test.change(weights)
			}
			_, err := New(context.Background(), file, weights, "net.caffemodel", test.opts)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) && !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is\n\t%v\nwant\n\t%s", err, test.want)
			}
			var unknown *ShapeError
			if shapeless := strings.HasPrefix(test.want, "the shape of the data"); errors.As(err, &unknown) != shapeless {
				t.Errorf("%v: that it is a ShapeError is %t, want %t", err, !shapeless, shapeless)
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

// TestWeightsOfNormFace checks that an InnerProduct that normalizes its
// weights is deployed with weights of length 1.
func TestWeightsOfNormFace(t *testing.T) {
	n, err := deployed(t, inputs+strings.Replace(ip, "num_output: 5", "num_output: 5 normalize: true", 1)+softmaxLoss, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, v := range n.Weights.Layer[1].Blobs[0].Data[:6] {
		sum += float64(v) * float64(v)
	}
	if sum < 0.9999 || sum > 1.0001 {
		t.Errorf("the first row has the squared length %g, want 1", sum)
	}
	stock(t, n.Param)
}

// TestFieldsOfNormFace checks that a Parameter keeps its weights, that the
// factors of a Scale with limits are brought into them, and that the fork's
// fields leave.
func TestFieldsOfNormFace(t *testing.T) {
	n, err := deployed(t, inputs+ip+`
layer { name: "w" type: "Parameter" top: "w" parameter_param { shape { dim: 5 } blob_filler { type: "gaussian_unitball" } } }
layer { name: "add" type: "Bias" bottom: "ip" bottom: "w" top: "add" }
layer { name: "low" type: "Scale" bottom: "add" top: "low" scale_param { min_value: 2 } }
layer { name: "high" type: "Scale" bottom: "low" top: "high" scale_param { max_value: 0.5 filler { type: "constant" value: 3 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "high" bottom: "label" top: "loss" softmax_param { normalize_type: "Softmax" } }`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := "data Input  > data\nip InnerProduct data > ip\nw Parameter  > w\nadd Bias ip,w > add\nlow Scale add > low\nhigh Scale low > high\nprob Softmax high > prob"
	if got := wiring(n.Param); got != want {
		t.Fatalf("the deployed net is\n%s\nwant\n%s", got, want)
	}
	for i, want := range map[int]float32{4: 2, 5: 0.5} {
		if got := n.Weights.Layer[i].Blobs[0].Data[0]; got != want {
			t.Errorf("the factor of layer %s is %g, want %g", n.Weights.Layer[i].GetName(), got, want)
		}
	}
	stock(t, n.Param)
	stock(t, n.Weights)
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
