// Surgery makes a fully convolutional net of LeNet, which classifies each part of a
// large image:
//
//	go run . lenet.caffemodel convolutional.caffemodel digit.png
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gocaffe/gocaffe/data"
	_ "github.com/gocaffe/gocaffe/layers/all" // the layer types that nets may name
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/predict"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/surgery"
)

func main() {
	if err := run(context.Background(), os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "surgery:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("want a .caffemodel to read, one to write, and an image")
	}
	file, err := net.Read("convolutional.prototxt")
	if err != nil {
		return err
	}
	n, err := net.New(file, net.Options{ForwardOnly: true})
	if err != nil {
		return err
	}
	defer n.Close()

	// The fully connected layers ip1 and ip2 become the convolutions conv3 and conv4.
	weights, _, err := prototxt.ReadBinaryNet(args[0])
	if err != nil {
		return err
	}
	if err := errors.Join(surgery.Rename(weights, "ip1", "conv3"), surgery.Rename(weights, "ip2", "conv4")); err != nil {
		return err
	}
	changes, err := surgery.Fit(weights, n)
	if err != nil {
		return err
	}
	for _, c := range changes {
		fmt.Fprintf(out, "%s, blob %d: %v -> %v\n", c.Layer, c.Blob, c.From, c.To)
	}
	if err := prototxt.WriteBinary(args[1], weights); err != nil {
		return err
	}
	if err := n.CopyTrainedFrom(weights, args[0]); err != nil {
		return err
	}

	// Any blob can be read and set. The input becomes three copies of one image.
	digit, err := predict.ReadImage(args[2], data.Gray)
	if err != nil {
		return err
	}
	digit.Resize(28, 28)
	input := n.Blob("data")
	pixels, width := input.MutableData(), input.Dim(3)
	for i, v := range digit.Pix {
		for copies := range 3 {
			pixels[i/28*width+28*copies+i%28] = float32(v) / 256 // as the data layer does in training
		}
	}
	if _, err := n.Forward(ctx); err != nil {
		return err
	}

	// LeNet looks at every fourth pixel now, and so seven places farther on for a copy.
	prob := n.Blob("prob") // 1 x 10 x 1 x 15
	for place := 0; place < prob.Dim(3); place += 7 {
		scores := make([]float32, prob.Dim(1))
		for class := range scores {
			scores[class] = prob.Data()[class*prob.CountFrom(2)+place]
		}
		best := predict.Top(scores, 1)[0]
		fmt.Fprintf(out, "at column %2d: %d (%.4f)\n", 4*place, best, scores[best])
	}
	return nil
}
