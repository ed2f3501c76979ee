// Features takes what a hidden layer of a trained net says of images, and classifies
// others by the nearest mean of these features, without any training:
//
//	go run . net.prototxt weights.caffemodel BLOB
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/gocaffe/gocaffe/caffepb"
	_ "github.com/gocaffe/gocaffe/layers/all" // the layer types that nets may name
	"github.com/gocaffe/gocaffe/net"
)

func main() {
	if err := run(context.Background(), os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "features:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("want net.prototxt, weights.caffemodel and the name of a blob")
	}
	file, err := net.Read(args[0])
	if err != nil {
		return err
	}
	// Without Options.Memory, every blob keeps its values after a pass.
	n, err := net.New(file, net.Options{State: &caffepb.NetState{Phase: caffepb.Phase_TEST.Enum()}, ForwardOnly: true})
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.LoadWeights(args[1]); err != nil {
		return err
	}
	features, label := n.Blob(args[2]), n.Blob("label")
	if features == nil || label == nil {
		return fmt.Errorf("%s: the net has no blobs %s and label", args[0], args[2])
	}
	records, batch, err := n.ReadOnce() // each record of the test data once
	if err != nil {
		return err
	}

	// The means of the features of each class, from the first half of the records.
	size := features.CountFrom(1)
	means, counts := make(map[int][]float64), make(map[int]float64)
	right, total := 0, 0
	for first := 0; first < records; first += batch {
		if _, err := n.Forward(ctx); err != nil {
			return err
		}
		for i, l := range label.Data() {
			class, x := int(l), features.Data()[i*size:][:size]
			if first+i < records/2 {
				if means[class] == nil {
					means[class] = make([]float64, size)
				}
				counts[class]++
				for k, v := range x {
					means[class][k] += (float64(v) - means[class][k]) / counts[class]
				}
				continue
			}
			total++
			if nearest(means, x) == class {
				right++
			}
		}
	}
	_, err = fmt.Fprintf(out, "%d features of %d records; by the nearest mean of a class %d of %d are right\n", size, records, right, total)
	return err
}

// nearest returns the class whose mean is nearest to x.
func nearest(means map[int][]float64, x []float32) int {
	best, least := -1, 0.0
	for class, mean := range means {
		distance := 0.0
		for k, v := range x {
			distance += (float64(v) - mean[k]) * (float64(v) - mean[k])
		}
		if best < 0 || distance < least {
			best, least = class, distance
		}
	}
	return best
}
