package convert

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/cifar"
	"github.com/gocaffe/gocaffe/data/imagelist"
)

// cifarSet describes the binary files of a CIFAR set.
type cifarSet struct {
	name        string // of the databases and the mean file
	archive     string
	folder      string // in the archive
	train, test []string
	labels      int // of a record
}

var (
	cifar10 = cifarSet{
		name: "cifar10", archive: "cifar-10-binary.tar.gz", folder: "cifar-10-batches-bin",
		train:  []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
		test:   []string{"test_batch.bin"},
		labels: 1,
	}
	cifar100 = cifarSet{
		name: "cifar100", archive: "cifar-100-binary.tar.gz", folder: "cifar-100-binary",
		train: []string{"train.bin"}, test: []string{"test.bin"},
		labels: 2,
	}
)

// CIFAR10 creates the databases out/cifar10_train_lmdb and out/cifar10_test_lmdb,
// as Caffe's convert_cifar_data does, and out/cifar10_mean.binaryproto, the
// mean of the training images. The folder dir contains the binary files or
// cifar-10-binary.tar.gz; or images, unpacked or in cifar10-images.tar.gz, with the
// lists train.txt and test.txt.
//
// The channels are red, green, blue, as in the binary files. In all other databases
// they are blue, green, red.
func CIFAR10(ctx context.Context, dir, out string, o Options) error {
	j := &job{Options: o}
	lists := [2]string{filepath.Join(dir, "train.txt"), filepath.Join(dir, "test.txt")}
	if !cifar10.in(dir) && exists(lists[0]) && exists(lists[1]) {
		if err := j.checkTargets(out, j.name("cifar10_train"), j.name("cifar10_test")); err != nil {
			return err
		}
		if err := j.cifarImages(ctx, dir, lists, out); err != nil {
			return err
		}
		return j.writeMean(ctx, filepath.Join(out, j.name("cifar10_train")), filepath.Join(out, "cifar10_mean.binaryproto"))
	}
	return j.cifar(ctx, cifar10, dir, out)
}

// CIFAR100 creates the databases out/cifar100_train_lmdb and
// out/cifar100_test_lmdb, with the labels of the 100 classes, and
// out/cifar100_mean.binaryproto, the mean of the training images. The folder
// dir contains the binary files train.bin and test.bin, or cifar-100-binary.tar.gz.
// The channels are red, green, blue.
func CIFAR100(ctx context.Context, dir, out string, o Options) error {
	return (&job{Options: o}).cifar(ctx, cifar100, dir, out)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// cifar creates the databases and the mean of a set of binary files.
func (j *job) cifar(ctx context.Context, set cifarSet, dir, out string) error {
	train, test := j.name(set.name+"_train"), j.name(set.name+"_test")
	if err := j.checkTargets(out, train, test); err != nil {
		return err
	}
	files, prefix, err := set.open(ctx, dir, out)
	if err != nil {
		return err
	}
	defer files.Close()
	read := func(names []string) ([]cifar.Record, error) {
		var records []cifar.Record
		for _, name := range names {
			file, err := files.ReadFile(path.Join(prefix, name), nil)
			if err != nil {
				return nil, err
			}
			more, err := cifar.Split(file, set.labels, name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", dir, err)
			}
			records = append(records, more...)
		}
		return records, nil
	}
	trainRecords, err := read(set.train)
	if err != nil {
		return err
	}
	testRecords, err := read(set.test)
	if err != nil {
		return err
	}
	j.total = len(trainRecords) + len(testRecords)
	for _, part := range []struct {
		database string
		records  []cifar.Record
	}{{train, trainRecords}, {test, testRecords}} {
		err := j.makeDatabase(ctx, filepath.Join(out, part.database), len(part.records), func(i int) (string, *caffepb.Datum, error) {
			r := part.records[i]
			return fmt.Sprintf("%05d", i), raw(cifar.Channels, cifar.Side, cifar.Side, r.Pixels, r.Label), nil
		})
		if err != nil {
			return err
		}
	}
	return j.writeMean(ctx, filepath.Join(out, train), filepath.Join(out, set.name+"_mean.binaryproto"))
}

// in reports whether the binary files are in a folder.
func (s cifarSet) in(dir string) bool {
	return exists(filepath.Join(dir, s.train[0])) || exists(filepath.Join(dir, s.folder, s.train[0])) || exists(filepath.Join(dir, s.archive))
}

// open finds the files of the set in a folder, a subfolder or an archive.
func (s cifarSet) open(ctx context.Context, dir, scratch string) (files imagelist.Files, prefix string, err error) {
	switch {
	case exists(filepath.Join(dir, s.train[0])):
		return imagelist.Folder(dir), "", nil
	case exists(filepath.Join(dir, s.folder, s.train[0])):
		return imagelist.Folder(dir), s.folder, nil
	case s.in(dir):
		files, err = imagelist.Open(ctx, filepath.Join(dir, s.archive), scratch)
		return files, s.folder, err
	}
	more := ""
	if s.name == cifar10.name {
		more = ", and no train.txt and test.txt with cifar10-images.tar.gz"
	}
	return nil, "", fmt.Errorf("%s: %w: no %s, %s/%s or %s%s", dir, fs.ErrNotExist, s.train[0], s.folder, s.train[0], s.archive, more)
}

// cifarImages creates the databases of CIFAR-10 from images and lists.
func (j *job) cifarImages(ctx context.Context, dir string, lists [2]string, out string) error {
	root := dir
	if packed := filepath.Join(dir, "cifar10-images.tar.gz"); exists(packed) {
		root = packed
	}
	files, err := imagelist.Open(ctx, root, out)
	if err != nil {
		return err
	}
	defer files.Close()
	var images [2]*imagelist.List
	for i, list := range lists {
		if images[i], err = imagelist.Read(ctx, list, imagelist.Options{Labels: 1}); err != nil {
			return err
		}
		j.total += len(images[i].Items)
	}
	for i, database := range []string{j.name("cifar10_train"), j.name("cifar10_test")} {
		err := j.makeDatabase(ctx, filepath.Join(out, database), len(images[i].Items), func(k int) (string, *caffepb.Datum, error) {
			list := images[i]
			d, err := cifarImage(files, list.Items[k].Path, int(list.Labels(k)[0]))
			if err != nil {
				return "", nil, fmt.Errorf("%s: %w", list.Place(k), list.Explain(k, err))
			}
			return fmt.Sprintf("%05d", k), d, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// cifarImage reads an image and converts it to the layout of the binary files.
func cifarImage(files imagelist.Files, path string, label int) (*caffepb.Datum, error) {
	file, err := files.ReadFile(path, nil)
	if err != nil {
		return nil, err
	}
	var img data.Image
	if err := img.Decode(file, data.Color); err != nil {
		return nil, fmt.Errorf("%q: %w", path, err)
	}
	if img.Height != cifar.Side || img.Width != cifar.Side {
		return nil, fmt.Errorf("%q: the image is %d x %d, want %d x %[4]d", path, img.Height, img.Width, cifar.Side)
	}
	planes := img.Planar()
	const plane = cifar.Side * cifar.Side
	for i := range plane { // blue, green, red to red, green, blue
		planes[i], planes[2*plane+i] = planes[2*plane+i], planes[i]
	}
	return raw(cifar.Channels, cifar.Side, cifar.Side, planes, label), nil
}
