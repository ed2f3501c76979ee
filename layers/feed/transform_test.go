package feed

import (
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"google.golang.org/protobuf/proto"
)

// segments is a dataset of images with label images of the same size, like those of the
// forks' layers for segmentation: 2 x 6 x 8 pixels, and a label channel with the values
// of channel 1.
type segments struct{ image, label *data.Transformer }

func (d *segments) Len() int          { return 7 }
func (d *segments) Name(int) string   { return "image" }
func (d *segments) NewReader() Reader { return &segmentReader{segments: d} }

type segmentReader struct {
	*segments
	image, label data.Pixels
}

func (r *segmentReader) Read(it *Item) error {
	image := &data.Image{Channels: 2, Height: 6, Width: 8, Pix: make([]byte, 96)}
	label := &data.Image{Channels: 1, Height: 6, Width: 8, Pix: make([]byte, 48)}
	for i := range label.Pix {
		image.Pix[2*i], image.Pix[2*i+1], label.Pix[i] = byte(i), byte(i+100), byte(i+100)
	}
	r.image.SetImage(image)
	r.label.SetImage(label)
	if err := it.Transform(0, r.segments.image, &r.image); err != nil {
		return err
	}
	return it.Transform(1, r.segments.label, &r.label)
}

// TestSameCrop checks that an image and its label image are cropped and mirrored
// alike.
func TestSameCrop(t *testing.T) {
	param := &caffepb.TransformationParameter{CropSize: proto.Uint32(3), Mirror: proto.Bool(true), Scale: proto.Float32(0.5), MeanValue: []float32{1, 4}}
	env := new(layers.Env)
	spec := layers.NewSpec(&caffepb.LayerParameter{Name: proto.String("segments"), TransformParam: param}, env, nil)
	image, err := NewTransformer(spec)
	if err != nil {
		t.Fatal(err)
	}
	label, err := data.NewTransformer(&caffepb.TransformationParameter{CropSize: proto.Uint32(3), Mirror: proto.Bool(true)}, caffepb.Phase_TRAIN, spec.Rand("transform"))
	if err != nil {
		t.Fatal(err)
	}
	tests["segments"] = &test{dataset: &segments{image, label}}
	f, err := layertest.SetUp(env, `layer { name: "segments" type: "FeedTest" top: "image" top: "label" data_param { batch_size: 5 } }`)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	corners, mirrored := map[float32]bool{}, 0
	for env.Pass = range 20 {
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if !f.Top[0].ShapeEqual([]int{5, 2, 3, 3}) || !f.Top[1].ShapeEqual([]int{5, 1, 3, 3}) {
			t.Fatalf("shapes %v and %v", f.Top[0].Shape(), f.Top[1].Shape())
		}
		for i := range 5 {
			x, y := f.Top[0].Data()[18*i+9:][:9], f.Top[1].Data()[9*i:][:9]
			for k := range y {
				if x[k] != (y[k]-4)*0.5 {
					t.Fatalf("pass %d, item %d: the image is %v, its label %v", env.Pass, i, x, y)
				}
			}
			corners[min(y[0], y[2])] = true
			if y[0] > y[2] {
				mirrored++
			}
		}
	}
	if len(corners) < 20 || mirrored < 30 || mirrored > 70 {
		t.Errorf("of 100 images %d are mirrored, with %d of 24 crops", mirrored, len(corners))
	}
}
