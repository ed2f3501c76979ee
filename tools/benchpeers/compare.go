package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data/npy"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/parallel"
	_ "github.com/gocaffe/gocaffe/plugins/all"
)

// sameOutputs is how much outputs may differ, in parts of the largest element.
const sameOutputs = 1e-4

// writeNoise writes an image of normally distributed noise with 3 channels.
func writeNoise(path string, side int) (err error) {
	image := npy.Array{Shape: []int{1, 3, side, side}, Data: make([]float32, 3*side*side)}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range image.Data {
		image.Data[i] = float32(r.NormFloat64())
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return npy.Write(f, image)
}

// withNet calls f with a net whose input is the image of a file.
func withNet(model, weights, input string, phase caffepb.Phase, f func(*net.Net) error) error {
	file, err := net.Read(model)
	if err != nil {
		return err
	}
	pool := parallel.NewPool(mostThreads)
	defer pool.Close()
	n, err := net.New(file, net.Options{
		State: &caffepb.NetState{Phase: &phase}, Workers: pool, Memory: new(net.Memory),
		ForwardOnly: true, Inference: phase == caffepb.Phase_TEST, // as gocaffe time does
	})
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.LoadWeights(weights); err != nil {
		return err
	}
	image, err := os.Open(input)
	if err != nil {
		return err
	}
	defer image.Close()
	array, err := npy.Read(image)
	if err != nil {
		return err
	}
	copy(n.Blob("data").MutableData(), array.Data)
	if _, err := n.Forward(context.Background()); err != nil {
		return err
	}
	return f(n)
}

// setStatistics sets the means and variances of BatchNorm to those of an image, as a
// training step does. With those of the fillers, which are 0, outputs would overflow.
func setStatistics(model, weights, input string) error {
	return withNet(model, weights, input, caffepb.Phase_TRAIN, func(n *net.Net) error { return n.SaveWeights(weights, false) })
}

// multiplyAdds returns how many multiply-adds the convolutions and inner products of a net
// need for an image, computed directly.
func multiplyAdds(model, weights, input string) (macs int64, err error) {
	err = withNet(model, weights, input, caffepb.Phase_TEST, func(n *net.Net) error {
		macs = n.Plan().MACs
		return nil
	})
	return macs, err
}

// compare returns the largest difference between OpenCV's and gocaffe's outputs, as a part
// of the largest element of the output.
func (r *runner) compare(i image, weights, input string) (largest float64, err error) {
	text := i.text
	if i.raw != nil {
		text = i.raw
	}
	model, outputs := filepath.Join(r.dir, "compare.prototxt"), filepath.Join(r.dir, "outputs.npz")
	if err := os.WriteFile(model, []byte(text()), 0o666); err != nil {
		return 0, err
	}
	if _, err := output(r.python, r.openCV(model, weights, input, "--outputs", outputs)...); err != nil {
		return 0, err
	}
	arrays, err := npy.ReadFile(outputs)
	if err != nil {
		return 0, err
	}
	theirs := make(map[string][]float32)
	for _, a := range arrays {
		theirs[strings.ReplaceAll(a.Name, "|", "/")] = a.Data
	}
	err = withNet(model, weights, input, caffepb.Phase_TEST, func(n *net.Net) error {
		for _, o := range n.Outputs() {
			d, err := difference(o.Blob.Data(), theirs[o.Name])
			if err != nil {
				return fmt.Errorf("output %q: %w", o.Name, err)
			}
			largest = math.Max(largest, d) // NaN if one is
		}
		return nil
	})
	return largest, err
}

// difference returns the largest difference between elements of x and want, as a part of
// the largest element of want.
func difference(x, want []float32) (float64, error) {
	if len(x) != len(want) {
		return 0, fmt.Errorf("gocaffe computes %d elements and OpenCV %d", len(x), len(want))
	}
	var largest, off float64
	for i, w := range want {
		largest = math.Max(largest, math.Abs(float64(w)))
		off = math.Max(off, math.Abs(float64(w)-float64(x[i])))
	}
	return off / largest, nil
}
