package convert

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/imagelist"
	"google.golang.org/protobuf/proto"
)

// ImagesetOptions are the flags of Caffe's convert_imageset.
type ImagesetOptions struct {
	Options
	Gray          bool   // convert images to one channel
	Shuffle       bool   // shuffle the list
	Seed          uint64 // for Shuffle
	Height, Width int    // size to scale images to, 0 for their own
	CheckSize     bool   // fail if images have different sizes
	Encoded       bool   // store image files, not arrays
	EncodeType    string // png or jpg, implies Encoded; "" for the type of each file

	// LabelDB is a database for the labels of the images, "" for none. A list has one
	// whole number for each image without it, and any number of numbers with it. The
	// record of an image has them as an array Labels x 1 x 1 of floats, which a second
	// Data layer reads, and the label of the image itself is 0.
	LabelDB string

	// Labels is the number of labels on each line of the list, for LabelDB. 0 stands
	// for as many as the first line has numbers at its end.
	Labels int

	// Skipped, if it is not nil, is called with the error of each image that
	// cannot be read, and the image is left out, as in Caffe. Without it, the error
	// ends the conversion. It may be called from several goroutines.
	Skipped func(error)

	// Damaged, if it is not nil, is called with what is wrong with each image whose
	// file is damaged and that is used as far as it can be decoded, as in Caffe. It may
	// be called from several goroutines.
	Damaged func(error)

	// MaxBad is the share of images, from 0 to 1, that may be left out. If there
	// are more, or if no image can be read, the error is a *TooManyBadError.
	MaxBad float64
}

// Imageset creates the database out from the images in a list, as Caffe's
// convert_imageset does. root is the folder or tar archive with the images. The
// key of a record is the number and path of the image. Imageset returns how many
// images were left out, and how many the list has.
//
// Differs from Caffe: CheckSize also compares encoded images. If too many images
// cannot be read, no database is written, and an existing one stays.
func Imageset(ctx context.Context, root, list, out string, o ImagesetOptions) (leftOut, total int, err error) {
	if err := o.check(out); err != nil {
		return 0, 0, err
	}
	j := &job{Options: o.Options, maxBad: o.MaxBad}
	for _, database := range []string{out, o.LabelDB} {
		if database == "" {
			continue
		}
		if err := j.checkTargets(filepath.Dir(database), filepath.Base(database)); err != nil {
			return 0, 0, err
		}
	}
	images, err := o.readList(ctx, list)
	if err != nil {
		return 0, 0, err
	}
	n := len(images.Items)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	if o.Shuffle {
		rand.New(rand.NewPCG(o.Seed, 0)).Shuffle(n, func(i, k int) { order[i], order[k] = order[k], order[i] })
	}
	if o.LabelDB != "" {
		if j.second, err = j.create(o.LabelDB); err != nil {
			return 0, 0, err
		}
		defer j.second.Abort()
		j.secondOf = func(i int) *caffepb.Datum { return labelDatum(images.Labels(order[i])) }
	}
	files, err := imagelist.Open(ctx, root, filepath.Dir(out))
	if err != nil {
		return 0, 0, err
	}
	defer files.Close()
	j.total = n
	var size sizeCheck
	err = j.makeDatabase(ctx, out, n, func(i int) (string, *caffepb.Datum, error) {
		line := order[i]
		path, label := images.Items[line].Path, 0
		if o.LabelDB == "" {
			label = int(images.Labels(line)[0])
		}
		d, img, err := o.datum(files, path, label)
		if err != nil {
			err = fmt.Errorf("%s: %w", images.Place(line), images.Explain(line, err))
			if o.Skipped == nil {
				return "", nil, err
			}
			o.Skipped(err)
			return "", nil, nil
		}
		if img.Warning != "" && o.Damaged != nil {
			o.Damaged(fmt.Errorf("%s: %q: %s", images.Place(line), path, img.Warning))
		}
		if o.CheckSize {
			if err := size.check(img); err != nil {
				return "", nil, fmt.Errorf("%s: %q: %w", images.Place(line), path, err)
			}
		}
		return fmt.Sprintf("%08d_%s", i, path), d, nil
	})
	return j.leftOut, j.total, err
}

// check returns the error in the options for a database out.
func (o *ImagesetOptions) check(out string) error {
	switch {
	case (o.Height > 0) != (o.Width > 0) || o.Height < 0 || o.Width < 0:
		return fmt.Errorf("resize height %d and width %d, want both or none", o.Height, o.Width)
	case !(o.MaxBad >= 0 && o.MaxBad <= 1):
		return fmt.Errorf("the share of images that may be left out is %g, want 0 to 1", o.MaxBad)
	case o.Height > 0 && data.CheckSize(o.Height, o.Width) != nil:
		return fmt.Errorf("resize height and width: %w", data.CheckSize(o.Height, o.Width))
	case o.LabelDB == "" && o.Labels > 1 || o.Labels < 0:
		return fmt.Errorf("%d labels for each image, want 1, or more with a database for labels", o.Labels)
	case o.LabelDB != "" && filepath.Clean(o.LabelDB) == filepath.Clean(out):
		return fmt.Errorf("%s is the database for images and the one for labels, want two", out)
	case o.EncodeType != "" && !isJPEG(o.EncodeType) && !strings.EqualFold(o.EncodeType, "png"):
		return fmt.Errorf("encode type %q, want png or jpg", o.EncodeType)
	}
	return nil
}

// readList reads the list of images, of which there is at least one.
func (o *ImagesetOptions) readList(ctx context.Context, name string) (*imagelist.List, error) {
	lines := imagelist.Options{Labels: 1, Hint: "a database of labels (--label-db) holds several, and any numbers"}
	if o.LabelDB != "" {
		lines = imagelist.Options{Labels: o.Labels, Float: true, Hint: "--label-dim says how many"}
	}
	list, err := imagelist.Read(ctx, name, lines)
	if err == nil && len(list.Items) == 0 {
		err = fmt.Errorf("%s: the list has no images", name)
	}
	return list, err
}

// labelDatum returns the record of an image's labels.
func labelDatum(labels []float64) *caffepb.Datum {
	d := &caffepb.Datum{Channels: proto.Int32(int32(len(labels))), Height: proto.Int32(1), Width: proto.Int32(1)}
	for _, v := range labels {
		d.FloatData = append(d.FloatData, float32(v))
	}
	return d
}

// sizeCheck finds images that differ in size.
type sizeCheck struct {
	mu    sync.Mutex
	first data.Image
}

func (s *sizeCheck) check(img *data.Image) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first.Channels == 0 {
		s.first = data.Image{Channels: img.Channels, Height: img.Height, Width: img.Width}
	}
	if f := s.first; f.Channels != img.Channels || f.Height != img.Height || f.Width != img.Width {
		return fmt.Errorf("the image is %d x %d x %d (channels x height x width), another is %d x %d x %d",
			img.Channels, img.Height, img.Width, f.Channels, f.Height, f.Width)
	}
	return nil
}

// datum reads an image, as ReadImageToDatum of Caffe's util/io.cpp does.
func (o *ImagesetOptions) datum(files imagelist.Files, path string, label int) (*caffepb.Datum, *data.Image, error) {
	file, err := files.ReadFile(path, nil)
	if err != nil {
		return nil, nil, err
	}
	img := new(data.Image)
	mode := data.Color
	if o.Gray {
		mode = data.Gray
	}
	if err := img.Decode(file, mode); err != nil {
		return nil, nil, fmt.Errorf("%q: %w", path, err)
	}
	if o.Height > 0 {
		img.Resize(o.Height, o.Width)
	}
	kind := o.EncodeType
	extension := strings.TrimPrefix(filepath.Ext(path), ".")
	if kind == "" && o.Encoded {
		kind = extension
	}
	if kind == "" {
		d := raw(img.Channels, img.Height, img.Width, img.Planar(), label)
		d.Encoded = proto.Bool(false) // Caffe writes it here
		return d, img, nil
	}
	if o.Height > 0 || !strings.EqualFold(kind, extension) && !(isJPEG(kind) && isJPEG(extension)) {
		if file, err = encode(img, kind); err != nil {
			return nil, nil, err
		}
	}
	return &caffepb.Datum{Data: file, Label: proto.Int32(int32(label)), Encoded: proto.Bool(true)}, img, nil
}

func isJPEG(extension string) bool {
	return strings.EqualFold(extension, "jpg") || strings.EqualFold(extension, "jpeg")
}

// encode encodes an image, a JPEG with OpenCV's quality.
func encode(img *data.Image, kind string) ([]byte, error) {
	var b bytes.Buffer
	var err error
	if isJPEG(kind) {
		err = jpeg.Encode(&b, img.NRGBA(), &jpeg.Options{Quality: 95})
	} else {
		err = png.Encode(&b, img.NRGBA())
	}
	return b.Bytes(), err
}
