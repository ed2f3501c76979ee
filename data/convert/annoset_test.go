package convert_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/convert"
)

const labelMapText = `item { name: "none" label: 0 display_name: "background" }
item { name: "cat" label: 1 }
item { name: "17" label: 2 display_name: "dog" }
`

const xmlText = `<annotation>
	<folder>VOC</folder><size><width>%d</width><height>40</height><depth>3</depth></size>
	<object><name>cat</name><difficult>1</difficult><bndbox><xmin>8</xmin><ymin>4</ymin><xmax>40</xmax><ymax>20</ymax></bndbox>
		<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part></object>
	<object><name>17</name><bndbox><xmin>0</xmin><ymin>0</ymin><xmax>80</xmax><ymax>40</ymax></bndbox></object>
	<object><name>cat</name><difficult>0</difficult><bndbox><xmin>20.0</xmin><ymin>10</ymin><xmax>60</xmax><ymax>30</ymax></bndbox></object>
</annotation>`

// annotatedFolder returns a folder with two images of 80 x 40 pixels, their annotations
// in each format, lists of them, and a label map.
func annotatedFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 80, 40))); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a.png": b.String(), "b.png": b.String(), "map.prototxt": labelMapText,
		"a.xml": fmt.Sprintf(xmlText, 80), "b.xml": "<annotation><size><width>80</width><height>40</height></size></annotation>",
		"a.json": `{"image": {"file_name": "a.png", "width": 80, "height": 40}, "annotation": [
			{"category_id": 17, "bbox": [8, 4, 32, 16], "iscrowd": 1, "area": 3.5}, {"category_id": 17, "bbox": [0, 0, 80.0, 40], "iscrowd": 0}]}`,
		"b.json": `{"annotation": []}`,
		"a.txt":  "1 8 4 40 20\n\n3 0 0 80 40\n", "b.txt": "",
		"coco.json": `{"images": [{"id": 5, "file_name": "b.png", "width": 80, "height": 40}, {"id": 7, "file_name": "a.png", "width": 80, "height": 40}],
			"categories": [{"id": 17, "name": "dog"}, {"id": 3, "name": "cat"}],
			"annotations": [{"image_id": 7, "category_id": 3, "bbox": [8, 4, 32, 16], "iscrowd": 0}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []string{"xml", "json", "txt"} {
		text := fmt.Sprintf("a.png a.%s\nb.png b.%[1]s\n", kind)
		if err := os.WriteFile(filepath.Join(dir, kind+".list"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestAnnoset compares the records of all formats with what the annotations say.
func TestAnnoset(t *testing.T) {
	dir := annotatedFolder(t)
	cat := data.Object{Label: 1, XMin: 0.1, YMin: 0.1, XMax: 0.5, YMax: 0.5, Difficult: true}
	whole := data.Object{Label: 2, XMax: 1, YMax: 1}
	label := func(o data.Object, label, instance int, difficult bool) data.Object {
		o.Label, o.Instance, o.Difficult = label, instance, difficult
		return o
	}
	for _, test := range []struct {
		kind, list, labels string
		resize             int
		first              string
		want               []data.Object
	}{
		{"xml", "xml.list", "map.prototxt", 0, "00000000_a.png", []data.Object{cat, {Label: 1, Instance: 1, XMin: 0.25, YMin: 0.25, XMax: 0.75, YMax: 0.75}, whole}},
		{"json", "json.list", "map.prototxt", 0, "00000000_a.png", []data.Object{label(cat, 2, 0, true), label(whole, 2, 1, false)}},
		{"txt", "txt.list", "", 0, "00000000_a.png", []data.Object{label(cat, 1, 0, false), label(whole, 3, 0, false)}},
		{"coco", "coco.json", "", 20, "00000001_a.png", []data.Object{label(cat, 2, 0, false)}},
		{"coco", "coco.json", "map.prototxt", 0, "00000001_a.png", []data.Object{label(cat, 1, 0, false)}},
	} {
		o := convert.AnnosetOptions{LabelType: test.kind}
		o.Height, o.Width = test.resize, test.resize
		if test.labels != "" {
			o.LabelMap, o.CheckLabel = filepath.Join(dir, test.labels), true
		}
		out := filepath.Join(t.TempDir(), "db")
		if leftOut, total, err := convert.Annoset(context.Background(), dir, filepath.Join(dir, test.list), out, o); err != nil || leftOut != 0 || total != 2 {
			t.Fatalf("%s: %d of %d left out, error %v", test.kind, leftOut, total, err)
		}
		db, err := data.OpenAny(out)
		if err != nil {
			t.Fatal(err)
		}
		var scratch []byte
		for i := range db.Len() {
			key, value, err := db.Record(i, &scratch)
			if err != nil {
				t.Fatal(err)
			}
			var d data.AnnotatedDatum
			if err := d.Unmarshal(value); err != nil {
				t.Fatal(err)
			}
			width, want := 80, test.want
			if test.resize > 0 {
				width = test.resize
			}
			if string(key) != test.first {
				want = nil
			}
			if d.Datum.Channels != 3 || d.Datum.Width != width || !d.Boxes || len(d.Objects) != len(want) || len(want) > 0 && !reflect.DeepEqual(d.Objects, want) {
				t.Errorf("%s, record %q: %d x %d, boxes %v, objects %+v, want %+v", test.kind, key, d.Datum.Channels, d.Datum.Width, d.Boxes, d.Objects, want)
			}
		}
		db.Close()
	}
}

func TestAnnosetErrors(t *testing.T) {
	for _, test := range []struct {
		kind, list, file, text, want string
		resize                       int
	}{
		{"yaml", "xml.list", "", "", `label type "yaml", want xml, json, txt or coco`, 0},
		{"xml", "xml.list", "a.xml", "<annotation><object><name>cow</name></object></annotation>", `xml.list:1: "a.xml": `, 0},
		{"xml", "xml.list", "b.xml", "<annotation>", `xml.list:2: "b.xml": XML syntax error`, 0},
		{"xml", "xml.list", "xml.list", "a.png\n", `xml.list:1: got 1 words, want the paths of an image and of its annotation`, 0},
		{"xml", "xml.list", "map.prototxt", `item { name: "cat" label: 1 } item { name: "cow" label: 1 }`, `label 1 is that of "cat" and of "cow"`, 0},
		{"xml", "xml.list", "map.prototxt", `item { nam: "cat" }`, `map.prototxt:1:8: unknown field "nam" of LabelMapItem`, 0},
		{"json", "json.list", "a.json", `{"annotation": [{"category_id": 4}]}`, `map.prototxt has no name "4"`, 0},
		{"txt", "txt.list", "a.txt", "1 2 3 4\n", `"a.txt": line 1 has 4 words, want label, xmin, ymin, xmax and ymax`, 0},
		{"txt", "txt.list", "", "", `"a.txt": the size of the image is not known`, 20},
		{"coco", "coco.json", "coco.json", `{"annotations": [{"image_id": 7}]}`, `annotation 0 is of image 7 and category `, 0},
	} {
		dir := annotatedFolder(t)
		if test.file != "" {
			if err := os.WriteFile(filepath.Join(dir, test.file), []byte(test.text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		o := convert.AnnosetOptions{LabelType: test.kind, LabelMap: filepath.Join(dir, "map.prototxt"), CheckLabel: true}
		o.Height, o.Width = test.resize, test.resize
		out := filepath.Join(dir, "db")
		if _, _, err := convert.Annoset(context.Background(), dir, filepath.Join(dir, test.list), out, o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %s", test.kind, err, test.want)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: there is a database", test.want)
		}
	}
}
