package gocaffecmd

import (
	"context"
	"slices"
	"time"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
)

// benchLayers times the passes of every layer. Passes that a layer does not
// have are left out.
func benchLayers(ctx context.Context, n *net.Net, iterations int) ([]layerBench, error) {
	forward, backward := make([][]time.Duration, len(n.Layers())), make([][]time.Duration, len(n.Layers()))
	for range iterations {
		for i := range n.Layers() {
			start := time.Now()
			if _, err := n.ForwardLayer(ctx, i); err != nil {
				return nil, err
			}
			forward[i] = append(forward[i], time.Since(start))
		}
		n.SetPass(n.Pass() + 1)
		for i := len(n.Layers()) - 1; i >= 0; i-- {
			start := time.Now()
			if err := n.BackwardLayer(ctx, i); err != nil {
				return nil, err
			}
			backward[i] = append(backward[i], time.Since(start))
		}
	}
	var table []layerBench
	for i, l := range n.Layers() {
		table = append(table, layerBench{
			Layer: l.Name, Type: l.Type, Pass: "forward", Milliseconds: medianMilliseconds(forward[i]),
			flops: 2 * float64(macs(l)), bytes: forwardBytes(l),
		})
		if l.NeedsBackward {
			table = append(table, layerBench{
				Layer: l.Name, Type: l.Type, Pass: "backward", Milliseconds: medianMilliseconds(backward[i]),
				flops: 2 * float64(backwardMACs(l)), bytes: backwardBytes(l),
			})
		}
	}
	return table, nil
}

// updateBench is the line of the solver's update: it reads and writes weights
// and momentum, and reads the gradient.
func (b *netBench) updateBench(n *net.Net) layerBench {
	var weights float64
	for _, p := range n.Params() {
		weights += bytesOf(p.Blob)
	}
	return layerBench{Layer: "(solver)", Type: "SGD", Pass: "update", Milliseconds: b.UpdateMilliseconds, bytes: 5 * weights}
}

// trainingFlops returns the operations of a forward and a backward pass.
func trainingFlops(n *net.Net) float64 {
	var total float64
	for _, l := range n.Layers() {
		total += 2 * float64(macs(l)+backwardMACs(l))
	}
	return total
}

// macs returns the multiply-adds of a forward pass of a layer.
func macs(l *net.Layer) int64 {
	if c, ok := l.Impl.(layers.Counter); ok {
		return c.MACs()
	}
	return 0
}

// backwardMACs returns the multiply-adds of a backward pass of a layer.
func backwardMACs(l *net.Layer) int64 {
	var total int64
	if l.NeedsBackward && slices.Contains(l.ParamBackward, true) {
		total += macs(l)
	}
	if l.NeedsBackward && slices.Contains(l.PropagateDown, true) {
		total += macs(l)
	}
	return total
}

// sameMemory are the types whose tops are their bottoms under another name or
// shape.
var sameMemory = []string{"Flatten", "Reshape", "Split"}

// gradientAlone are the types whose backward pass does not look at the data.
var gradientAlone = []string{"Bias", "Concat", "Dropout", "Eltwise", "Pooling", "Power", "Slice", "Split"}

// forwardBytes returns what a forward pass must at least read and write.
func forwardBytes(l *net.Layer) float64 {
	if slices.Contains(sameMemory, l.Type) {
		return 0
	}
	return bytesOf(l.Bottoms...) + bytesOf(l.Params...) + bytesOf(l.Tops...)
}

// backwardBytes returns what a backward pass must at least read and write. It
// adds to the gradients of the weights, which is reading and writing.
func backwardBytes(l *net.Layer) float64 {
	if l.Type != "Split" && slices.Contains(sameMemory, l.Type) {
		return 0
	}
	bytes := bytesOf(l.Tops...)
	if !slices.Contains(gradientAlone, l.Type) {
		bytes += bytesOf(l.Bottoms...)
	}
	down := false
	for i, bottom := range l.Bottoms {
		if l.PropagateDown[i] {
			bytes += bytesOf(bottom)
			down = true
		}
	}
	for i, w := range l.Params {
		if down {
			bytes += bytesOf(w)
		}
		if l.ParamBackward[i] {
			bytes += 2 * bytesOf(w)
		}
	}
	return bytes
}

func bytesOf(blobs ...*blob.Blob) float64 {
	var n int
	for _, b := range blobs {
		n += 4 * b.Count()
	}
	return float64(n)
}
