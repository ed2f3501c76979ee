// Package datalayer implements Caffe's data layers, which have no bottoms and no
// gradient: Data, ImageData, HDF5Data, WindowData, MemoryData, DummyData and Input; and
// HDF5Output, which writes.
package datalayer

import (
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers/feed"
)

// writeImage writes an image to top 0 and its labels to the tops after it: one to
// each, or all to top 1.
func writeImage(it *feed.Item, t *data.Transformer, p *data.Pixels, labels ...float64) error {
	if err := it.Transform(0, t, p); err != nil {
		return err
	}
	if tops := it.Batch.Tops() - 1; tops == 1 && len(labels) > 1 {
		dst, err := it.Top(1, len(labels))
		if err != nil {
			return err
		}
		for i, label := range labels {
			dst[i] = float32(label)
		}
		return nil
	}
	for i := range it.Batch.Tops() - 1 {
		dst, err := it.Top(1 + i)
		if err != nil {
			return err
		}
		dst[0] = float32(labels[i])
	}
	return nil
}

// transformDoc documents transform_param and the reading, for all layers that
// share them.
const transformDoc = `
transform_param: value = (pixel - mean) * scale
	scale (1), mean_value (one, or one for each channel), mean_file (written by gocaffe compute-mean)
	pad (0): border of zeros, added after the mean is subtracted; not in Caffe
	crop_size (0): crop a square with this side, at random in training, else the centre; 0: do not crop
	mirror (false): flip half of the images, chosen at random, left to right, in both phases
	force_color, force_gray (false): convert encoded images to colour or grayscale
	max_rotation_angle, min_side, min_side_min and min_side_max, random_resize_param, img_rand_resize_lower and others of
		NVIDIA's Caffe, random_aspect_ratio_param, max_color_shift, contrast_brightness_adjustment, distort_param,
		cutout_size: augmentation, which docs/data.md describes; not in Caffe but in forks, and in training only, but
		for min_side and the scaling to a random size

data_param.prefetch (4): number of batches held in memory; all but the current one are read ahead

A batch depends only on the seed and the number of the forward pass: a resumed run sees the same data.`
