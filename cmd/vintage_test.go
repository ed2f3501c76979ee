package gocaffecmd

import (
	"fmt"
	"strings"
	"testing"
)

// A vintage is a net as people wrote them for a version of Caffe.
type vintage struct {
	name, text string
	flags      []string
	want       []string // in what check prints, where several blanks are one
}

// vintages are nets in the forms and of the kinds that Caffe's documentation and examples
// describe, in our own words.
func vintages() []vintage {
	return []vintage{
		{name: "V0", text: `name: "v0"
layers { layer { name: "data" type: "data" source: "absent_leveldb" meanfile: "absent.binaryproto" batchsize: 8 cropsize: 33 mirror: true } top: "data" top: "label" }
layers { layer { name: "pad1" type: "padding" pad: 2 } bottom: "data" top: "pad1" }
layers { layer { name: "conv1" type: "conv" num_output: 12 kernelsize: 5 stride: 2 group: 3 weight_filler { type: "gaussian" std: 0.01 } bias_filler { type: "constant" }
  blobs_lr: 1. blobs_lr: 2. weight_decay: 1. weight_decay: 0. } bottom: "pad1" top: "conv1" }
layers { layer { name: "relu1" type: "relu" } bottom: "conv1" top: "conv1" }
layers { layer { name: "pool1" type: "pool" pool: MAX kernelsize: 3 stride: 2 } bottom: "conv1" top: "pool1" }
layers { layer { name: "norm1" type: "lrn" local_size: 5 alpha: 0.0001 beta: 0.75 } bottom: "pool1" top: "norm1" }
layers { layer { name: "fc2" type: "innerproduct" num_output: 40 } bottom: "norm1" top: "fc2" }
layers { layer { name: "drop2" type: "dropout" dropout_ratio: 0.5 } bottom: "fc2" top: "fc2" }
layers { layer { name: "fc3" type: "innerproduct" num_output: 10 } bottom: "fc2" top: "fc3" }
layers { layer { name: "loss" type: "softmax_loss" } bottom: "fc3" bottom: "label" }
`, flags: []string{"--input-shape", "3,33,33"}, want: []string{"conv1 Convolution 8x12x17x17", "norm1 LRN 8x12x8x8", "fc3 InnerProduct 8x10"}},
		{name: "CaffeNet with input_dim, V1", text: `name: "CaffeNet"
input: "data" input_dim: 10 input_dim: 3 input_dim: 227 input_dim: 227
layers { name: "conv1" type: CONVOLUTION bottom: "data" top: "conv1" blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0
  convolution_param { num_output: 96 kernel_size: 11 stride: 4 } }
layers { name: "relu1" type: RELU bottom: "conv1" top: "conv1" }
layers { name: "pool1" type: POOLING bottom: "conv1" top: "pool1" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layers { name: "norm1" type: LRN bottom: "pool1" top: "norm1" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }
layers { name: "conv2" type: CONVOLUTION bottom: "norm1" top: "conv2" convolution_param { num_output: 256 pad: 2 kernel_size: 5 group: 2 } }
layers { name: "pool2" type: POOLING bottom: "conv2" top: "pool2" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layers { name: "conv5" type: CONVOLUTION bottom: "pool2" top: "conv5" convolution_param { num_output: 256 pad: 1 kernel_size: 3 group: 2 } }
layers { name: "pool5" type: POOLING bottom: "conv5" top: "pool5" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layers { name: "fc6" type: INNER_PRODUCT bottom: "pool5" top: "fc6" inner_product_param { num_output: 4096 } }
layers { name: "drop6" type: DROPOUT bottom: "fc6" top: "fc6" dropout_param { dropout_ratio: 0.5 } }
layers { name: "fc8" type: INNER_PRODUCT bottom: "fc6" top: "fc8" inner_product_param { num_output: 1000 } }
layers { name: "prob" type: SOFTMAX bottom: "fc8" top: "prob" }
`, want: []string{"conv1 Convolution 10x96x55x55", "pool5 Pooling 10x256x6x6", "prob Softmax 10x1000"}},
		{name: "GoogLeNet", text: inception(), want: []string{"3b/output Concat 2x24x14x14", "loss1 SoftmaxWithLoss", "top5 Accuracy"}},
		{name: "R-CNN", text: `name: "R-CNN finetuning"
layer { name: "data" type: "WindowData" top: "data" top: "label" include { phase: TRAIN } transform_param { mirror: true crop_size: 27 mean_value: 104 }
  window_data_param { source: "absent_windows.txt" batch_size: 8 fg_threshold: 0.5 bg_threshold: 0.5 fg_fraction: 0.25 context_pad: 4 crop_mode: "warp" } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 8 kernel_size: 5 stride: 2 } }
layer { name: "fc8_pascal" type: "InnerProduct" bottom: "conv1" top: "fc8_pascal" param { lr_mult: 10 decay_mult: 1 } param { lr_mult: 20 decay_mult: 0 } inner_product_param { num_output: 21 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc8_pascal" bottom: "label" top: "loss" }
`, flags: []string{"--input-shape", "3,27,27"}, want: []string{"conv1 Convolution 8x8x12x12", "fc8_pascal InnerProduct 8x21"}},
		{name: "siamese", text: siamese(), flags: []string{"--input-shape", "2,28,28"}, want: []string{"feat InnerProduct 16x2", "feat_p InnerProduct 16x2", "loss ContrastiveLoss"}},
		{name: "autoencoder", text: `name: "autoencoder"
layer { name: "data" type: "Data" top: "data" include { phase: TRAIN } transform_param { scale: 0.0039215684 } data_param { source: "absent" batch_size: 10 backend: LMDB } }
layer { name: "flatdata" type: "Flatten" bottom: "data" top: "flatdata" }
layer { name: "encode1" type: "InnerProduct" bottom: "data" top: "encode1" param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 1 decay_mult: 0 }
  inner_product_param { num_output: 100 weight_filler { type: "gaussian" std: 1 sparse: 15 } bias_filler { type: "constant" value: 0 } } }
layer { name: "encode1neuron" type: "Sigmoid" bottom: "encode1" top: "encode1neuron" }
layer { name: "code" type: "InnerProduct" bottom: "encode1neuron" top: "code" inner_product_param { num_output: 30 } }
layer { name: "decode1" type: "InnerProduct" bottom: "code" top: "decode1" inner_product_param { num_output: 784 } }
layer { name: "loss" type: "SigmoidCrossEntropyLoss" bottom: "decode1" bottom: "flatdata" top: "cross_entropy_loss" loss_weight: 1 }
layer { name: "decode1neuron" type: "Sigmoid" bottom: "decode1" top: "decode1neuron" }
layer { name: "l2" type: "EuclideanLoss" bottom: "decode1neuron" bottom: "flatdata" top: "l2_error" loss_weight: 0 }
`, flags: []string{"--input-shape", "1,28,28"}, want: []string{"code InnerProduct 10x30", "loss SigmoidCr..ropyLoss 1", "l2 EuclideanLoss 1"}},
		{name: "FCN", text: `name: "FCN" force_backward: true
layer { name: "input" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 120 dim: 90 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 8 pad: 100 kernel_size: 3 } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { pool: MAX kernel_size: 8 stride: 8 } }
layer { name: "fc6" type: "Convolution" bottom: "pool1" top: "fc6" convolution_param { num_output: 16 kernel_size: 7 } }
layer { name: "score_fr" type: "Convolution" bottom: "fc6" top: "score_fr" convolution_param { num_output: 21 kernel_size: 1 } }
layer { name: "upscore" type: "Deconvolution" bottom: "score_fr" top: "upscore" param { lr_mult: 0 }
  convolution_param { num_output: 21 bias_term: false kernel_size: 16 stride: 8 group: 21 weight_filler { type: "bilinear" } } }
layer { name: "score" type: "Crop" bottom: "upscore" bottom: "data" top: "score" crop_param { axis: 2 offset: 19 } }
`, want: []string{"upscore Deconvolution 1x21x280x248", "score Crop 1x21x120x90"}},
		{name: "LSTM captioning", text: `name: "captioning"
layer { name: "data" type: "HDF5Data" top: "cont_sentence" top: "input_sentence" top: "target_sentence" hdf5_data_param { source: "absent_list.txt" batch_size: 20 } }
layer { name: "features" type: "DummyData" top: "fc8" dummy_data_param { shape { dim: 5 dim: 64 } data_filler { type: "gaussian" } } }
layer { name: "embedding" type: "Embed" bottom: "input_sentence" top: "embedded" param { lr_mult: 1 } embed_param { bias_term: false input_dim: 101 num_output: 32 weight_filler { type: "uniform" min: -0.08 max: 0.08 } } }
layer { name: "lstm1" type: "LSTM" bottom: "embedded" bottom: "cont_sentence" top: "lstm1" recurrent_param { num_output: 48 weight_filler { type: "uniform" min: -0.08 max: 0.08 } } }
layer { name: "lstm2" type: "LSTM" bottom: "lstm1" bottom: "cont_sentence" bottom: "fc8" top: "lstm2" recurrent_param { num_output: 48 } }
layer { name: "predict" type: "InnerProduct" bottom: "lstm2" top: "predict" inner_product_param { num_output: 101 axis: 2 } }
layer { name: "cross_entropy_loss" type: "SoftmaxWithLoss" bottom: "predict" bottom: "target_sentence" top: "cross_entropy_loss" loss_weight: 20 loss_param { ignore_label: -1 } softmax_param { axis: 2 } }
layer { name: "accuracy" type: "Accuracy" bottom: "predict" bottom: "target_sentence" top: "accuracy" include { phase: TEST } accuracy_param { axis: 2 ignore_label: -1 } }
`, flags: []string{"--input-shape", "cont_sentence=5", "--input-shape", "input_sentence=5", "--input-shape", "target_sentence=5"},
			want: []string{"embedding Embed 20x5x32", "lstm2 LSTM 20x5x48", "predict InnerProduct 20x5x101"}},
		{name: "HED", text: hed(), want: []string{"upscore2 Deconvolution 1x1x62x46", "crop2 Crop 1x1x60x44", "Concat 1x2x60x44", "fuse_loss SigmoidCr..ropyLoss 1"}},
	}
}

// inception returns two modules of GoogLeNet with an auxiliary loss, in the older form of
// an input.
func inception() string {
	var b strings.Builder
	b.WriteString(`name: "GoogleNet"
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param { shape { dim: 2 dim: 16 dim: 14 dim: 14 } shape { dim: 2 } } }
`)
	bottom := "data"
	conv := func(name, bottom string, size int) {
		fmt.Fprintf(&b, `layer { name: %q type: "Convolution" bottom: %q top: %[1]q param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  convolution_param { num_output: 6 kernel_size: %[3]d pad: %[4]d weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.2 } } }
`, name, bottom, size, size/2)
	}
	for _, module := range []string{"3a", "3b"} {
		conv(module+"/1x1", bottom, 1)
		conv(module+"/3x3_reduce", bottom, 1)
		conv(module+"/3x3", module+"/3x3_reduce", 3)
		conv(module+"/5x5_reduce", bottom, 1)
		conv(module+"/5x5", module+"/5x5_reduce", 5)
		fmt.Fprintf(&b, "layer { name: %q type: \"Pooling\" bottom: %q top: %[1]q pooling_param { pool: MAX kernel_size: 3 stride: 1 pad: 1 } }\n", module+"/pool", bottom)
		conv(module+"/pool_proj", module+"/pool", 1)
		fmt.Fprintf(&b, "layer { name: \"%[1]s/output\" type: \"Concat\" bottom: \"%[1]s/1x1\" bottom: \"%[1]s/3x3\" bottom: \"%[1]s/5x5\" bottom: \"%[1]s/pool_proj\" top: \"%[1]s/output\" }\n", module)
		bottom = module + "/output"
		fmt.Fprintf(&b, `layer { name: "%[1]s/ave_pool" type: "Pooling" bottom: %[2]q top: "%[1]s/ave_pool" pooling_param { pool: AVE kernel_size: 5 stride: 3 } }
layer { name: "%[1]s/classifier" type: "InnerProduct" bottom: "%[1]s/ave_pool" top: "%[1]s/classifier" inner_product_param { num_output: 9 } }
`, module, bottom)
	}
	b.WriteString(`layer { name: "loss1" type: "SoftmaxWithLoss" bottom: "3a/classifier" bottom: "label" top: "loss1" loss_weight: 0.3 }
layer { name: "loss3" type: "SoftmaxWithLoss" bottom: "3b/classifier" bottom: "label" top: "loss3" loss_weight: 1 }
layer { name: "top5" type: "Accuracy" bottom: "3b/classifier" bottom: "label" top: "top5" include { phase: TEST } accuracy_param { top_k: 5 } }
`)
	return b.String()
}

// siamese returns two towers that share their weights by name.
func siamese() string {
	var b strings.Builder
	b.WriteString(`name: "siamese"
layer { name: "pair_data" type: "Data" top: "pair_data" top: "sim" include { phase: TRAIN } data_param { source: "absent_leveldb" batch_size: 16 } }
layer { name: "slice_pair" type: "Slice" bottom: "pair_data" top: "data" top: "data_p" slice_param { slice_dim: 1 slice_point: 1 } }
`)
	for _, tower := range []string{"", "_p"} {
		fmt.Fprintf(&b, `layer { name: "conv1%[1]s" type: "Convolution" bottom: "data%[1]s" top: "conv1%[1]s" param { name: "conv1_w" lr_mult: 1 } param { name: "conv1_b" lr_mult: 2 } convolution_param { num_output: 5 kernel_size: 5 } }
layer { name: "pool1%[1]s" type: "Pooling" bottom: "conv1%[1]s" top: "pool1%[1]s" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "feat%[1]s" type: "InnerProduct" bottom: "pool1%[1]s" top: "feat%[1]s" param { name: "feat_w" lr_mult: 1 } param { name: "feat_b" lr_mult: 2 } inner_product_param { num_output: 2 } }
`, tower)
	}
	b.WriteString(`layer { name: "loss" type: "ContrastiveLoss" bottom: "feat" bottom: "feat_p" bottom: "sim" top: "loss" contrastive_loss_param { margin: 1 } }
`)
	return b.String()
}

// hed returns a net with losses at its sides, as Holistically-Nested Edge Detection has.
func hed() string {
	var b strings.Builder
	b.WriteString(`name: "HED"
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param { shape { dim: 1 dim: 3 dim: 60 dim: 44 } shape { dim: 1 dim: 1 dim: 60 dim: 44 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 8 pad: 1 kernel_size: 3 } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2" convolution_param { num_output: 8 pad: 1 kernel_size: 3 } }
layer { name: "score-dsn1" type: "Convolution" bottom: "conv1" top: "upscore1" convolution_param { num_output: 1 kernel_size: 1 } }
layer { name: "score-dsn2" type: "Convolution" bottom: "conv2" top: "score-dsn2" convolution_param { num_output: 1 kernel_size: 1 } }
layer { name: "upscore2" type: "Deconvolution" bottom: "score-dsn2" top: "upscore2" param { lr_mult: 0 } param { lr_mult: 0 } convolution_param { num_output: 1 kernel_size: 4 stride: 2 } }
`)
	for i := 1; i <= 2; i++ {
		fmt.Fprintf(&b, `layer { name: "crop%[1]d" type: "Crop" bottom: "upscore%[1]d" bottom: "data" top: "upscore-dsn%[1]d" }
layer { name: "dsn%[1]d_loss" type: "SigmoidCrossEntropyLoss" bottom: "upscore-dsn%[1]d" bottom: "label" top: "dsn%[1]d_loss" loss_weight: 1 }
`, i)
	}
	b.WriteString(`layer { name: "concat-upscore" type: "Concat" bottom: "upscore-dsn1" bottom: "upscore-dsn2" top: "concat-upscore" concat_param { concat_dim: 1 } }
layer { name: "fuse" type: "Convolution" bottom: "concat-upscore" top: "fuse" param { lr_mult: 0.001 decay_mult: 1 } convolution_param { num_output: 1 kernel_size: 1 weight_filler { type: "constant" value: 0.2 } } }
layer { name: "fuse_loss" type: "SigmoidCrossEntropyLoss" bottom: "fuse" bottom: "label" top: "fuse_loss" loss_weight: 1 }
`)
	return b.String()
}

// TestCheckVintages checks nets of every version of Caffe's files and of every kind that its
// examples have.
func TestCheckVintages(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, v := range vintages() {
		t.Run(v.name, func(t *testing.T) {
			write(t, "net.prototxt", v.text)
			out, _ := mustRun(t, append([]string{"check", "net.prototxt"}, v.flags...)...)
			plain := strings.Join(strings.Fields(out), " ")
			for _, want := range v.want {
				if !strings.Contains(plain, want) {
					t.Errorf("%q is not in the output:\n%s", want, out)
				}
			}
		})
	}
}
