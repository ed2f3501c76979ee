package net

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/internal/cfmt"
	"github.com/gocaffe/gocaffe/internal/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// mean returns the mean magnitude of numbers as the log shows it.
func mean(x []float32) string {
	return cfmt.G(float64(float32(kernel.Asum(x)) / float32(len(x))))
}

// forwardInfo logs the mean magnitudes of what a layer has computed, and of
// its weights.
func (n *Net) forwardInfo(l *Layer) {
	for j, top := range l.Tops {
		n.logf("net.cpp:593", "    [Forward] Layer %s, top blob %s data: %s", l.Name, l.TopNames[j], mean(top.Data()))
	}
	for k, w := range l.Params {
		n.logf("net.cpp:605", "    [Forward] Layer %s, param blob %s data: %s", l.Name, n.params[l.first+k].Name, mean(w.Data()))
	}
}

// backwardInfo logs the mean magnitudes of the gradients that a layer has
// computed.
func (n *Net) backwardInfo(l *Layer) {
	for j, bottom := range l.Bottoms {
		if l.PropagateDown[j] {
			n.logf("net.cpp:621", "    [Backward] Layer %s, bottom blob %s diff: %s", l.Name, l.BottomNames[j], mean(bottom.Diff()))
		}
	}
	for k, w := range l.Params {
		if l.ParamBackward[k] {
			n.logf("net.cpp:632", "    [Backward] Layer %s, param blob %d diff: %s", l.Name, k, mean(w.Diff()))
		}
	}
}

// backwardSummary logs the norms of all weights and gradients.
func (n *Net) backwardSummary() {
	if n.log == nil {
		return
	}
	var sumData, sumDiff, squareData, squareDiff float64
	for _, p := range n.learned {
		sumData += kernel.Asum(p.Blob.Data())
		sumDiff += kernel.Asum(p.Blob.Diff())
		squareData += kernel.SumSq(p.Blob.Data())
		squareDiff += kernel.SumSq(p.Blob.Diff())
	}
	n.log(layers.Severe, "net.cpp:721", fmt.Sprintf(
		"    [Backward] All net params (data, diff): L1 norm = (%s, %s); L2 norm = (%s, %s)",
		cfmt.G(sumData), cfmt.G(sumDiff), cfmt.G(math.Sqrt(squareData)), cfmt.G(math.Sqrt(squareDiff))))
}
