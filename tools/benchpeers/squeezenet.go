package main

import "fmt"

// squeezeNet returns version 1.1 of the net of Iandola et al., "SqueezeNet" (2016), which
// needs 0.4 of the paper's multiply-adds: 3x3 kernels in the first layer, and pooling
// earlier.
func squeezeNet(training bool) string {
	n := newNet("squeezenet-1.1", 227, training)
	n.conv(conv{name: "conv1", channels: 64, kernel: 3, stride: 2, valid: true})
	n.pool("pool1", "MAX", 3, 2, 0)
	for i, squeeze := range []int{16, 16, 32, 32, 48, 48, 64, 64} {
		name := fmt.Sprintf("fire%d", i+2)
		n.conv(conv{name: name + "/squeeze", channels: squeeze, kernel: 1})
		from := n.place
		n.conv(conv{name: name + "/expand1x1", channels: 4 * squeeze, kernel: 1})
		one := n.place
		n.place = from
		n.conv(conv{name: name + "/expand3x3", channels: 4 * squeeze, kernel: 3})
		n.concat(name, one, n.place)
		if i == 1 || i == 3 {
			n.pool(fmt.Sprintf("pool%d", i+2), "MAX", 3, 2, 0)
		}
	}
	n.dropout(0.5)
	n.conv(conv{name: "conv10", channels: 1000, kernel: 1})
	n.means("pool10")
	return n.text()
}
