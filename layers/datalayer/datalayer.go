// Package datalayer has the layers that bring data into a net: Caffe's "data"
// group. They have no bottoms and no gradient.
package datalayer

import (
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers/feed"
)

// writeImage writes an image to top 0 and, if there is one, its label to top 1.
func writeImage(it *feed.Item, t *data.Transformer, p *data.Pixels, label int) error {
	if err := it.Transform(0, t, p); err != nil {
		return err
	}
	if it.Batch.Tops() == 1 {
		return nil
	}
	dst, err := it.Top(1)
	if err != nil {
		return err
	}
	dst[0] = float32(label)
	return nil
}

// transformDoc describes transform_param, and more that the layers share.
const transformDoc = `
transform_param: value = (pixel - mean) * scale, of a part of the image
	scale (1), mean_value (one, or one for each channel), mean_file (made by gocaffe compute-mean)
	pad (0): zeros put around the image after the mean was subtracted; not in Caffe
	crop_size (0): the side of the square taken, at random in training, else from the centre; 0: all
	mirror (false): half of the images, at random, are turned left to right, in either phase
	force_color, force_gray (false): of images in a file format, colours added or taken away

data_param.prefetch (4): the number of batches held in memory, most of them ahead of their use.

In pass b the batch is number b of the sequence, and random numbers depend on the seed and the
place in the sequence, so that a run that was resumed sees the same data.`
