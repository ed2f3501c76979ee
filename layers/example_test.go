package layers_test

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
)

// square is a layer of one's own: y = a x², dE/dx = 2 a x dE/dy.
type square struct{ a float32 }

func (l *square) SetUp(bottom, top []*blob.Blob) error   { return nil }
func (l *square) Reshape(bottom, top []*blob.Blob) error { return top[0].ReshapeLike(bottom[0]) }

func (l *square) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	y := top[0].MutableData()
	for i, x := range bottom[0].Data() {
		y[i] = l.a * x * x
	}
	return nil
}

func (l *square) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	dx, dy := bottom[0].MutableDiff(), top[0].Diff()
	for i, x := range bottom[0].Data() {
		dx[i] = 2 * l.a * x * dy[i]
	}
	return nil
}

// A layer type is registered, usually by init of its package. Then every net may
// name it, with options of its own. "gocaffe new-layer" writes such a package,
// with tests.
func ExampleRegister() {
	layers.Register(layers.Info{
		Type: "ExampleSquare",
		Doc:  "y = a x², with example_square_param { a }",
		Plugin: &layers.Plugin{
			Field:   "example_square_param",
			Number:  199_999,
			Proto:   `message ExampleSquareParameter { optional float a = 1 [default = 1]; }`,
			Message: "ExampleSquareParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New: func(spec *layers.Spec) (layers.Layer, error) {
			var options struct {
				A float32 `proto:"a"`
			}
			if err := spec.Options(&options); err != nil {
				return nil, err
			}
			return &square{options.A}, nil
		},
	})
	if err := layers.Check(); err != nil { // that no other package has the same names
		fmt.Println(err)
		return
	}

	file, err := prototxt.ParseNet("net.prototxt", []byte(`
		layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 3 } } }
		layer { name: "y" type: "ExampleSquare" bottom: "x" top: "y" example_square_param { a: 0.5 } }`))
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := net.New(file, net.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	copy(n.Blob("x").MutableData(), []float32{1, 2, 3})
	if _, err := n.Forward(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(n.Blob("y").Data())
	// Output: [0.5 2 4.5]
}
