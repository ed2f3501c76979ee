package ssd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/feed"
)

func init() {
	layers.Register(layers.Info{
		Type:  "AnnotatedData",
		Group: "data",
		Plugin: &layers.Plugin{
			Field:   "annotated_data_param",
			Number:  200,
			Proto:   layers.Schema(schemas, "annotated_data.proto"),
			Message: "AnnotatedDataParameter",
		},
		Extends: layers.Schema(schemas, "transformation.proto") + layers.Schema(schemas, "resize.proto"),
		Tops:    layers.Between(1, 3),
		New:     newAnnotatedData,
		Kernels: cuda.Math,
		Doc: `Images with the boxes of their objects from a database, in the order of the keys, again and again.

The records are AnnotatedDatum messages, as gocaffe convert annoset writes them. An image goes through these steps:

	1. transform_param.distort_param changes colours, in training
	2. transform_param.expand_param puts the image on a larger canvas of the color mean_value
	3. of the parts of the image that all batch_samplers have found one is drawn, and cropped
	4. transform_param.resize_param scales it
	5. transform_param's crop_size, or crop_h and crop_w, and mirror; mean and scale

The boxes follow. What is random depends on the seed, the layer's name and the record's place in the training only.

Tops: the images, N x C x H x W; optionally the boxes, 1 x 1 x G x 8: number of the image in the batch, label, instance,
xmin, ymin, xmax, ymax, difficult, in fractions of width and height, or a row of -1 if there are none. If the records
have no boxes, the labels, N. A third top has the classes of pixels, N x K x h x w, of the label image that MobileNet-
YOLO's records have: how much of a pixel is of class 1 to K. The image is cropped and mirrored as the first and scaled
to h x w with AREA; it cannot be expanded, padded or cropped by crop_size.

annotated_data_param:
	batch_sampler: ways to sample, of which each is tried. With min_scale, max_scale, min_aspect_ratio,
	    max_aspect_ratio of its sampler (1) it draws up to max_trials (100) parts, until max_sample of them (all) satisfy
	    its sample_constraint: that at least one object is within min_jaccard_overlap and max_jaccard_overlap (common
	    area / area of the union), min_sample_coverage and max_sample_coverage (/ area of the part),
	    min_object_coverage and max_object_coverage (/ area of the object). use_original_image (true): false does not
	    sample
	label_map_file: with a third top and without single_class, a file whose item number i, from 0, says in its label_id
	    of which class pixels of value i are, 0 for none; else accepted, and not read
	anno_type: BBOX says that records without a type have boxes. BBOXandSeg is the same
	yolo_data_type (0): 1 makes the second top the ground truth of YOLO's losses, N x 1 x 300 x 5: class (label - 1),
	    x and y of the center, width, height; rows of 0 follow, and there is no room for more than 300
	yolo_data_jitter (0, or 0.3 with yolo_data_type 1): if there is no batch_sampler, the part in step 3 has a random
	    width and height of 1 - jitter to 1; one time in five 1 - jitter / 2 to 1, and one time in five it is all. With
	    resize_mode FIT_LARGE_SIZE_AND_PAD it keeps the aspect
	train_diffcult (true): false leaves difficult boxes out of the ground truth of yolo_data_type 1
	single_class (true): K is 1, and pixels have the class if their mean value is above 100. Else K is the highest
	    label_id of label_map_file
	seg_scales (8): h and w are the size of the first top divided by this
	seg_resize_height, seg_resize_width (0): if they are given, h and w are these
	difficult_label_warmup: not implemented: an error if it is true

data_param:
	source, batch_size, backend (LEVELDB; or LMDB), prefetch (4): as of Data

transform_param:
	distort_param and the other options that change colours: as of Data
	expand_param: how large the canvas is. expand_param.prob (1): how often there is one; max_expand_ratio (1): its
	    largest ratio to the image
	resize_param: its resize_mode (WARP) scales to its height and width; FIT_SMALL_SIZE keeps the aspect and is at least
	    this size, with batch_size 1; FIT_LARGE_SIZE_AND_PAD keeps the aspect and pads. interp_mode (LINEAR): one of
	    those listed is drawn: LINEAR, AREA, NEAREST, CUBIC, LANCZOS4. pad_mode (CONSTANT): with pad_value (0); or
	    MIRRORED, REPEAT_NEAREST. If it is given several times, one is drawn for each ten batches, with the
	    probability resize_param.prob (1), which is else ignored; they are 1 together. height_scale and width_scale (0): with FIT_SMALL_SIZE and a crop, boxes are in fractions of this size
	emit_constraint: which objects stay when a part is taken. CENTER: those with their center in it; MIN_OVERLAP: those
	    with more than emit_overlap of their area in it
	noise_param: not implemented: an error if its prob is not 0
	crop_h, crop_w (0): size of the part that is cropped, both or none
	crop_size, mirror, scale, mean_value, mean_file, force_color, force_gray: as of Data

Differs from Caffe: images are not compressed as JPEG between the steps.

Source: github.com/weiliu89/caffe (branch ssd), annotated_data_layer.cpp, data_transformer.cpp, sampler.cpp,
im_transforms.cpp; github.com/eric612/MobileNet-YOLO (several resize_param, the third top and the options
after anno_type), in whose nets jitter is 0.3 also without yolo_data_type`,
	})
}

// annotatedData implements the layer type; its registration describes it.
type annotatedData struct {
	*feed.Feeder
	spec        *layers.Spec
	options     annotatedDataOptions
	transform   transformOptions
	mean        []float32   // of each channel, for a canvas
	sizes       layers.Rand // which resize_param is used
	transformer *data.Transformer
	db          data.Source
	boxes       bool  // the second top has boxes
	labels      bool  // it has labels; both are known after SetUp
	classes     []int // of the third top, by the value of a pixel; 0 for none
	planes      int   // of the third top
}

type annotatedDataOptions struct {
	Samplers  []batchSampler `proto:"batch_sampler"`
	YOLO      int            `proto:"yolo_data_type"`
	Jitter    float32        `proto:"yolo_data_jitter"`
	Difficult bool           `proto:"train_diffcult"`
	Warmup    bool           `proto:"difficult_label_warmup"`
	Map       string         `proto:"label_map_file"`
	Single    bool           `proto:"single_class"`
	Scales    int            `proto:"seg_scales"`
	SegWidth  int            `proto:"seg_resize_width"`
	SegHeight int            `proto:"seg_resize_height"`
}

type transformOptions struct {
	Resize []resizeOptions `proto:"resize_param"`
	Noise  *struct {
		Prob float32 `proto:"prob"`
	} `proto:"noise_param"`
	Expand *struct {
		Prob float32 `proto:"prob"`
		Max  float32 `proto:"max_expand_ratio"`
	} `proto:"expand_param"`
	Emit  *emitConstraint `proto:"emit_constraint"`
	CropH int             `proto:"crop_h"`
	CropW int             `proto:"crop_w"`
}

var (
	_ layers.Layer       = (*annotatedData)(nil)
	_ layers.DeviceLayer = (*annotatedData)(nil)
	_ layers.DataSource  = (*annotatedData)(nil)
	_ layers.Closer      = (*annotatedData)(nil)
	_ layers.Imitator    = (*annotatedData)(nil)
	_ layers.Labeler     = (*annotatedData)(nil)
)

func newAnnotatedData(s *layers.Spec) (layers.Layer, error) {
	l := &annotatedData{spec: s, sizes: s.Rand("resize_param")}
	if err := s.Options(&l.options); err != nil {
		return nil, err
	}
	if _, err := s.OptionsIn("transform_param", &l.transform); err != nil {
		return nil, err
	}
	for i := range l.options.Samplers {
		if err := l.options.Samplers[i].check(s, i); err != nil {
			return nil, err
		}
	}
	if err := l.checkYOLO(); err != nil {
		return nil, err
	}
	param := s.Param.GetDataParam()
	if param.GetSource() == "" {
		return nil, s.Errorf("data_param", "source is missing, want the folder of a database")
	}
	if err := l.checkTransform(int(param.GetBatchSize())); err != nil {
		return nil, err
	}
	var err error
	if l.Feeder, err = feed.New(s, "data_param", int(param.GetBatchSize())); err != nil {
		return nil, err
	}
	if l.transformer, err = feed.NewTransformer(s); err != nil {
		return nil, err
	}
	if l.mean = s.Param.GetTransformParam().GetMeanValue(); len(l.mean) == 0 {
		l.mean = []float32{0}
	}
	return l, nil
}

// checkTransform checks the options of transform_param.
func (l *annotatedData) checkTransform(batch int) error {
	t, s, p := &l.transform, l.spec, l.spec.Param.GetTransformParam()
	if field := data.MovesPixels(p); field != "" {
		return s.Errorf("transform_param."+field, "%s does not move the boxes: AnnotatedData has batch_sampler, expand_param and resize_param", field)
	}
	size := int(p.GetCropSize())
	if size > 0 {
		t.CropH, t.CropW = size, size
	}
	switch e := t.Expand; {
	case p.GetPad() > 0:
		return s.Errorf("transform_param.pad", "pad does not move the boxes: AnnotatedData has expand_param")
	case t.Noise != nil && t.Noise.Prob > 0:
		return s.Errorf("transform_param.noise_param", "noise_param is not implemented: remove it, or set its prob to 0")
	case (t.CropH > 0) != (t.CropW > 0):
		return s.Errorf("transform_param", "crop_h is %d and crop_w %d, want both or none", t.CropH, t.CropW)
	case e != nil && !(e.Prob >= 0 && e.Prob <= 1):
		return s.Errorf("transform_param.expand_param.prob", "prob is %g, want 0 to 1", e.Prob)
	case e != nil && !(e.Max >= 1 && e.Max <= 100):
		return s.Errorf("transform_param.expand_param.max_expand_ratio", "max_expand_ratio is %g, want 1 to 100", e.Max)
	}
	for i := range t.Resize {
		r := &t.Resize[i]
		if r.Mode == "FIT_SMALL_SIZE" && batch != 1 {
			return s.Errorf("data_param.batch_size", "batch_size is %d, want 1 for images of different sizes (FIT_SMALL_SIZE)", batch)
		}
		if err := r.check(s, "transform_param.resize_param", i); err != nil {
			return err
		}
		if err := data.CheckSize(r.Height, r.Width); err != nil {
			return s.ErrorAt("transform_param.resize_param", i, fmt.Errorf("resize_param: %w", err))
		}
	}
	return l.checkPolicies()
}

// SetUp opens the database and starts to read.
func (l *annotatedData) SetUp(_, top []*blob.Blob) error {
	param := l.spec.Param.GetDataParam()
	var err error
	if l.db, err = data.Open(param.GetSource(), param.GetBackend()); err != nil {
		return l.Fail(err)
	}
	event.Send(l.spec.Env.Observer, layers.DatabaseOpened{
		Layer: l.spec.Param.GetName(), Backend: strings.ToLower(param.GetBackend().String()), Path: param.GetSource(),
	})
	if l.db.Len() == 0 {
		return l.Fail(errors.New("the database " + param.GetSource() + " has no records"))
	}
	if err := feed.ReadMean(l.spec, l.transformer); err != nil {
		return err
	}
	records := &annotatedRecords{l}
	reader := annotatedReader{layer: l}
	if err := reader.load(0); err != nil {
		return l.Fail(fmt.Errorf("%s: %w", records.Name(0), err))
	}
	if err := l.readClasses(len(top)); err != nil {
		return err
	}
	l.boxes = reader.record.Boxes || l.spec.HasOption("anno_type")
	l.labels = !l.boxes
	return l.Start(records, feed.Order{}, top)
}

// Imitate returns a box of class 1 for each of n images.
func (l *annotatedData) Imitate(i, n int) (shape []int, values []float32) {
	if l.labels || i > 1 {
		return nil, nil
	}
	if l.options.YOLO == 1 {
		values = make([]float32, n*yoloRows*5)
		for i := range n {
			copy(values[i*yoloRows*5:], []float32{0, 0.5, 0.5, 0.5, 0.5})
		}
		return []int{n, 1, yoloRows, 5}, values
	}
	for i := range n {
		values = append(values, float32(i), 1, 0, 0.25, 0.25, 0.75, 0.75, 0)
	}
	return []int{1, 1, n, 8}, values
}

// Sources returns the database and the mean file.
func (l *annotatedData) Sources() []string {
	return feed.Sources(l.spec, l.spec.Param.GetDataParam().GetSource())
}

// Close stops reading and closes the database.
func (l *annotatedData) Close() error {
	err := l.Feeder.Close()
	if l.db != nil {
		err = errors.Join(err, l.db.Close())
		l.db = nil
	}
	return err
}

// annotatedRecords is the feed.Dataset of the database.
type annotatedRecords struct{ *annotatedData }

func (r *annotatedRecords) Len() int { return r.db.Len() }

// Name returns the number and the key of record i.
func (r *annotatedRecords) Name(i int) string { return fmt.Sprintf("record %d, key %q", i, r.Key(i)) }

// Key returns the key of record i.
func (r *annotatedRecords) Key(i int) string {
	var scratch []byte
	key, _, err := r.db.Record(i, &scratch)
	if err != nil {
		return ""
	}
	return string(key)
}

func (r *annotatedRecords) NewReader() feed.Reader {
	return &annotatedReader{layer: r.annotatedData}
}
