package gocaffecmd

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
)

// benchLayers times the passes of each layer. It leaves out passes that a layer
// does not have; fused layers are part of the line of the layer that runs them.
func benchLayers(ctx context.Context, n *net.Net, iterations int) ([]layerBench, error) {
	forward, backward := make([][]time.Duration, len(n.Layers())), make([][]time.Duration, len(n.Layers()))
	for range iterations {
		for i := range n.Layers() {
			start := time.Now()
			if _, err := n.ForwardLayer(ctx, i); err != nil {
				return nil, err
			}
			if err := n.Wait(); err != nil {
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
			if err := n.Wait(); err != nil {
				return nil, err
			}
			backward[i] = append(backward[i], time.Since(start))
		}
	}
	var table []layerBench
	for i, head := range n.Layers() {
		if head.FusedInto != nil {
			continue
		}
		c := chainOf(n, head)
		table = append(table, layerBench{
			Layer: head.Name, Type: c.types(), Pass: "forward", Milliseconds: medianMilliseconds(forward[i]),
			flops: 2 * float64(c.macs()), bytes: c.forwardBytes(),
		})
		if c.needsBackward() {
			table = append(table, layerBench{
				Layer: head.Name, Type: c.types(), Pass: "backward", Milliseconds: medianMilliseconds(backward[i]),
				flops: 2 * float64(c.backwardMACs()), bytes: c.backwardBytes(),
			})
		}
	}
	return table, nil
}

// updateBench returns the line of the solver's update, which reads and writes
// weights and momentum and reads the gradient.
func (b *netBench) updateBench(n *net.Net) layerBench {
	var weights float64
	for _, p := range n.Params() {
		weights += bytesOf(p.Blob)
	}
	return layerBench{Layer: "(solver)", Type: "SGD", Pass: "update", Milliseconds: b.UpdateMilliseconds, bytes: 5 * weights}
}

// trainingFlops returns the number of operations of a forward and a backward pass.
func trainingFlops(n *net.Net) float64 {
	all := chain(n.Layers())
	return 2 * float64(all.macs()+all.backwardMACs())
}

// A chain is a layer and the layers that are fused into it. Each reads the top of
// the one before.
type chain []*net.Layer

func chainOf(n *net.Net, head *net.Layer) chain {
	c := chain{head}
	for _, l := range n.Layers() {
		if l.FusedInto == head {
			c = append(c, l)
		}
	}
	return c
}

// types returns the types of the layers in the form "BatchNorm+Scale+ReLU".
func (c chain) types() string {
	names := make([]string, len(c))
	for i, l := range c {
		names[i] = l.Type
	}
	return strings.Join(names, "+")
}

func (c chain) needsBackward() bool {
	return slices.ContainsFunc(c, func(l *net.Layer) bool { return l.NeedsBackward })
}

// summands returns the blobs that layers of the chain add to the top of the one before.
func (c chain) summands() []*blob.Blob {
	var all []*blob.Blob
	for i, l := range c[1:] {
		for _, bottom := range l.Bottoms {
			if bottom != c[i].Tops[0] {
				all = append(all, bottom)
			}
		}
	}
	return all
}

// macs returns the multiply-adds of a forward pass.
func (c chain) macs() int64 {
	var total int64
	for _, l := range c {
		if m, ok := l.Impl.(layers.Counter); ok {
			total += m.MACs()
		}
	}
	return total
}

// backwardMACs returns the multiply-adds of a backward pass.
func (c chain) backwardMACs() int64 {
	var total int64
	for _, l := range c {
		one := chain{l}.macs()
		if l.NeedsBackward && slices.Contains(l.ParamBackward, true) {
			total += one
		}
		if l.NeedsBackward && slices.Contains(l.PropagateDown, true) {
			total += one
		}
	}
	return total
}

// sameMemory are the types whose tops share the memory of their bottoms.
var sameMemory = []string{"Flatten", "Reshape", "Split"}

// gradientAlone are the types whose backward pass does not read data.
var gradientAlone = []string{"Bias", "Concat", "Dropout", "Eltwise", "Pooling", "Power", "Slice", "Split"}

// forwardBytes returns how many bytes a forward pass must read and write.
func (c chain) forwardBytes() float64 {
	head, tail := c[0], c[len(c)-1]
	if slices.Contains(sameMemory, head.Type) {
		return 0
	}
	bytes := bytesOf(head.Bottoms...) + bytesOf(c.summands()...) + bytesOf(tail.Tops...)
	if len(c) > 1 { // a Split, whose tops have the same memory, may be the last
		bytes -= bytesOf(tail.Tops[1:]...)
	}
	if _, ok := head.Impl.(layers.Deferrer); ok && tail.Tops[0] != head.Bottoms[0] && tail.Tops[0].SharesData(head.Bottoms[0]) {
		bytes -= bytesOf(tail.Tops[0]) // which the next layer computes
	}
	for _, l := range c {
		bytes += bytesOf(l.Params...)
	}
	return bytes
}

// backwardBytes returns how many bytes a backward pass must read and write. It
// adds to the gradients of weights, so it both reads and writes them.
func (c chain) backwardBytes() float64 {
	head, tail := c[0], c[len(c)-1]
	if head.Type != "Split" && slices.Contains(sameMemory, head.Type) {
		return 0
	}
	bytes := bytesOf(tail.Tops...)
	if !slices.Contains(gradientAlone, head.Type) {
		bytes += bytesOf(head.Bottoms...)
	}
	if summands := c.summands(); len(summands) > 0 {
		bytes += bytesOf(summands...)
		if slices.ContainsFunc(c, func(l *net.Layer) bool { _, ok := l.Impl.(layers.Rectifier); return ok }) {
			bytes += bytesOf(tail.Tops[0]) // for its sign
		}
	}
	for i, bottom := range head.Bottoms {
		if head.PropagateDown[i] {
			bytes += bytesOf(bottom)
		}
	}
	for _, l := range c {
		for i, w := range l.Params {
			if slices.Contains(l.PropagateDown, true) {
				bytes += bytesOf(w)
			}
			if l.ParamBackward[i] && l.Type != "BatchNorm" { // whose statistics have no gradient
				bytes += 2 * bytesOf(w)
			}
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
