package data_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/lmdb"
	"google.golang.org/protobuf/proto"
)

// A database of images is written, read, and made the input of a net.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "images_lmdb")
	if err := writeImage(path); err != nil {
		fmt.Println(err)
		return
	}

	source, err := data.Open(path, caffepb.DataParameter_LMDB)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer source.Close()
	transformer, err := data.NewTransformer(&caffepb.TransformationParameter{
		CropSize: proto.Uint32(2), MeanValue: []float32{100}, Scale: proto.Float32(0.5),
	}, caffepb.Phase_TEST, nil) // the centre is cropped: no random numbers are needed
	if err != nil {
		fmt.Println(err)
		return
	}
	var scratch []byte
	var datum data.Datum
	var pixels data.Pixels
	for i := range source.Len() {
		key, value, err := source.Record(i, &scratch)
		if err == nil {
			err = datum.Unmarshal(value)
		}
		if err == nil {
			err = transformer.SetDatum(&pixels, &datum)
		}
		values := make([]float32, 2*2)
		if err == nil {
			err = transformer.Transform(values, &pixels, uint64(i))
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s: label %d, %v\n", key, datum.Label, values)
	}
	// Output: 00000000: label 7, [3 3.5 5 5.5]
}

// writeImage writes a database with one image of 4 x 4 grey pixels, of values 101
// to 116 row by row.
func writeImage(path string) error {
	datum := &caffepb.Datum{Channels: proto.Int32(1), Height: proto.Int32(4), Width: proto.Int32(4), Label: proto.Int32(7)}
	for i := range 16 {
		datum.Data = append(datum.Data, byte(101+i))
	}
	value, err := proto.Marshal(datum)
	if err != nil {
		return err
	}
	w, err := lmdb.Create(path, false)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := w.Append([]byte("00000000"), value); err != nil {
		return err
	}
	return w.Commit()
}
