package main

import (
	"fmt"
	"strings"
)

// mobileNetBlocks are the pairs of a 3x3 convolution of each channel and a 1x1
// convolution in table 1 of Howard et al., "MobileNets" (2017).
var mobileNetBlocks = []struct{ channels, stride int }{
	{64, 1}, {128, 2}, {128, 1}, {256, 2}, {256, 1}, {512, 2},
	{512, 1}, {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1},
}

// mobileNet returns version 1 of MobileNet.
func mobileNet(training bool) string {
	n := newNet("mobilenet-v1", 224, training)
	n.conv(conv{name: "conv0", channels: 32, kernel: 3, stride: 2, norm: true})
	for i, b := range mobileNetBlocks {
		name := fmt.Sprintf("conv%d", i+1)
		n.conv(conv{name: name + "/dw", channels: n.channels, kernel: 3, stride: b.stride, group: n.channels, norm: true})
		n.conv(conv{name: name, channels: b.channels, kernel: 1, norm: true})
	}
	n.means("pool")
	n.inner("fc", 1000)
	return n.text()
}

// mobileNetSSD returns MobileNet-SSD for inference on one image of 300 x 300:
// MobileNet with batch normalization merged into the convolutions, and SSD's boxes on six
// feature maps, as the public models for PASCAL VOC have them. The weights are those of
// the fillers, so many boxes pass the threshold. Without boxes the net ends with the
// predictions that DetectionOutput makes boxes of.
func mobileNetSSD(boxes bool) string {
	n := &ssdNet{caffeNet: newNet("mobilenet-ssd", 300, false)}
	n.conv(conv{name: "conv0", channels: 32, kernel: 3, stride: 2})
	for i, b := range mobileNetBlocks {
		n.conv(conv{name: fmt.Sprintf("conv%d/dw", i+1), channels: n.channels, kernel: 3, stride: b.stride, group: n.channels})
		n.conv(conv{name: fmt.Sprintf("conv%d", i+1), channels: b.channels, kernel: 1})
		if i+1 == 11 {
			n.head(3, `min_size: 60 aspect_ratio: 2`)
		}
	}
	n.head(6, `min_size: 105 max_size: 150 aspect_ratio: 2 aspect_ratio: 3`)
	for i, channels := range []int{512, 256, 256, 128} {
		n.conv(conv{name: fmt.Sprintf("conv%d_1", 14+i), channels: channels / 2, kernel: 1})
		n.conv(conv{name: fmt.Sprintf("conv%d_2", 14+i), channels: channels, kernel: 3, stride: 2})
		n.head(6, fmt.Sprintf(`min_size: %d max_size: %d aspect_ratio: 2 aspect_ratio: 3`, 150+45*i, 195+45*i))
	}
	n.join("loc", 1)
	n.join("conf", 1)
	n.join("priorbox", 2)
	n.add(`layer { name: "reshape" type: "Reshape" bottom: "mbox_conf" top: "reshape" reshape_param { shape { dim: 0 dim: -1 dim: 21 } } }`)
	n.add(`layer { name: "softmax" type: "Softmax" bottom: "reshape" top: "softmax" softmax_param { axis: 2 } }`)
	n.add(`layer { name: "flatten" type: "Flatten" bottom: "softmax" top: "flatten" }`)
	if boxes {
		n.add(`layer { name: "detection_out" type: "DetectionOutput" bottom: "mbox_loc" bottom: "flatten" bottom: "mbox_priorbox" top: "detection_out"
  detection_output_param { num_classes: 21 share_location: true background_label_id: 0 nms_param { nms_threshold: 0.45 top_k: 100 } code_type: CENTER_SIZE keep_top_k: 100 confidence_threshold: 0.01 } }`)
	}
	return n.String()
}

// An ssdNet is a net with predictions of boxes.
type ssdNet struct {
	*caffeNet
	maps []string // feature maps that have a head
}

// head adds the predictions of boxes at each place of the last feature map.
func (n *ssdNet) head(boxes int, priors string) {
	n.maps = append(n.maps, n.top)
	for _, p := range []struct {
		kind   string
		values int
	}{{"loc", 4}, {"conf", 21}} {
		n.add(`layer { name: "%s_%s" type: "Convolution" bottom: "%[1]s" top: "%[1]s_%[2]s"
  convolution_param { num_output: %d kernel_size: 1 weight_filler { type: "msra" } } }
layer { name: "%[1]s_%[2]s_perm" type: "Permute" bottom: "%[1]s_%[2]s" top: "%[1]s_%[2]s_perm" permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "%[1]s_%[2]s_flat" type: "Flatten" bottom: "%[1]s_%[2]s_perm" top: "%[1]s_%[2]s_flat" }`, n.top, p.kind, boxes*p.values)
	}
	n.add(`layer { name: "%s_priorbox" type: "PriorBox" bottom: "%[1]s" bottom: "data" top: "%[1]s_priorbox"
  prior_box_param { %s flip: true clip: false variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 offset: 0.5 } }`, n.top, priors)
}

// join adds the concatenation of one kind of predictions of all feature maps.
func (n *ssdNet) join(kind string, axis int) {
	var bottoms strings.Builder
	for _, m := range n.maps {
		suffix := "_flat"
		if kind == "priorbox" {
			suffix = ""
		}
		fmt.Fprintf(&bottoms, ` bottom: "%s_%s%s"`, m, kind, suffix)
	}
	n.add(`layer { name: "mbox_%s" type: "Concat"%s top: "mbox_%[1]s" concat_param { axis: %[3]d } }`, kind, bottoms.String(), axis)
}
