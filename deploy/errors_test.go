package deploy

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
)

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
