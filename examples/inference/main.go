// Inference classifies image files with a deployed net:
//
//	go run . deploy.prototxt deploy.caffemodel IMAGE...
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	_ "github.com/gocaffe/gocaffe/layers/all" // the layer types that nets may name
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/predict"
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
	// deploy.prototxt says how images are prepared; predict.Options can say otherwise.
	p, err := predict.New(n, predict.Options{})
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	images := args[2:]
	return p.Files(context.Background(), images, func(i int, scores []float32, err error) error {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s:", images[i])
		for _, class := range predict.Top(scores, 3) {
			fmt.Fprintf(out, "  %d (%.4f)", class, scores[class])
		}
		fmt.Fprintln(out)
		return nil
	})
}
