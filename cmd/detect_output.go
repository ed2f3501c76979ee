package gocaffecmd

import (
	"fmt"
	"io"
	"strconv"

	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/predict"
)

// A foundObject is an object in an image, of the JSON output too.
type foundObject struct {
	Class int     `json:"class"`
	Label string  `json:"label,omitempty"`
	Score float32 `json:"score"`
	XMin  float32 `json:"xmin"`
	YMin  float32 `json:"ymin"`
	XMax  float32 `json:"xmax"`
	YMax  float32 `json:"ymax"`
}

// name returns the label of the class, or its number.
func (o *foundObject) name() string {
	if o.Label != "" {
		return o.Label
	}
	return strconv.Itoa(o.Class)
}

// named returns detections with the labels of their classes.
func named(found []predict.Detection, labels []string) []foundObject {
	objects := make([]foundObject, 0, len(found))
	for _, d := range found {
		o := foundObject{Class: d.Class, Score: d.Score, XMin: d.Box.XMin, YMin: d.Box.YMin, XMax: d.Box.XMax, YMax: d.Box.YMax}
		if d.Class < len(labels) {
			o.Label = labels[d.Class]
		}
		objects = append(objects, o)
	}
	return objects
}

// A searched image is an object of the JSON output.
type searched struct {
	Image   string        `json:"image"`
	Width   int           `json:"width"`
	Height  int           `json:"height"`
	Objects []foundObject `json:"objects"`
}

// A detectOutput writes what was found in each image.
type detectOutput struct {
	add func(path string, image *data.Image, objects []foundObject) error
	ending
}

// newOutput begins the output.
func (f *detectFlags) newOutput(a *app, format string) (*detectOutput, error) {
	if format == "text" {
		return &detectOutput{func(path string, _ *data.Image, objects []foundObject) error {
			return writeFound(a.stdout, path, objects)
		}, noEnding}, nil
	}
	rows, end, err := a.rowsTo(f.output, format, []string{"image", "class", "label", "score", "xmin", "ymin", "xmax", "ymax"})
	if err != nil {
		return nil, err
	}
	return &detectOutput{func(path string, image *data.Image, objects []foundObject) error {
		if format == "json" {
			return rows.add(nil, searched{path, image.Width, image.Height, objects})
		}
		for _, o := range objects {
			cells := []string{path, strconv.Itoa(o.Class), o.Label}
			for _, v := range []float32{o.Score, o.XMin, o.YMin, o.XMax, o.YMax} {
				cells = append(cells, sixDigits(float64(v)))
			}
			if err := rows.add(cells, nil); err != nil {
				return err
			}
		}
		return nil
	}, end}, nil
}

// writeFound writes the objects in an image as text, in 80 columns but for long paths.
func writeFound(out io.Writer, path string, objects []foundObject) error {
	if len(objects) == 0 {
		_, err := fmt.Fprintln(out, path+"  nothing found")
		return err
	}
	const widestName = 40
	width := 0
	for i := range objects {
		width = max(width, min(widestName, len([]rune(objects[i].name()))))
	}
	fmt.Fprintln(out, path)
	for _, o := range objects {
		if _, err := fmt.Fprintf(out, "  %.4f  %-*s  %5.0f %5.0f %5.0f %5.0f\n", o.Score, width, middleCut(o.name(), width), o.XMin, o.YMin, o.XMax, o.YMax); err != nil {
			return err
		}
	}
	return nil
}
