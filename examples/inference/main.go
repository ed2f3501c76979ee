// Inference classifies image files with a deployed net:
//
//	go run . deploy.prototxt deploy.caffemodel IMAGE...
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	_ "github.com/gocaffe/gocaffe/layers/all" // the layer types that nets may name
	"github.com/gocaffe/gocaffe/net"
	"google.golang.org/protobuf/proto"
)

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "inference:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("want deploy.prototxt, deploy.caffemodel and image files")
	}
	file, err := net.Read(args[0])
	if err != nil {
		return err
	}
	n, err := net.New(file, net.Options{ForwardOnly: true})
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.LoadWeights(args[1]); err != nil {
		return err
	}
	// deploy.prototxt says in its first lines how the input is prepared.
	prepare, err := data.NewTransformer(&caffepb.TransformationParameter{Scale: proto.Float32(0.00390625)}, caffepb.Phase_TEST, nil)
	if err != nil {
		return err
	}

	input, prob := n.Blob("data"), n.Blob("prob")
	if input == nil || prob == nil {
		return fmt.Errorf("%s: the net has no blobs data and prob", args[0])
	}
	var pixels data.Pixels
	for _, path := range args[2:] {
		if err := pixels.ReadFile(path, data.Gray, input.Dim(2), input.Dim(3)); err != nil {
			return err
		}
		if err := prepare.Transform(input.MutableData(), &pixels, 0); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if _, err := n.Forward(context.Background()); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s:", path)
		for _, class := range best(prob.Data(), 3) {
			fmt.Fprintf(out, "  %d (%.4f)", class, prob.Data()[class])
		}
		fmt.Fprintln(out)
	}
	return nil
}

// best returns the k classes of the largest probabilities, the largest first.
func best(prob []float32, k int) []int {
	classes := make([]int, len(prob))
	for i := range classes {
		classes[i] = i
	}
	slices.SortStableFunc(classes, func(a, b int) int {
		switch {
		case prob[a] > prob[b]:
			return -1
		case prob[a] < prob[b]:
			return 1
		}
		return 0
	})
	return classes[:min(k, len(classes))]
}
