package rcnn

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/feed"
	"google.golang.org/protobuf/proto"
)

// roiData is RoIDataLayer of py-faster-rcnn for nets with a region proposal network: an
// image for each pass, with height, width and scale, and its objects. They come from a
// database of AnnotatedDatum records, in another random order in each epoch, in which
// each image is once as it is and once flipped.
type roiData struct {
	roiShapes
	*feed.Feeder
	source      string
	db          data.Source
	transformer *data.Transformer
}

// roiShapes is RoIDataLayer without data: it only says what shapes the tops have.
type roiShapes struct {
	layers.NoBottoms
	spec    *layers.Spec
	config  *config
	classes int
	images  int
}

var (
	_ layers.Layer       = (*roiData)(nil)
	_ layers.DeviceLayer = (*roiData)(nil)
	_ layers.DataSource  = (*roiData)(nil)
	_ layers.Closer      = (*roiData)(nil)
	_ layers.Layer       = (*roiShapes)(nil)
	_ layers.DataSource  = (*roiShapes)(nil)
	_ layers.Imitator    = (*roiShapes)(nil)
)

// The numbers of tops with a region proposal network (data, im_info, gt_boxes), and
// without (data, rois, labels, bbox_targets, bbox_inside_weights, bbox_outside_weights).
const (
	proposalTops = 3
	regionTops   = 6
)

func newRoIData(s *layers.Spec) (layers.Layer, error) {
	p, c, err := readParams(s, caffepb.Phase_TRAIN, "num_classes", "source")
	if err == nil {
		err = counts(s, layers.Exactly(0), layers.Between(proposalTops, regionTops))
	}
	if err != nil {
		return nil, err
	}
	shapes := roiShapes{spec: s, config: c, classes: p.NumClasses, images: c.ImsPerBatch}
	tops, source := len(s.Param.GetTop()), p.Source
	if source == "" {
		source = c.Source
	}
	switch {
	case tops != proposalTops && tops != regionTops:
		return nil, s.Errorf("top", "RoIDataLayer has %d tops, want %d (data, im_info, gt_boxes) or %d (data, rois, labels, targets, inside and outside weights)",
			tops, proposalTops, regionTops)
	case tops == regionTops:
		if shapes.images == 0 {
			shapes.images = 2
		}
		return &shapes, nil
	case shapes.images > 1:
		return nil, s.Errorf("python_param.param_str", "IMS_PER_BATCH is %d, want 1: a region proposal network takes one image", shapes.images)
	}
	shapes.images = 1
	if source == "" {
		return &shapes, nil
	}
	l := &roiData{roiShapes: shapes, source: source}
	if l.Feeder, err = feed.New(s, "python_param", 1); err != nil {
		return nil, err
	}
	// A record may have a grey image; cv2.imread makes all three channels.
	l.transformer, err = feed.NewTransformerFor(s, &caffepb.TransformationParameter{ForceColor: proto.Bool(true)})
	return l, err
}

// SetUp gives the tops the shapes that setup of the class gives them.
func (l *roiShapes) SetUp(_, top []*blob.Blob) error {
	if err := top[0].Reshape(l.images, 3, slices.Max(l.config.Scales), l.config.MaxSize); err != nil {
		return l.spec.ErrorAt("top", 0, err)
	}
	if len(top) == regionTops {
		return reshapeROIs(l.spec, top[1:], 1, l.classes)
	}
	if err := top[1].Reshape(1, 3); err != nil {
		return err
	}
	return top[2].Reshape(1, 5)
}

// Forward returns an error that says how to give the layer data.
func (l *roiShapes) Forward(context.Context, []*blob.Blob, []*blob.Blob) error {
	if len(l.spec.Param.GetTop()) == regionTops {
		return l.spec.Errorf("python_param", "RoIDataLayer with %d tops takes proposals of another program, which is not implemented: "+
			"train with a region proposal network (%d tops), or with Python and py-faster-rcnn", regionTops, proposalTops)
	}
	return l.spec.Errorf("python_param", "RoIDataLayer has no data: name a database that gocaffe convert annoset has written, "+
		"with 'source' in param_str or with SOURCE of TRAIN in the file of %s", cfgVariable)
}

// Sources returns nothing.
func (l *roiShapes) Sources() []string { return nil }

// Imitate returns an image's size and one object for nets that are only checked or timed,
// or one ROI for each image.
func (l *roiShapes) Imitate(i, n int) (shape []int, values []float32) {
	h, w := float32(slices.Max(l.config.Scales)), float32(l.config.MaxSize)
	tops := len(l.spec.Param.GetTop())
	switch {
	case tops == proposalTops && i == 1:
		return []int{1, 3}, []float32{h, w, 1}
	case tops == proposalTops:
		return []int{1, 5}, []float32{w / 4, h / 4, 3 * w / 4, 3 * h / 4, 1}
	case i == 1:
		for k := range n {
			values = append(values, float32(k), w/4, h/4, 3*w/4, 3*h/4)
		}
		return []int{n, 5}, values
	case i == 2:
		return []int{n, 1, 1, 1}, slices.Repeat([]float32{1}, n)
	}
	return []int{n, 4 * l.classes}, make([]float32, n*4*l.classes)
}

// SetUp opens the database and starts to read.
func (l *roiData) SetUp(_, top []*blob.Blob) (err error) {
	if l.db, err = data.OpenAny(l.source); err != nil {
		return l.Fail(err)
	}
	if l.db.Len() == 0 {
		return l.Fail(fmt.Errorf("the database %s has no records", l.source))
	}
	return l.Start(&roiRecords{l}, feed.Order{Permute: feed.Shuffle(l.spec.Rand("order"))}, top)
}

// Reshape does nothing.
func (l *roiData) Reshape(bottom, top []*blob.Blob) error { return l.Feeder.Reshape(bottom, top) }

// Forward copies the image and its objects to the tops.
func (l *roiData) Forward(ctx context.Context, bottom, top []*blob.Blob) error {
	return l.Feeder.Forward(ctx, bottom, top)
}

// Backward does nothing.
func (l *roiData) Backward(context.Context, []*blob.Blob, []bool, []*blob.Blob) error { return nil }

// Sources returns the database.
func (l *roiData) Sources() []string { return []string{l.source} }

// Close stops reading and closes the database.
func (l *roiData) Close() error {
	err := l.Feeder.Close()
	if l.db != nil {
		err = errors.Join(err, l.db.Close())
		l.db = nil
	}
	return err
}
