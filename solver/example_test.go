package solver_test

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/event"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
)

// A program can train a net of its own on numbers of its own: here y = w x on
// the points (1,2) and (2,4).
func Example() {
	file, err := prototxt.ParseSolver("solver.prototxt", []byte(`
		base_lr: 0.1 momentum: 0.5 lr_policy: "fixed"
		net_param {
		  layer { name: "data" type: "Input" top: "x" top: "y" input_param { shape { dim: 2 dim: 1 } } }
		  layer { name: "ip" type: "InnerProduct" bottom: "x" top: "wx" inner_product_param { num_output: 1 bias_term: false } }
		  layer { name: "loss" type: "EuclideanLoss" bottom: "wx" bottom: "y" top: "loss" }
		}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := solver.New(file, solver.Options{
		BeforeForward: func(n *net.Net, pass int64) error {
			copy(n.Blob("x").MutableData(), []float32{1, 2})
			copy(n.Blob("y").MutableData(), []float32{2, 4})
			return nil
		},
		Observer: event.Func(func(e any) {
			if e, ok := e.(*solver.Iteration); ok && e.Iter < 3 {
				fmt.Printf("iteration %d: loss %.3f\n", e.Iter, e.Loss)
			}
		}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	if err := s.Step(context.Background(), 30); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("w = %.3f\n", s.Net().Params()[0].Blob.Data()[0])
	// Output:
	// iteration 0: loss 5.000
	// iteration 1: loss 2.812
	// iteration 2: loss 0.957
	// w = 2.000
}
