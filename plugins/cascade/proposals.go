package cascade

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

// A proposal is a box of an image with its score.
type proposal struct {
	image int
	box   boxes.Box
	score float32
}

// reshapeProposals gives the tops of a layer with proposals n rows.
func reshapeProposals(s *layers.Spec, top []*blob.Blob, n int) error {
	for i, y := range top {
		if err := y.Reshape(n, 5+i, 1, 1); err != nil {
			return s.ErrorAt("top", i, err)
		}
	}
	return nil
}

// writeProposals writes the rows of the first top, image and box, and of the second, if
// there is one, with the score. Without proposals there is one row of the fork's.
func writeProposals(s *layers.Spec, rows []proposal, top []*blob.Blob) error {
	if err := reshapeProposals(s, top, max(1, len(rows))); err != nil {
		return err
	}
	if len(rows) == 0 {
		copy(top[0].MutableData(), []float32{0, 1, 1, 10, 10})
		if len(top) > 1 {
			clear(top[1].MutableData())
		}
		return nil
	}
	for k, y := range top {
		data, width := y.MutableData(), 5+k
		for i, row := range rows {
			data[i*width] = float32(row.image)
			row.box.Put(data[i*width+1:])
			if k == 1 {
				data[i*width+5] = row.score
			}
		}
	}
	return nil
}
