package deploy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/prototxt"
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
