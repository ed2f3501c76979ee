package conv

import "github.com/gocaffe/gocaffe/internal/kernel/vec"

// gradBias sums dy for the gradient of the bias while the gradient of the weights reads it. It
// does nothing if that is not requested.
type gradBias struct {
	geometry  *geometry
	parts     int // of the batch
	dy, dbias []float32
	sums      []float64 // of each output in each part
}

// begin sets the arguments of a run. end clears them.
func (t *gradBias) begin(g *geometry, parts int, dy, dbias []float32) {
	t.geometry, t.parts, t.dy, t.dbias = g, parts, dy, dbias
	if n := parts * g.Outputs; dbias != nil && len(t.sums) < n {
		t.sums = make([]float64, n)
	}
}

func (t *gradBias) end() { t.dy, t.dbias = nil, nil }

// of returns the sums of n outputs from o on in a part.
func (t *gradBias) of(part, o, n int) []float64 { return t.sums[part*t.geometry.Outputs+o:][:n] }

// clear clears the sums of n outputs from o on in a part.
func (t *gradBias) clear(part, o, n int) {
	if t.dbias != nil {
		clear(t.of(part, o, n))
	}
}

// add adds some pixels of n outputs of an image, from output o on, to the sums of a part.
func (t *gradBias) add(part, image, o, n, first, pixels int) {
	if t.dbias == nil {
		return
	}
	g := t.geometry
	sums := t.of(part, o, n)
	for j := range sums {
		sums[j] += vec.Sum(t.dy[(image*g.Outputs+o+j)*g.outSize+first:][:pixels])
	}
}

// reduce adds the sums of all parts to the gradient of the bias of n outputs from o on.
func (t *gradBias) reduce(o, n int) {
	for j := o; t.dbias != nil && j < o+n; j++ {
		var sum float64
		for part := range t.parts {
			sum += t.sums[part*t.geometry.Outputs+j]
		}
		t.dbias[j] += float32(sum)
	}
}
