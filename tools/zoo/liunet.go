package main

import "fmt"

// liunet is one of the settings of Wang et al., "Ensemble Soft-Margin Softmax
// Loss for Image Classification" (IJCAI 2018), sections 4.1 and 4.2.
type liunet struct {
	name    string // of the files: NAME_train_test.prototxt, NAME_solver.prototxt
	comment string
	data    string // of the databases: DATA_train_lmdb
	test    string // test or val
	classes int

	width   [4]int // channels of the groups conv0 to conv3
	convs   [3]int // convolutions in the groups conv1 to conv3
	feature int

	scale   bool // pixels to [0,1]; otherwise minus the mean image
	augment bool // pad 4, random 32x32 crop, random mirror

	testIter int // batches of 100 in the test set
	steps    []int
	maxIter  int

	quick bool // a second solver that trains for a few minutes
	demo  bool // the net of gocaffe demo: smaller batches and its own solver
}

var liunets = []liunet{
	{name: "liunet_mnist", comment: "MNIST", data: "mnist", test: "test", classes: 10,
		width: [4]int{64, 64, 64, 64}, convs: [3]int{3, 3, 4}, feature: 256, scale: true,
		testIter: 100, steps: []int{8000, 14000}, maxIter: 20000, quick: true},
	{name: "liunet_cifar10", comment: "CIFAR-10", data: "cifar10", test: "test", classes: 10,
		width: [4]int{64, 64, 128, 256}, convs: [3]int{4, 4, 4}, feature: 256,
		testIter: 100, steps: []int{8000, 14000}, maxIter: 20000},
	{name: "liunet_cifar10plus", comment: "CIFAR-10+ (with shifts and mirror images)", data: "cifar10", test: "test", classes: 10,
		width: [4]int{64, 64, 128, 256}, convs: [3]int{4, 4, 4}, feature: 256, augment: true,
		testIter: 100, steps: []int{8000, 14000}, maxIter: 20000},
	{name: "liunet_cifar100", comment: "CIFAR-100", data: "cifar100", test: "test", classes: 100,
		width: [4]int{96, 96, 192, 384}, convs: [3]int{4, 4, 4}, feature: 256,
		testIter: 100, steps: []int{12000, 15000}, maxIter: 20000},
	{name: "liunet_cifar100plus", comment: "CIFAR-100+ (with shifts and mirror images)", data: "cifar100", test: "test", classes: 100,
		width: [4]int{96, 96, 192, 384}, convs: [3]int{4, 4, 4}, feature: 256, augment: true,
		testIter: 100, steps: []int{12000, 15000}, maxIter: 20000},
	{name: "liunet_imagenet32", comment: "ImageNet32", data: "imagenet32", test: "val", classes: 1000,
		width: [4]int{96, 96, 192, 384}, convs: [3]int{4, 4, 4}, feature: 256,
		testIter: 500, steps: []int{15000, 25000, 35000}, maxIter: 40000},
	{name: "liunet_digits", comment: "drawn digits, with a quarter of the channels", data: "digits", test: "test", classes: 10,
		width: [4]int{16, 16, 16, 16}, convs: [3]int{3, 3, 4}, feature: 64, scale: true,
		testIter: 20, demo: true},
}

// files returns the text of the net's files by their names.
func (n liunet) files() map[string]string {
	files := map[string]string{
		n.name + "_train_test.prototxt": n.net(),
		n.name + "_solver.prototxt":     n.solver(),
	}
	if n.quick {
		files[n.name+"_quick_solver.prototxt"] = n.quickSolver()
	}
	return files
}

// normalized adds batch normalization and ReLU, in place, after layer name.
func (t *text) normalized(name string) {
	t.add("layer { name: \"%s_bn\" type: \"BatchNorm\" bottom: \"%s\" top: \"%[2]s\" batch_norm_param { moving_average_fraction: 0.9 } }\n", name, t.blob)
	t.add("layer { name: \"%s_scale\" type: \"Scale\" bottom: \"%s\" top: \"%[2]s\" param { decay_mult: 0 } param { decay_mult: 0 } scale_param { bias_term: true } }\n", name, t.blob)
	t.add("layer { name: \"%s_relu\" type: \"ReLU\" bottom: \"%s\" top: \"%[2]s\" }\n", name, t.blob)
}

func (t *text) conv(name string, outputs int) {
	t.add("layer {\n  name: \"%s\" type: \"Convolution\" bottom: \"%s\" top: \"%[1]s\"\n", name, t.blob)
	t.add("  convolution_param { num_output: %d kernel_size: 3 pad: 1 bias_term: false weight_filler { type: \"msra\" } }\n}\n", outputs)
	t.blob = name
	t.normalized(name)
}

func (n liunet) net() string {
	t := new(text)
	t.add("# LiuNet for %s, as in Wang et al., \"Ensemble Soft-Margin Softmax\n# Loss for Image Classification\", IJCAI 2018.\n", n.comment)
	if !n.demo {
		t.add("# The paper trains with batches of 256: set batch_size here, or iter_size: 2 in the solver, which\n# takes no more memory.\n")
	}
	t.add("name: %q\n", n.name)
	n.dataLayer(t, "TRAIN")
	n.dataLayer(t, "TEST")
	t.blob = "data"
	t.conv("conv0", n.width[0])
	for group, convs := range n.convs {
		for i := range convs {
			t.conv(fmt.Sprintf("conv%d_%d", group+1, i+1), n.width[group+1])
		}
		t.add("layer { name: \"pool%d\" type: \"Pooling\" bottom: %q top: \"pool%[1]d\" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }\n", group+1, t.blob)
		t.blob = fmt.Sprintf("pool%d", group+1)
	}
	t.add("layer {\n  name: \"ip1\" type: \"InnerProduct\" bottom: %q top: \"ip1\"\n", t.blob)
	t.add("  inner_product_param { num_output: %d bias_term: false weight_filler { type: \"msra\" } }\n}\n", n.feature)
	t.blob = "ip1"
	t.normalized("ip1")
	t.add("layer {\n  name: \"ip2\" type: \"InnerProduct\" bottom: \"ip1\" top: \"ip2\"\n")
	t.add("  inner_product_param { num_output: %d bias_term: false weight_filler { type: \"xavier\" } }\n}\n", n.classes)
	t.add("layer { name: \"accuracy\" type: \"Accuracy\" bottom: \"ip2\" bottom: \"label\" top: \"accuracy\" include { phase: TEST } }\n")
	if n.classes >= 1000 {
		t.add("layer {\n  name: \"accuracy_top5\" type: \"Accuracy\" bottom: \"ip2\" bottom: \"label\" top: \"accuracy_top5\" include { phase: TEST }\n")
		t.add("  accuracy_param { top_k: 5 }\n}\n")
	}
	t.add("layer { name: \"loss\" type: \"SoftmaxWithLoss\" bottom: \"ip2\" bottom: \"label\" top: \"loss\" }\n")
	return t.String()
}

func (n liunet) dataLayer(t *text, phase string) {
	source, batch := "train", 128
	if n.demo {
		batch = 64
	}
	if phase == "TEST" {
		source, batch = n.test, 100
	}
	transform := fmt.Sprintf("mean_file: \"%s_mean.binaryproto\"", n.data)
	if n.scale {
		transform = "scale: 0.00390625"
	}
	if n.augment && phase == "TRAIN" {
		transform += " pad: 4 crop_size: 32 mirror: true"
	}
	t.add("layer {\n  name: %q type: \"Data\" top: \"data\" top: \"label\" include { phase: %s }\n", n.data, phase)
	t.add("  transform_param { %s }\n", transform)
	t.add("  data_param { source: \"%s_%s_lmdb\" batch_size: %d backend: LMDB }\n}\n", n.data, source, batch)
}

func (n liunet) solver() string {
	if n.demo {
		return n.demoSolver()
	}
	t := new(text)
	t.add("# The paper's schedule (section 4.2).\n")
	t.add("net: \"%s_train_test.prototxt\"\ntest_iter: %d\ntest_interval: 1000\n", n.name, n.testIter)
	t.add("base_lr: 0.1\nmomentum: 0.9\nweight_decay: 0.0005\nlr_policy: \"multistep\"\ngamma: 0.1\n")
	for _, step := range n.steps {
		t.add("stepvalue: %d\n", step)
	}
	t.add("max_iter: %d\ndisplay: 100\nsnapshot: 5000\nsnapshot_prefix: %q\nsolver_mode: CPU\n", n.maxIter, n.name)
	return t.String()
}

func (n liunet) quickSolver() string {
	t := new(text)
	t.add("# A few minutes instead of hours: a short schedule that reaches 99 %% on the test images.\n")
	t.add("net: \"%s_train_test.prototxt\"\ntest_iter: %d\ntest_interval: 200\n", n.name, n.testIter)
	t.add("base_lr: 0.05\nmomentum: 0.9\nweight_decay: 0.0005\nlr_policy: \"multistep\"\ngamma: 0.1\nstepvalue: 400\nstepvalue: 550\n")
	t.add("max_iter: 600\ndisplay: 20\nsnapshot_prefix: \"%s_quick\"\nsolver_mode: CPU\n", n.name)
	return t.String()
}

func (n liunet) demoSolver() string {
	t := new(text)
	t.add("# About a minute on two cores.\n")
	t.add("net: \"%s_train_test.prototxt\"\ntest_iter: %d\ntest_interval: 200\ntest_initialization: false\n", n.name, n.testIter)
	t.add("base_lr: 0.05\nmomentum: 0.9\nweight_decay: 0.0005\nlr_policy: \"multistep\"\ngamma: 0.1\nstepvalue: 600\nstepvalue: 850\n")
	t.add("max_iter: 1000\ndisplay: 20\nsnapshot_prefix: %q\nsolver_mode: CPU\nrandom_seed: 1\n", n.name)
	return t.String()
}
