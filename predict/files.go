package predict

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/imagelist"
	"github.com/gocaffe/gocaffe/data/npy"
	"github.com/gocaffe/gocaffe/internal/readfile"
)

// Files predicts image files. For each file in order it calls result with the scores,
// or with the error of reading the file; the others go on. It ends at the first error
// of the net, or that result returns.
func (p *Predictor) Files(ctx context.Context, paths []string, result func(i int, scores []float32, err error) error) error {
	return predictFiles(ctx, &p.feeder, paths, p.Predict, func(i int, _ *data.Image, scores []float32, err error) error {
		return result(i, scores, err)
	})
}

// ReadImage reads an image file. Its errors name the file.
func ReadImage(path string, mode data.Mode) (*data.Image, error) {
	file, err := imagelist.ReadFile(path, nil)
	if err != nil {
		return nil, err
	}
	image := new(data.Image)
	if err := image.Decode(file, mode); err != nil {
		return nil, fmt.Errorf("%q: %w", path, err)
	}
	return image, nil
}

// ReadMean reads a mean image, C x H x W, or the means of channels, C, from a
// .binaryproto file of Caffe or from a .npy file of NumPy. It returns one of the two.
func ReadMean(path string) (*data.Mean, []float32, error) {
	if strings.ToLower(filepath.Ext(path)) != ".npy" {
		mean, err := data.ReadMean(path)
		return mean, nil, err
	}
	file, _, err := readfile.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	array, err := npy.Read(file)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	shape := array.Shape
	if len(shape) == 4 && shape[0] == 1 {
		shape = shape[1:]
	}
	bad := slices.IndexFunc(array.Data, func(v float32) bool { return v-v != 0 })
	switch {
	case bad >= 0:
		err = fmt.Errorf("value %d of the mean is %g", bad, array.Data[bad])
	case len(array.Data) == 0:
		err = errors.New("the array is empty")
	case len(shape) == 1:
		return nil, array.Data, nil
	case len(shape) == 3:
		return &data.Mean{Channels: shape[0], Height: shape[1], Width: shape[2], Data: array.Data}, nil, nil
	default:
		err = fmt.Errorf("the array has the shape %v, want channels, or channels x height x width", array.Shape)
	}
	return nil, nil, fmt.Errorf("%s: %w", path, err)
}

// ReadLabels reads the names of classes, one a line, from number 0 on. Empty lines at
// the end and the carriage returns of Windows are left out.
func ReadLabels(ctx context.Context, path string) ([]string, error) {
	text, err := readfile.Text(ctx, path)
	if err != nil {
		return nil, err
	}
	all := strings.TrimRight(strings.TrimPrefix(string(text), "\ufeff"), " \t\r\n")
	if all == "" {
		return nil, fmt.Errorf("%s: the file has no labels", path)
	}
	labels := strings.Split(all, "\n")
	for i := range labels {
		labels[i] = strings.TrimRight(labels[i], " \t\r")
	}
	return labels, nil
}
