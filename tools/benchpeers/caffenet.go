package main

import (
	"fmt"
	"strings"
)

// A caffeNet is the text of a net that is being written, layer by layer. The next layer
// reads the place where the last one ended.
type caffeNet struct {
	strings.Builder
	place
	training bool // with labels and losses
}

// A place is a blob and the number of its channels.
type place struct {
	top      string
	channels int
}

func (n *caffeNet) add(format string, args ...any) { fmt.Fprintf(n, format+"\n", args...) }

// newNet returns a net that reads colour images of side x side pixels: batches with
// labels for training, otherwise one image.
func newNet(name string, side int, training bool) *caffeNet {
	n := &caffeNet{place: place{"data", 3}, training: training}
	n.add(`name: "%s"`, name)
	if training { // gocaffe bench puts random data in the place of the database
		n.add(`layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "none" batch_size: 1 backend: LMDB } }`)
	} else {
		n.add(`layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: %d dim: %[1]d } } }`, side)
	}
	return n
}

// A conv is a convolution of square kernels and a ReLU.
type conv struct {
	name             string
	channels, kernel int
	stride, group    int  // 0: 1
	valid            bool // without padding; otherwise stride 1 keeps the size
	norm             bool // with BatchNorm and Scale in place of the bias
	linear           bool // without the ReLU
}

func (n *caffeNet) conv(c conv) {
	options, pad := "", c.kernel/2
	if c.valid {
		pad = 0
	}
	if c.norm {
		options = " bias_term: false"
	}
	n.add(`layer { name: "%s" type: "Convolution" bottom: "%s" top: "%[1]s"
  convolution_param { num_output: %[3]d kernel_size: %[4]d pad: %[5]d stride: %[6]d group: %[7]d%[8]s weight_filler { type: "msra" } } }`,
		c.name, n.top, c.channels, c.kernel, pad, max(c.stride, 1), max(c.group, 1), options)
	n.place = place{c.name, c.channels}
	if c.norm {
		n.add(`layer { name: "%s/bn" type: "BatchNorm" bottom: "%[1]s" top: "%[1]s" }
layer { name: "%[1]s/scale" type: "Scale" bottom: "%[1]s" top: "%[1]s" scale_param { bias_term: true } }`, c.name)
	}
	if !c.linear {
		n.relu()
	}
}

// relu adds a ReLU in place.
func (n *caffeNet) relu() {
	n.add(`layer { name: "%s/relu" type: "ReLU" bottom: "%[1]s" top: "%[1]s" }`, n.top)
}

// pool adds the maxima or means (MAX, AVE) of windows.
func (n *caffeNet) pool(name, kind string, kernel, stride, pad int) {
	n.add(`layer { name: "%s" type: "Pooling" bottom: "%s" top: "%[1]s" pooling_param { pool: %[3]s kernel_size: %[4]d stride: %[5]d pad: %[6]d } }`,
		name, n.top, kind, kernel, stride, pad)
	n.top = name
}

// means adds the mean of each channel.
func (n *caffeNet) means(name string) {
	n.add(`layer { name: "%s" type: "Pooling" bottom: "%s" top: "%[1]s" pooling_param { pool: AVE global_pooling: true } }`, name, n.top)
	n.top = name
}

// lrn adds AlexNet's normalization across channels.
func (n *caffeNet) lrn(name string) {
	n.add(`layer { name: "%s" type: "LRN" bottom: "%s" top: "%[1]s" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }`, name, n.top)
	n.top = name
}

// inner adds a fully connected layer.
func (n *caffeNet) inner(name string, outputs int) {
	n.add(`layer { name: "%s" type: "InnerProduct" bottom: "%s" top: "%[1]s" inner_product_param { num_output: %[3]d weight_filler { type: "msra" } } }`,
		name, n.top, outputs)
	n.place = place{name, outputs}
}

// dropout adds Dropout in place.
func (n *caffeNet) dropout(ratio float64) {
	n.add(`layer { name: "%s/drop" type: "Dropout" bottom: "%[1]s" top: "%[1]s" dropout_param { dropout_ratio: %[2]g } }`, n.top, ratio)
}

// concat joins the channels of several places.
func (n *caffeNet) concat(name string, from ...place) {
	var bottoms strings.Builder
	n.place = place{top: name}
	for _, p := range from {
		fmt.Fprintf(&bottoms, ` bottom: "%s"`, p.top)
		n.channels += p.channels
	}
	n.add(`layer { name: "%s" type: "Concat"%s top: "%[1]s" }`, name, &bottoms)
}

// sum adds the values of another place, and a ReLU.
func (n *caffeNet) sum(name string, other place) {
	n.add(`layer { name: "%s" type: "Eltwise" bottom: "%s" bottom: "%s" top: "%[1]s" }`, name, other.top, n.top)
	n.top = name
	n.relu()
}

// loss adds a loss with a weight.
func (n *caffeNet) loss(name string, weight float64) {
	n.add(`layer { name: "%s" type: "SoftmaxWithLoss" bottom: "%s" bottom: "label" top: "%[1]s" loss_weight: %[3]g }`, name, n.top, weight)
}

// text ends a net of classes with its loss, or with the probabilities, and returns it.
func (n *caffeNet) text() string {
	if n.training {
		n.loss("loss", 1)
	} else {
		n.add(`layer { name: "prob" type: "Softmax" bottom: "%s" top: "prob" }`, n.top)
	}
	return n.String()
}
