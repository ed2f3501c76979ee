package convert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data/idx"
)

// MNIST creates the databases out/mnist_train_lmdb and out/mnist_test_lmdb from the
// four files of MNIST in dir, which may be gzipped, as Caffe's convert_mnist_data
// does.
func MNIST(ctx context.Context, dir, out string, o Options) error {
	j := &job{Options: o}
	type part struct {
		database, images, labels string
		set                      *idxSet
	}
	parts := []part{
		{o.name("mnist_train"), "train-images", "train-labels", nil},
		{o.name("mnist_test"), "t10k-images", "t10k-labels", nil},
	}
	for i := range parts {
		p := &parts[i]
		images, err := findIDX(dir, p.images, 3)
		if err != nil {
			return err
		}
		labels, err := findIDX(dir, p.labels, 1)
		if err != nil {
			return err
		}
		if p.set, err = openIDXSet(images, labels); err != nil {
			return err
		}
		defer p.set.close()
		j.total += p.set.images.Items
	}
	if err := j.checkTargets(out, parts[0].database, parts[1].database); err != nil {
		return err
	}
	for _, p := range parts {
		if err := j.idx(ctx, p.set, filepath.Join(out, p.database)); err != nil {
			return err
		}
	}
	return nil
}

// IDX creates the database out from an IDX file of images and one of labels.
func IDX(ctx context.Context, images, labels, out string, o Options) error {
	set, err := openIDXSet(images, labels)
	if err != nil {
		return err
	}
	defer set.close()
	j := &job{Options: o, total: set.images.Items}
	return j.idx(ctx, set, out)
}

// idxSet is an open pair of files.
type idxSet struct {
	images, labels *idx.Reader
}

func openIDXSet(images, labels string) (*idxSet, error) {
	var s idxSet
	var err error
	if s.images, err = idx.Open(images); err != nil {
		return nil, err
	}
	if s.labels, err = idx.Open(labels); err != nil {
		s.images.Close()
		return nil, err
	}
	switch {
	case len(s.images.Shape) != 2:
		err = fmt.Errorf("%s: the items have %d axes, want 2 (rows and columns): is it a file of images?", images, len(s.images.Shape))
	case len(s.labels.Shape) != 0:
		err = fmt.Errorf("%s: the items have %d axes, want 0: is it a file of labels?", labels, len(s.labels.Shape))
	case s.images.Items != s.labels.Items:
		err = fmt.Errorf("%s has %d images and %s %d labels, want as many", images, s.images.Items, labels, s.labels.Items)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return &s, nil
}

func (s *idxSet) close() {
	s.images.Close()
	s.labels.Close()
}

// idx creates the database of a set.
func (j *job) idx(ctx context.Context, s *idxSet, out string) error {
	rows, columns := s.images.Shape[0], s.images.Shape[1]
	return j.sequential(ctx, out, s.images.Items, func(i int) (string, *caffepb.Datum, error) {
		pixels, label := make([]byte, rows*columns), make([]byte, 1)
		if err := errors.Join(s.images.Next(pixels), s.labels.Next(label)); err != nil {
			return "", nil, err
		}
		return fmt.Sprintf("%08d", i), raw(1, rows, columns, pixels, int(label[0])), nil
	})
}

// findIDX returns the path of a file of MNIST, trying its usual names.
func findIDX(dir, part string, axes int) (string, error) {
	var tried []string
	for _, dash := range []string{"-", "."} {
		for _, suffix := range []string{"", ".gz"} {
			name := fmt.Sprintf("%s%sidx%d-ubyte%s", part, dash, axes, suffix)
			tried = append(tried, name)
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				return filepath.Join(dir, name), nil
			}
		}
	}
	return "", fmt.Errorf("%s: %w: none of %s", dir, fs.ErrNotExist, strings.Join(tried, ", "))
}
