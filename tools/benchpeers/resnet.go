package main

import "fmt"

// resNet50 returns the net of He et al., "Deep Residual Learning for Image Recognition"
// (2016), table 1, with 50 layers. Where the size halves, the 3x3 convolution has the
// stride, as in PyTorch's models; the paper's first 1x1 convolution would save 6 % of the
// multiply-adds.
func resNet50(training bool) string {
	n := newNet("resnet-50", 224, training)
	n.conv(conv{name: "conv1", channels: 64, kernel: 7, stride: 2, norm: true})
	n.pool("pool1", "MAX", 3, 2, 0)
	for i, group := range []struct{ blocks, channels int }{{3, 64}, {4, 128}, {6, 256}, {3, 512}} {
		for b := range group.blocks {
			name, stride := fmt.Sprintf("res%d%c", i+2, 'a'+b), 1
			if i > 0 && b == 0 {
				stride = 2
			}
			from := n.place
			shortcut := from
			if b == 0 {
				n.conv(conv{name: name + "_branch1", channels: 4 * group.channels, kernel: 1, stride: stride, norm: true, linear: true})
				shortcut, n.place = n.place, from
			}
			n.conv(conv{name: name + "_branch2a", channels: group.channels, kernel: 1, norm: true})
			n.conv(conv{name: name + "_branch2b", channels: group.channels, kernel: 3, stride: stride, norm: true})
			n.conv(conv{name: name + "_branch2c", channels: 4 * group.channels, kernel: 1, norm: true, linear: true})
			n.sum(name, shortcut)
		}
	}
	n.means("pool5")
	n.inner("fc1000", 1000)
	return n.text()
}
