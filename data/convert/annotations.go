package convert

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/prototxt"
)

// labelMap gives the names of classes their labels.
type labelMap struct {
	path   string
	labels map[string]int
}

// readLabelMap reads a LabelMap message. With check, a name or a label that is there
// twice is an error; without it, the last label of a name counts.
func readLabelMap(path string, check bool) (*labelMap, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file caffepb.LabelMap
	if err := prototxt.Parse(path, text, &file, nil); err != nil {
		return nil, err
	}
	m := &labelMap{path, make(map[string]int)}
	names := make(map[int]string)
	for _, item := range file.GetItem() {
		name, label := item.GetName(), int(item.GetLabel())
		if other, twice := m.labels[name]; twice && check {
			return nil, fmt.Errorf("%s: name %q has the labels %d and %d", path, name, other, label)
		}
		if other, twice := names[label]; twice && check {
			return nil, fmt.Errorf("%s: label %d is that of %q and of %q", path, label, other, name)
		}
		m.labels[name], names[label] = label, name
	}
	if len(m.labels) == 0 {
		return nil, fmt.Errorf("%s: the file has no item", path)
	}
	return m, nil
}

// label returns the label of a name.
func (m *labelMap) label(name string) (int, error) {
	if m == nil {
		return 0, errors.New("a label map is needed for the names of classes")
	}
	label, ok := m.labels[name]
	if !ok {
		return 0, fmt.Errorf("%s has no name %q", m.path, name)
	}
	return label, nil
}

// An annotated describes an image: its size, 0 if that is not known, and its objects
// in pixels.
type annotated struct {
	height, width int
	objects       []data.Object
}

// fractions returns the objects in fractions of an image, whose size counts if the
// annotation has none, with their numbers among those of a class.
func (a *annotated) fractions(height, width int) ([]data.Object, error) {
	if a.height > 0 && a.width > 0 {
		height, width = a.height, a.width
	}
	if height <= 0 || width <= 0 {
		return nil, errors.New("the size of the image is not known")
	}
	h, w := float32(height), float32(width)
	count := make(map[int]int)
	objects := slices.Clone(a.objects)
	for i := range objects {
		o := &objects[i]
		o.XMin, o.XMax, o.YMin, o.YMax = o.XMin/w, o.XMax/w, o.YMin/h, o.YMax/h
		o.Instance = count[o.Label]
		count[o.Label]++
	}
	return objects, nil
}

// parseXML reads the annotation of PASCAL VOC and ILSVRC. As in Caffe, a coordinate that
// is missing is 0.
//
// Differs from Caffe: fractions of pixels count; there, such a coordinate is 0.
func parseXML(text []byte, labels *labelMap) (*annotated, error) {
	var file struct {
		XMLName xml.Name `xml:"annotation"`
		Size    struct {
			Height int `xml:"height"`
			Width  int `xml:"width"`
		} `xml:"size"`
		Objects []struct {
			Name      string `xml:"name"`
			Difficult string `xml:"difficult"`
			Box       struct {
				XMin float32 `xml:"xmin"`
				YMin float32 `xml:"ymin"`
				XMax float32 `xml:"xmax"`
				YMax float32 `xml:"ymax"`
			} `xml:"bndbox"`
		} `xml:"object"`
	}
	if err := xml.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	a := &annotated{height: file.Size.Height, width: file.Size.Width}
	for _, o := range file.Objects {
		label, err := labels.label(o.Name)
		if err != nil {
			return nil, err
		}
		a.objects = append(a.objects, data.Object{
			Label: label, Difficult: o.Difficult == "1",
			XMin: o.Box.XMin, YMin: o.Box.YMin, XMax: o.Box.XMax, YMax: o.Box.YMax,
		})
	}
	return a, nil
}

// cocoObject is an annotation of COCO. The box is x, y, width, height.
type cocoObject struct {
	Image    json.Number `json:"image_id"`
	Category json.Number `json:"category_id"`
	Box      [4]float32  `json:"bbox"`
	Crowd    int         `json:"iscrowd"`
}

// object returns the object of a class. One that stands for a crowd is difficult.
func (o *cocoObject) object(label int) data.Object {
	return data.Object{
		Label: label, Difficult: o.Crowd == 1,
		XMin: o.Box[0], YMin: o.Box[1], XMax: o.Box[0] + o.Box[2], YMax: o.Box[1] + o.Box[3],
	}
}

// parseJSON reads the annotation of one image of COCO, as SSD's scripts write it. The
// names of the classes are the category_id.
func parseJSON(text []byte, labels *labelMap) (*annotated, error) {
	var file struct {
		Image struct {
			Height int `json:"height"`
			Width  int `json:"width"`
		} `json:"image"`
		Objects []cocoObject `json:"annotation"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	a := &annotated{height: file.Image.Height, width: file.Image.Width}
	for i := range file.Objects {
		o := &file.Objects[i]
		label, err := labels.label(o.Category.String())
		if err != nil {
			return nil, err
		}
		a.objects = append(a.objects, o.object(label))
	}
	return a, nil
}

// parseText reads lines of label, xmin, ymin, xmax and ymax, in pixels.
func parseText(text []byte, _ *labelMap) (*annotated, error) {
	a := new(annotated)
	for i, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) != 5 {
			return nil, fmt.Errorf("line %d has %d words, want label, xmin, ymin, xmax and ymax", i+1, len(words))
		}
		var v [5]float64
		for k, word := range words {
			var err error
			if v[k], err = strconv.ParseFloat(word, 32); err != nil {
				return nil, fmt.Errorf("line %d: %q is not a number", i+1, word)
			}
		}
		if v[0] != float64(int(v[0])) {
			return nil, fmt.Errorf("line %d: label %q is not a whole number", i+1, words[0])
		}
		a.objects = append(a.objects, data.Object{
			Label: int(v[0]), XMin: float32(v[1]), YMin: float32(v[2]), XMax: float32(v[3]), YMax: float32(v[4]),
		})
	}
	return a, nil
}

// annotatedImage is an image of a set.
type annotatedImage struct {
	path, place string // place says where the file names it
	annotation  string // path of its annotation, "" if known has it
	known       *annotated
}

// readCOCO reads a file of COCO with the objects of all images. The classes have the
// labels that the label map gives to their id or their name; without one, 1, 2, ... in
// the order of the file. Images without objects stay.
func readCOCO(path string, labels *labelMap) ([]annotatedImage, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Images []struct {
			ID            json.Number `json:"id"`
			Path          string      `json:"file_name"`
			Height, Width int
		} `json:"images"`
		Objects    []cocoObject `json:"annotations"`
		Categories []struct {
			ID   json.Number `json:"id"`
			Name string      `json:"name"`
		} `json:"categories"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	classes := make(map[string]int)
	for i, c := range file.Categories {
		id := c.ID.String()
		classes[id] = i + 1
		if labels != nil {
			if classes[id], err = labels.label(id); err != nil {
				if classes[id], err = labels.label(c.Name); err != nil {
					return nil, fmt.Errorf("%s: category %s: %w", path, id, err)
				}
			}
		}
	}
	images := make([]annotatedImage, len(file.Images))
	numbers := make(map[string]int)
	for i, image := range file.Images {
		numbers[image.ID.String()] = i
		images[i] = annotatedImage{
			path: image.Path, place: fmt.Sprintf("%s: image %s", path, image.ID), known: &annotated{height: image.Height, width: image.Width},
		}
	}
	for i := range file.Objects {
		o := &file.Objects[i]
		image, ok := numbers[o.Image.String()]
		label, known := classes[o.Category.String()]
		if !ok || !known {
			return nil, fmt.Errorf("%s: annotation %d is of image %s and category %s, want those of the lists images and categories", path, i, o.Image, o.Category)
		}
		images[image].known.objects = append(images[image].known.objects, o.object(label))
	}
	return images, nil
}
