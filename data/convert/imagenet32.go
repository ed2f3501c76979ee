package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data/cifar"
	"github.com/gocaffe/gocaffe/data/npy"
)

const (
	imagenetBatches = 10 // train_data_batch_1.npz to train_data_batch_10.npz
	imagenetClasses = 1000
)

// ImageNet32 creates the databases out/imagenet32_train_lmdb and
// out/imagenet32_val_lmdb, and out/imagenet32_mean.binaryproto, the mean of the
// training images. The folder dir contains ImageNet downsampled to 32 x 32 pixels
// (Chrabaszcz, Loshchilov, Hutter, "A Downsampled Variant of ImageNet as an Alternative
// to the CIFAR datasets", 2017) in its .npz files: train_data_batch_1.npz to
// train_data_batch_10.npz and val_data.npz, each with an array "data" of n x 3072 bytes
// and an array "labels" of n classes, 1 to 1000. The labels in the databases are one
// less. The channels are red, green, blue.
func ImageNet32(ctx context.Context, dir, out string, o Options) error {
	j := &job{Options: o}
	parts := []imagenetPart{{database: j.name("imagenet32_train")}, {database: j.name("imagenet32_val"), files: []string{"val_data.npz"}}}
	for i := range imagenetBatches {
		parts[0].files = append(parts[0].files, fmt.Sprintf("train_data_batch_%d.npz", i+1))
	}
	if err := j.checkTargets(out, parts[0].database, parts[1].database); err != nil {
		return err
	}
	for i := range parts {
		if err := parts[i].readLabels(dir); err != nil {
			return err
		}
		j.total += len(parts[i].labels)
	}
	for i := range parts {
		if err := j.imagenetPart(ctx, dir, out, &parts[i]); err != nil {
			return err
		}
	}
	return j.writeMean(ctx, filepath.Join(out, parts[0].database), filepath.Join(out, "imagenet32_mean.binaryproto"))
}

// An imagenetPart is the training or the validation set.
type imagenetPart struct {
	database string
	files    []string
	labels   []int32 // of all files, 0 to 999
}

// readLabels reads the labels of all files: a missing or wrong file is found before
// any database is written.
func (p *imagenetPart) readLabels(dir string) error {
	for _, name := range p.files {
		path := filepath.Join(dir, name)
		archive, err := npy.Open(path)
		if err != nil {
			return fmt.Errorf("%w; want the .npz files of ImageNet32 in %s", err, dir)
		}
		labels, err := archive.Array("labels")
		archive.Close()
		if err != nil {
			return err
		}
		if len(labels.Shape) != 1 {
			return fmt.Errorf("%s: array \"labels\" has the shape %v, want one axis", path, labels.Shape)
		}
		for i, v := range labels.Data {
			if !(v >= 1 && v <= imagenetClasses) || v != float32(int(v)) {
				return fmt.Errorf("%s: label %d is %g, want 1 to %d", path, i, v, imagenetClasses)
			}
			p.labels = append(p.labels, int32(v)-1)
		}
	}
	if len(p.labels) == 0 {
		return fmt.Errorf("%s: the files of %s have no images", dir, p.database)
	}
	return nil
}

// imagenetPart creates a database. It reads image after image: an .npz file has 400 MB.
func (j *job) imagenetPart(ctx context.Context, dir, out string, p *imagenetPart) error {
	images := &imagenetImages{dir: dir, files: p.files, row: make([]float32, cifar.ImageSize)}
	defer images.close()
	err := j.sequential(ctx, filepath.Join(out, p.database), len(p.labels), func(i int) (string, *caffepb.Datum, error) {
		pixels, err := images.next()
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%s: there are %d images and %d labels", dir, i, len(p.labels))
		}
		if err != nil {
			return "", nil, err
		}
		d := raw(cifar.Channels, cifar.Side, cifar.Side, pixels, int(p.labels[i]))
		if i == len(p.labels)-1 { // the checks at the end of the last file
			if _, err := images.next(); !errors.Is(err, io.EOF) {
				if err == nil {
					err = fmt.Errorf("%s: there are more images than the %d labels", dir, len(p.labels))
				}
				return "", nil, err
			}
		}
		return fmt.Sprintf("%07d", i), d, nil
	})
	return err
}

// imagenetImages reads the images of several files, one after the other.
type imagenetImages struct {
	dir     string
	files   []string // that are still to be read
	archive *npy.Archive
	rows    *npy.Rows
	row     []float32
}

// next returns the pixels of the next image, or io.EOF.
func (r *imagenetImages) next() ([]byte, error) {
	for {
		if r.rows == nil {
			if len(r.files) == 0 {
				return nil, io.EOF
			}
			if err := r.open(filepath.Join(r.dir, r.files[0])); err != nil {
				return nil, err
			}
			r.files = r.files[1:]
		}
		err := r.rows.Next(r.row)
		if errors.Is(err, io.EOF) {
			r.close()
			continue
		}
		if err != nil {
			return nil, err
		}
		pixels := make([]byte, len(r.row))
		for i, v := range r.row {
			if pixels[i] = byte(v); float32(pixels[i]) != v {
				return nil, fmt.Errorf("%s: a pixel is %g, want whole numbers from 0 to 255", r.dir, v)
			}
		}
		return pixels, nil
	}
}

func (r *imagenetImages) open(path string) (err error) {
	if r.archive, err = npy.Open(path); err != nil {
		return err
	}
	if r.rows, err = r.archive.Rows("data"); err != nil {
		return err
	}
	if s := r.rows.Shape; len(s) != 2 || s[1] != cifar.ImageSize {
		return fmt.Errorf("%s: array \"data\" has the shape %v, want n x %d", path, s, cifar.ImageSize)
	}
	return nil
}

func (r *imagenetImages) close() {
	if r.rows != nil {
		r.rows.Close()
	}
	if r.archive != nil {
		r.archive.Close()
	}
	r.rows, r.archive = nil, nil
}
