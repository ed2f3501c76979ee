// Spirals is a program that uses gocaffe as a library: it trains a net on points
// of its own, watches the loss, saves the weights, and loads them into a net for
// inference.
package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"

	"github.com/gocaffe/gocaffe/blobtensor"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	_ "github.com/gocaffe/gocaffe/layers/all" // the layer types that nets may name
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
)

func main() {
	if err := run(context.Background(), os.Stdout, "spirals.caffemodel"); err != nil {
		fmt.Fprintln(os.Stderr, "spirals:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, weights string) error {
	if err := train(ctx, out, weights); err != nil {
		return err
	}
	return classify(ctx, out, weights)
}

// train trains the net of solver.prototxt and writes its weights to a file.
func train(ctx context.Context, out io.Writer, weights string) error {
	file, err := prototxt.ReadSolver("solver.prototxt")
	if err != nil {
		return err
	}
	s, err := solver.New(file, solver.Options{
		// Called before each pass: it fills the tops of the Input layer. The points
		// depend on the pass alone, so a resumed run sees the same ones.
		BeforeForward: func(n *net.Net, pass int64) error {
			draw(n, uint64(pass))
			return nil
		},
		// Called with all that happens: layers made, iterations, tests, snapshots.
		Observer: event.Func(func(e any) {
			if e, ok := e.(*solver.Iteration); ok && e.Iter%500 == 0 {
				fmt.Fprintf(out, "iteration %4d: loss %.4f\n", e.Iter, e.Loss)
			}
		}),
	})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Step(ctx, 2001); err != nil {
		return err
	}
	return s.Net().SaveWeights(weights, false)
}

// classify loads the weights into a net of phase TEST, and counts how many of new
// points it puts on the right spiral.
func classify(ctx context.Context, out io.Writer, weights string) error {
	file, err := net.Read("net.prototxt")
	if err != nil {
		return err
	}
	n, err := net.New(file, net.Options{State: &caffepb.NetState{Phase: caffepb.Phase_TEST.Enum()}, Inference: true})
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.LoadWeights(weights); err != nil {
		return err
	}
	draw(n, math.MaxUint64)
	if _, err := n.Forward(ctx); err != nil {
		return err
	}
	// The scores as a tensor of gorgonia.org/tensor. Data returns them as []float32.
	class, err := blobtensor.Data(n.Blob("scores")).Argmax(1)
	if err != nil {
		return err
	}
	right := 0
	label := n.Blob("label").Data()
	for i, c := range class.Ints() {
		if c == int(label[i]) {
			right++
		}
	}
	_, err = fmt.Fprintf(out, "%d of %d new points are right\n", right, len(label))
	return err
}

// draw fills the input of the net with points, which lie on one spiral or on the
// same one turned by π, and with the number of the spiral of each.
func draw(n *net.Net, seed uint64) {
	r := rand.New(rand.NewPCG(1, seed))
	points, label := n.Blob("points").MutableData(), n.Blob("label").MutableData()
	for i := range label {
		spiral := r.IntN(2)
		radius := 0.5 + 2.5*math.Sqrt(r.Float64())
		angle := 3*radius + float64(spiral)*math.Pi
		points[2*i] = float32(radius*math.Cos(angle) + 0.05*r.NormFloat64())
		points[2*i+1] = float32(radius*math.Sin(angle) + 0.05*r.NormFloat64())
		label[i] = float32(spiral)
	}
}
