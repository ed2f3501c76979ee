package convert

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/gocaffe/gocaffe/caffepb"
)

// Siamese creates the database out of pairs of images from a file of images and one
// of labels in IDX's format, as Caffe's convert_mnist_siamese_data does: as many pairs
// as there are images, each of two images drawn with the seed. A record has the two
// images as its two channels, and the label 1 if they have the same label, else 0.
func Siamese(ctx context.Context, images, labels, out string, seed uint64, o Options) error {
	set, err := openIDXSet(images, labels)
	if err != nil {
		return err
	}
	defer set.close()
	n, size := set.images.Items, set.images.Shape[0]*set.images.Shape[1]
	var pixels, classes []byte // grow with what is read: the file may claim more
	for range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		image, class := make([]byte, size), make([]byte, 1)
		if err := errors.Join(set.images.Next(image), set.labels.Next(class)); err != nil {
			return err
		}
		pixels, classes = append(pixels, image...), append(classes, class...)
	}
	r := rand.New(rand.NewPCG(seed, 0))
	j := &job{Options: o, total: n}
	return j.sequential(ctx, out, n, func(i int) (string, *caffepb.Datum, error) {
		a, b := r.IntN(n), r.IntN(n)
		pair := append(append(make([]byte, 0, 2*size), pixels[a*size:(a+1)*size]...), pixels[b*size:(b+1)*size]...)
		label := 0
		if classes[a] == classes[b] {
			label = 1
		}
		return fmt.Sprintf("%08d", i), raw(2, set.images.Shape[0], set.images.Shape[1], pair, label), nil
	})
}
