// Finetune does in a program what the README does on the command line, and averages the
// weights of several moments of the training, which is often better than the last one:
//
//	go run . weights.caffemodel averaged.caffemodel
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/gocaffe/gocaffe/event"
	_ "github.com/gocaffe/gocaffe/layers/all" // the layer types that nets may name
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
	"google.golang.org/protobuf/proto"
)

func main() {
	if err := run(context.Background(), os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "finetune:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want a .caffemodel file to start from, and one to write")
	}
	file, err := prototxt.ReadSolver("solver.prototxt")
	if err != nil {
		return err
	}
	file.Param.Display = proto.Int32(20) // settings can be changed before the solver is made
	s, err := solver.New(file, solver.Options{
		// Called with all that happens; a program picks what it wants to know.
		Observer: event.Func(func(e any) {
			switch e := e.(type) {
			case *solver.Iteration:
				if e.Display {
					fmt.Fprintf(out, "iteration %3d: loss %.3f\n", e.Iter, e.Loss)
				}
			case *solver.TestResult:
				for _, o := range e.Outputs {
					fmt.Fprintf(out, "  test: %s = %.3f\n", o.Name, o.Value)
				}
			}
		}),
	})
	if err != nil {
		return err
	}
	defer s.Close()
	n := s.Net()
	if err := n.LoadWeights(args[0]); err != nil {
		return err
	}
	// Between steps, weights and all other blobs can be read and set.
	params := n.Params()
	mean := make([][]float32, len(params))
	const steps, averaged = 10, 5
	for step := range steps {
		if err := s.Step(ctx, 10); err != nil {
			return err
		}
		for i, p := range params {
			if step == steps-averaged {
				mean[i] = make([]float32, p.Blob.Count())
			}
			for k := range mean[i] {
				mean[i][k] += p.Blob.Data()[k] / averaged
			}
		}
	}
	for i, p := range params {
		copy(p.Blob.MutableData(), mean[i])
	}
	return n.SaveWeights(args[1], false)
}
