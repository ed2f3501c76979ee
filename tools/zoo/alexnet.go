package main

import "fmt"

// alexnet is the net of Krizhevsky et al., "ImageNet Classification with Deep
// Convolutional Neural Networks" (NIPS 2012), in one size, with the names that
// its layers have in Caffe's models/bvlc_alexnet.
type alexnet struct {
	name    string // of the files: NAME_train_test.prototxt, NAME_solver.prototxt
	comment string
	data    string // of the databases: DATA_train_lmdb
	test    string // test or val
	pixels  string // transformation of the pixels
	batch   [2]int // of training and test
	classes int

	first  string // kernel_size, stride and pad of conv1
	convs  [5]int // outputs of conv1 to conv5
	hidden int    // outputs of fc6 and fc7

	// fillers writes those of a layer; std and bias are those of Caffe's AlexNet
	fillers func(std, bias float64) string

	schedule string // lines of the solver that differ
}

var alexnets = []alexnet{
	{name: "alexnet", data: "imagenet", test: "val", pixels: "mean_file: \"imagenet_mean.binaryproto\" crop_size: 227", batch: [2]int{256, 50}, classes: 1000,
		comment: "# AlexNet for ImageNet, as in Krizhevsky et al., \"ImageNet Classification with Deep Convolutional\n" +
			"# Neural Networks\", NIPS 2012. The databases hold images of 256x256 pixels (gocaffe convert imageset\n" +
			"# --resize-height 256 --resize-width 256), of which crops of 227x227 are taken.\n",
		first: "kernel_size: 11 stride: 4", convs: [5]int{96, 256, 384, 384, 256}, hidden: 4096,
		fillers: func(std, bias float64) string {
			return fmt.Sprintf("weight_filler { type: \"gaussian\" std: %g } bias_filler { type: \"constant\" value: %g }", std, bias)
		},
		schedule: "test_iter: 1000\ntest_interval: 1000\nbase_lr: 0.01\nmomentum: 0.9\nweight_decay: 0.0005\n" +
			"lr_policy: \"step\"\ngamma: 0.1\nstepsize: 100000\nmax_iter: 450000\ndisplay: 20\nsnapshot: 10000\n"},
	{name: "alexnet_cifar10", data: "cifar10", test: "test", pixels: "mean_file: \"cifar10_mean.binaryproto\" scale: 0.015625", batch: [2]int{128, 100}, classes: 10,
		comment: "# AlexNet for the images of CIFAR-10, 32x32 pixels: smaller windows in conv1, half of the channels, an\n" +
			"# eighth of the hidden units. With inputs of variance 1 and He's fillers it learns from the first iteration.\n",
		first: "kernel_size: 5 pad: 2", convs: [5]int{48, 128, 192, 192, 128}, hidden: 512,
		fillers: func(_, _ float64) string {
			return "weight_filler { type: \"msra\" } bias_filler { type: \"constant\" }"
		},
		schedule: "test_iter: 100\ntest_interval: 1000\nbase_lr: 0.01\nmomentum: 0.9\nweight_decay: 0.0005\n" +
			"lr_policy: \"multistep\"\ngamma: 0.1\nstepvalue: 12000\nstepvalue: 17000\nmax_iter: 20000\ndisplay: 100\nsnapshot: 5000\n"},
}

// files returns the text of the net's files by their names.
func (n alexnet) files() map[string]string {
	return map[string]string{
		n.name + "_train_test.prototxt": n.net(),
		n.name + "_solver.prototxt": fmt.Sprintf("net: \"%s_train_test.prototxt\"\n%ssnapshot_prefix: %q\nsolver_mode: CPU\n",
			n.name, n.schedule, n.name),
	}
}

func (n alexnet) net() string {
	t := new(text)
	t.add("%sname: %q\n", n.comment, n.name)
	n.dataLayer(t, "TRAIN", "train", n.batch[0])
	n.dataLayer(t, "TEST", n.test, n.batch[1])
	t.blob = "data"
	n.conv(t, 1, n.first, 0)
	normPool(t, 1)
	n.conv(t, 2, "kernel_size: 5 pad: 2 group: 2", 0.1)
	normPool(t, 2)
	n.conv(t, 3, "kernel_size: 3 pad: 1", 0)
	n.conv(t, 4, "kernel_size: 3 pad: 1 group: 2", 0.1)
	n.conv(t, 5, "kernel_size: 3 pad: 1 group: 2", 0.1)
	pool(t, 5)
	n.hiddenLayer(t, 6)
	n.hiddenLayer(t, 7)
	n.innerProduct(t, 8, n.classes, 0.01, 0)
	t.add("layer { name: \"accuracy\" type: \"Accuracy\" bottom: \"fc8\" bottom: \"label\" top: \"accuracy\" include { phase: TEST } }\n")
	t.add("layer { name: \"loss\" type: \"SoftmaxWithLoss\" bottom: \"fc8\" bottom: \"label\" top: \"loss\" }\n")
	return t.String()
}

func (n alexnet) dataLayer(t *text, phase, source string, batch int) {
	transform := n.pixels
	if phase == "TRAIN" {
		transform += " mirror: true"
	}
	t.add("layer {\n  name: \"data\" type: \"Data\" top: \"data\" top: \"label\" include { phase: %s }\n", phase)
	t.add("  transform_param { %s }\n", transform)
	t.add("  data_param { source: \"%s_%s_lmdb\" batch_size: %d backend: LMDB }\n}\n", n.data, source, batch)
}

// rates of a layer: the bias learns twice as fast and does not decay.
const rates = "  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }\n"

func (n alexnet) conv(t *text, i int, window string, bias float64) {
	t.add("layer {\n  name: \"conv%d\" type: \"Convolution\" bottom: %q top: \"conv%[1]d\"\n", i, t.blob)
	t.add(rates+"  convolution_param {\n    num_output: %d %s\n    %s\n  }\n}\n", n.convs[i-1], window, n.fillers(0.01, bias))
	t.blob = fmt.Sprintf("conv%d", i)
	relu(t, i)
}

func (n alexnet) hiddenLayer(t *text, i int) {
	n.innerProduct(t, i, n.hidden, 0.005, 0.1)
	relu(t, i)
	t.add("layer { name: \"drop%d\" type: \"Dropout\" bottom: %q top: %[2]q dropout_param { dropout_ratio: 0.5 } }\n", i, t.blob)
}

func (n alexnet) innerProduct(t *text, i, outputs int, std, bias float64) {
	t.add("layer {\n  name: \"fc%d\" type: \"InnerProduct\" bottom: %q top: \"fc%[1]d\"\n", i, t.blob)
	t.add(rates+"  inner_product_param {\n    num_output: %d\n    %s\n  }\n}\n", outputs, n.fillers(std, bias))
	t.blob = fmt.Sprintf("fc%d", i)
}

func relu(t *text, i int) {
	t.add("layer { name: \"relu%d\" type: \"ReLU\" bottom: %q top: %[2]q }\n", i, t.blob)
}

func normPool(t *text, i int) {
	t.add("layer {\n  name: \"norm%d\" type: \"LRN\" bottom: %q top: \"norm%[1]d\"\n", i, t.blob)
	t.add("  lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }\n}\n")
	t.blob = fmt.Sprintf("norm%d", i)
	pool(t, i)
}

func pool(t *text, i int) {
	t.add("layer { name: \"pool%d\" type: \"Pooling\" bottom: %q top: \"pool%[1]d\" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }\n", i, t.blob)
	t.blob = fmt.Sprintf("pool%d", i)
}
