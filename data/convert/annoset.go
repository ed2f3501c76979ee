package convert

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/imagelist"
)

// AnnosetOptions are the flags of SSD's convert_annoset, and those that it shares with
// convert_imageset.
type AnnosetOptions struct {
	ImagesetOptions

	// LabelType is how images are annotated: xml, json or txt for a file for each
	// image, as of PASCAL VOC, of one image of COCO, or with lines of label, xmin, ymin,
	// xmax and ymax; coco for one file of COCO with the objects of all images.
	LabelType string

	// LabelMap is a file with a LabelMap message. CheckLabel rejects one with a name or
	// a label that is there twice.
	LabelMap   string
	CheckLabel bool
}

// annotationFormats are the formats with a file for each image.
var annotationFormats = map[string]func(text []byte, labels *labelMap) (*annotated, error){
	"xml": parseXML, "json": parseJSON, "txt": parseText,
}

// Annoset creates the database out of AnnotatedDatum messages from a list of images
// and annotations, as SSD's convert_annoset does with --anno_type=detection. root is the
// folder or tar archive of images and annotations. Each line of the list is the path of
// an image, a space and the path of its annotation; for LabelType coco the list is the
// file of COCO. Annoset returns how many images were left out, and how many there are.
//
// Differs from Caffe: an annotation that cannot be read is an error.
func Annoset(ctx context.Context, root, list, out string, o AnnosetOptions) (leftOut, total int, err error) {
	parse := annotationFormats[o.LabelType]
	switch {
	case parse == nil && o.LabelType != "coco":
		return 0, 0, fmt.Errorf("label type %q, want xml, json, txt or coco", o.LabelType)
	case o.LabelMap == "" && (o.LabelType == "xml" || o.LabelType == "json"):
		return 0, 0, fmt.Errorf("annotations of type %s need a label map", o.LabelType)
	case o.LabelDB != "":
		return 0, 0, errors.New("labels are part of the records: a database for labels is not written")
	}
	if err := o.check(out); err != nil {
		return 0, 0, err
	}
	var labels *labelMap
	if o.LabelMap != "" {
		if labels, err = readLabelMap(o.LabelMap, o.CheckLabel); err != nil {
			return 0, 0, err
		}
	}
	j := &job{Options: o.Options, maxBad: o.MaxBad}
	if err := j.checkTargets(filepath.Dir(out), filepath.Base(out)); err != nil {
		return 0, 0, err
	}
	var images []annotatedImage
	if o.LabelType == "coco" {
		images, err = readCOCO(list, labels)
	} else {
		images, err = readAnnotationList(list)
	}
	if err != nil {
		return 0, 0, err
	}
	if len(images) == 0 {
		return 0, 0, fmt.Errorf("%s: the list has no images", list)
	}
	if o.Shuffle {
		rand.New(rand.NewPCG(o.Seed, 0)).Shuffle(len(images), func(i, k int) { images[i], images[k] = images[k], images[i] })
	}
	files, err := imagelist.Open(ctx, root, filepath.Dir(out))
	if err != nil {
		return 0, 0, err
	}
	defer files.Close()
	j.total = len(images)
	objects := make([][]data.Object, len(images))
	j.wrap = func(i int, datum []byte) []byte {
		b := data.AppendAnnotated(nil, datum, objects[i])
		objects[i] = nil
		return b
	}
	var size sizeCheck
	err = j.makeDatabase(ctx, out, len(images), func(i int) (string, *caffepb.Datum, error) {
		image := &images[i]
		d, img, err := o.datum(files, image.path, 0)
		if err != nil {
			err = fmt.Errorf("%s: %w", image.place, err)
			if o.Skipped == nil {
				return "", nil, err
			}
			o.Skipped(err)
			return "", nil, nil
		}
		if img.Warning != "" && o.Damaged != nil {
			o.Damaged(fmt.Errorf("%s: %q: %s", image.place, image.path, img.Warning))
		}
		if o.CheckSize {
			if err := size.check(img); err != nil {
				return "", nil, fmt.Errorf("%s: %q: %w", image.place, image.path, err)
			}
		}
		if o.Height > 0 {
			img.Height, img.Width = 0, 0 // the boxes are those of the image as it was
		}
		if objects[i], err = image.objects(files, parse, labels, img); err != nil {
			return "", nil, fmt.Errorf("%s: %w", image.place, err)
		}
		return fmt.Sprintf("%08d_%s", i, image.path), d, nil
	})
	return j.leftOut, j.total, err
}

// objects returns the objects of an image.
func (a *annotatedImage) objects(files imagelist.Files, parse func([]byte, *labelMap) (*annotated, error), labels *labelMap, img *data.Image) ([]data.Object, error) {
	known := a.known
	if known == nil {
		text, err := files.ReadFile(a.annotation, nil)
		if err != nil {
			return nil, err
		}
		if known, err = parse(text, labels); err != nil {
			return nil, fmt.Errorf("%q: %w", a.annotation, err)
		}
	}
	objects, err := known.fractions(img.Height, img.Width)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", a.annotation, err)
	}
	return objects, nil
}

// readAnnotationList reads a list with lines of image and annotation.
func readAnnotationList(path string) (images []annotatedImage, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for number := 1; lines.Scan(); number++ {
		words := slices.Collect(strings.FieldsSeq(lines.Text()))
		if len(words) == 0 {
			continue
		}
		place := fmt.Sprintf("%s:%d", path, number)
		if len(words) != 2 {
			return nil, fmt.Errorf("%s: got %d words, want the paths of an image and of its annotation", place, len(words))
		}
		images = append(images, annotatedImage{path: words[0], place: place, annotation: words[1]})
	}
	return images, nil
}
