package feed_test

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/feed"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// squares is a dataset of the numbers 0 to 9 and their squares.
type squares struct{}

func (squares) Len() int               { return 10 }
func (squares) Name(i int) string      { return fmt.Sprintf("number %d", i) }
func (squares) NewReader() feed.Reader { return squares{} }

// Read writes the number to top 0 and its square to top 1.
func (squares) Read(it *feed.Item) error {
	x, err := it.Top(0)
	if err != nil {
		return err
	}
	y, err := it.Top(1)
	if err != nil {
		return err
	}
	x[0], y[0] = float32(it.Record), float32(it.Record*it.Record)
	return nil
}

// squareData is a data layer. The Feeder has all of its methods except SetUp.
type squareData struct{ *feed.Feeder }

func (l squareData) SetUp(_, top []*blob.Blob) error {
	return l.Start(squares{}, feed.Order{}, top)
}

// A data layer of ten records, in batches of four.
func Example() {
	layers.Register(layers.Info{
		Type: "SquareData", Group: "data", Tops: layers.Exactly(2),
		New: func(spec *layers.Spec) (layers.Layer, error) {
			f, err := feed.New(spec, "data_param", int(spec.Param.GetDataParam().GetBatchSize()))
			return squareData{f}, err
		},
	})

	env := new(layers.Env)
	f, err := layertest.SetUp(env, `layer { name: "data" type: "SquareData" top: "x" top: "y" data_param { batch_size: 4 } }`)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	for env.Pass = range 3 {
		if err := f.Forward(); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(f.Top[0].Data(), f.Top[1].Data())
	}
	// Output:
	// [0 1 2 3] [0 1 4 9]
	// [4 5 6 7] [16 25 36 49]
	// [8 9 0 1] [64 81 0 1]
}
