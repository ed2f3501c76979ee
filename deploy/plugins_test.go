package deploy

import (
	"context"
	"strings"
	"testing"

	_ "github.com/gocaffe/gocaffe/plugins/asoftmax"
	_ "github.com/gocaffe/gocaffe/plugins/emsoftmax"
	_ "github.com/gocaffe/gocaffe/plugins/mobile"
	_ "github.com/gocaffe/gocaffe/plugins/normface"
)

// TestPlugins deploys the layers of the plugins, with weights that are hard to
// get right. That the numbers are those of the TEST net, New itself checks.
func TestPlugins(t *testing.T) {
	const data = `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 3 dim: 2 dim: 5 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 4 } } }
`
	const loss = `layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }`
	for _, test := range []struct {
		name, text string
		blob       []float32 // the first numbers of the last layer's last weights
		layer      string
		want, err  string
	}{
		{name: "BN", text: "# gocaffe: dialect lsoftmax\n" + data + `layer { name: "bn" type: "BN" bottom: "data" top: "n" bn_param { slope_filler { type: "gaussian" std: 2 } bias_filler { type: "gaussian" std: 1 } eps: 0.01 } }`,
			layer: "bn", blob: []float32{0.5, 9, 30}, // a variance of 4, one near eps, and one below
			want: `data Input  > data
bn BatchNorm data > n
bn_scale Scale n > n`},
		{name: "BN of PSPNet", text: "# gocaffe: dialect pspnet\n" + data + `layer { name: "bn" type: "BN" bottom: "data" top: "n" bn_param { slope_filler { type: "gaussian" std: 2 } bias_filler { type: "gaussian" std: 1 } eps: 0.01 } }`,
			layer: "bn", blob: []float32{0.5, 9, 0},
			want: `data Input  > data
bn BatchNorm data > n
bn_scale Scale n > n`},
		{name: "BN with impossible statistics", text: "# gocaffe: dialect lsoftmax\n" + data + `layer { name: "bn" type: "BN" bottom: "data" top: "data" bn_param { slope_filler { type: "constant" value: 2 } } }`,
			layer: "bn", blob: []float32{0, -3, 1e-30},
			want: `data Input  > data
bn BatchNorm data > data
bn_scale Scale data > data`},
		{name: "depthwise convolutions", text: data + `layer { name: "a" type: "DepthwiseConvolution" bottom: "data" top: "a" convolution_param { num_output: 3 group: 3 kernel_size: 1 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "b" type: "ConvolutionDepthwise" bottom: "a" top: "b" convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "gaussian" std: 1 } } }`,
			want: `data Input  > data
a Convolution data > a
b Convolution a > b`},
		{name: "A-Softmax", text: data + `layer { name: "ip" type: "MarginInnerProduct" bottom: "data" bottom: "label" top: "ip" top: "lambda"
	margin_inner_product_param { num_output: 4 type: SINGLE weight_filler { type: "gaussian" std: 3 } } }
` + loss,
			want: `data Input  > data
ip InnerProduct data > ip
prob Softmax ip > prob`},
		{name: "L-Softmax of a later axis", text: `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 3 dim: 2 dim: 5 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 4 dim: 3 } } }
layer { name: "ip" type: "LargeMarginInnerProduct" bottom: "data" bottom: "label" top: "ip"
	largemargin_inner_product_param { num_output: 4 axis: 2 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" softmax_param { axis: 2 } }`,
			want: `data Input  > data
ip InnerProduct data > ip
prob Softmax ip > prob`},
		{name: "margin in TEST", text: data + `layer { name: "ip" type: "LargeMarginInnerProduct" bottom: "data" bottom: "label" top: "ip"
	largemargin_inner_product_param { num_output: 4 type: DOUBLE weight_filler { type: "gaussian" std: 1 } } }
` + loss,
			err: `net.prototxt:3:1: layer "ip": type LargeMarginInnerProduct cannot be deployed: with type DOUBLE its scores in phase TEST depend on the labels`},
		{name: "NormFace", text: data + `layer { name: "flip" type: "Flip" bottom: "data" top: "flip" flip_param { flip_width: false flip_height: true } }
layer { name: "fc" type: "InnerProduct" bottom: "flip" top: "fc" inner_product_param { num_output: 6 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "norm" type: "Normalize" bottom: "fc" top: "norm" }
layer { name: "ip" type: "InnerProduct" bottom: "norm" top: "ip" inner_product_param { num_output: 4 normalize: true bias_term: false weight_filler { type: "xavier" } } }
` + loss,
			want: `data Input  > data
flip_row Slice data > flip_row0,flip_row1
flip Concat flip_row1,flip_row0 > flip
fc InnerProduct flip > fc
norm_reshape Reshape fc > norm_axes
norm LRN norm_axes > norm
ip InnerProduct norm > ip
prob Softmax ip > prob`},
		{name: "Normalize in place", text: data + `layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "norm" type: "Normalize" bottom: "conv" top: "conv" }`,
			err: `net.prototxt:4:1: layer "norm": type Normalize cannot be deployed: it works in place, which stock Caffe's LRN cannot`},
		{name: "Normalize of images, and Flip in both directions", text: data + `layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "norm" type: "Normalize" bottom: "conv" top: "norm" }
layer { name: "flip" type: "Flip" bottom: "norm" top: "flip" flip_param { flip_height: true } }`,
			want: `data Input  > data
conv Convolution data > conv
norm LRN conv > norm
flip_row Slice norm > flip_row0,flip_row1
flip_row_reversed Concat flip_row1,flip_row0 > flip_row_reversed
flip_column Slice flip_row_reversed > flip_column0,flip_column1,flip_column2,flip_column3,flip_column4
flip Concat flip_column4,flip_column3,flip_column2,flip_column1,flip_column0 > flip`},
		{name: "ceil_mode", text: data + `layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { kernel_size: 2 stride: 2 ceil_mode: false } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
` + loss,
			want: `data Input  > data
pool Pooling data > pool
ip InnerProduct pool > ip
prob Softmax ip > prob`},
		{name: "EM-Softmax", text: data + `layer { name: "em" type: "EMSoftmaxLoss" bottom: "data" bottom: "label" top: "loss" em_softmax_param { num_output: 4 m: 1 lambda: 0.1 V: 3 } }`,
			want: `data Input  > data
em InnerProduct data > score
prob Softmax score > prob`},
		{name: "EM-Softmax with Accuracy", text: data + `layer { name: "em" type: "EMSoftmaxLoss" bottom: "data" bottom: "label" top: "loss" top: "z" loss_weight: 2 loss_weight: 0 em_softmax_param { num_output: 4 V: 2 } }
layer { name: "acc" type: "Accuracy" bottom: "z" bottom: "label" top: "acc" }`,
			want: `data Input  > data
em InnerProduct data > z
prob Softmax z > prob`},
		{name: "EM-Softmax without tops, beside a blob called score", text: data + `layer { name: "ip" type: "InnerProduct" bottom: "data" top: "score" inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
layer { name: "em" type: "EMSoftmaxLoss" bottom: "score" bottom: "label" em_softmax_param { num_output: 4 V: 2 } }`,
			want: `data Input  > data
ip InnerProduct data > score
em InnerProduct score > score_
prob Softmax score_ > prob`},
		{name: "EM-Softmax of a later axis", text: `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 3 dim: 2 dim: 5 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 4 dim: 3 } } }
layer { name: "em" type: "EMSoftmaxLoss" bottom: "data" bottom: "label" top: "loss" em_softmax_param { num_output: 4 V: 2 axis: -2 } }`,
			want: `data Input  > data
em InnerProduct data > score
prob Softmax score > prob`},
		{name: "two EM-Softmax losses", text: data + `layer { name: "a" type: "EMSoftmaxLoss" bottom: "data" bottom: "label" top: "la" loss_weight: 0.5 em_softmax_param { num_output: 4 V: 2 } }
layer { name: "b" type: "EMSoftmaxLoss" bottom: "data" bottom: "label" top: "lb" em_softmax_param { num_output: 3 V: 2 } }`,
			want: `data Input  > data
a InnerProduct data > score
prob_a Softmax score > prob_a
b InnerProduct data > score_
prob_b Softmax score_ > prob_b`},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := parse(t, test.text)
			weights := weightsOf(t, file, nil)
			for _, l := range weights.Layer {
				if l.GetName() == test.layer {
					copy(l.Blobs[len(l.Blobs)-1].Data, test.blob)
				}
			}
			n, err := New(context.Background(), file, weights, "net.caffemodel", Options{})
			if test.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), test.err) {
					t.Fatalf("the error is\n\t%v\nwant\n\t%s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := wiring(n.Param); got != test.want {
				t.Errorf("the deployed net is\n%s\nwant\n%s", got, test.want)
			}
			if n.Difference > 2e-6 {
				t.Errorf("the outputs differ by %g of the largest", n.Difference)
			}
			stock(t, n.Param)
			stock(t, n.Weights)
		})
	}
}
