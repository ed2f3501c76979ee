package layers

import "github.com/gocaffe/gocaffe/blob"

// Weights is what a layer with weights embeds. It makes the layer Parameterized
// and a ParamPropagator.
type Weights struct {
	Blobs   []*blob.Blob // filled by SetUp
	skipped [8]bool
}

// Params returns the blobs of weights.
func (w *Weights) Params() []*blob.Blob { return w.Blobs }

// SetParamPropagateDown sets whether the gradient of weights i is needed.
func (w *Weights) SetParamPropagateDown(i int, need bool) {
	if i < len(w.skipped) {
		w.skipped[i] = !need
	}
}

// Needs reports whether Backward must add to the gradient of weights i.
func (w *Weights) Needs(i int) bool {
	return i < len(w.Blobs) && (i >= len(w.skipped) || !w.skipped[i])
}
