package layers

import (
	_ "embed"

	"github.com/gocaffe/gocaffe/cuda"
)

//go:embed labels.ptx.gz
var labelsPTX string

var labelsLog = cuda.NewModule(labelsPTX).Kernel("labels_log_terms")

// LogTermsDevice sets terms to -log max(p, least), p being the probability of the true
// class of each softmax, and to 0 where the label is ignored. prob is (Outer, groups,
// Classes, Inner): groups of softmaxes have the same labels. terms is (Outer, groups,
// Inner).
func (l *Labels) LogTermsDevice(d *cuda.Device, groups int, prob cuda.Ptr, least float32, terms cuda.Ptr) {
	class, _ := l.OnDevice(d)
	n := l.Outer * groups * l.Inner
	d.Launch(labelsLog, cuda.Each(n), prob, class, least, terms, groups, l.Classes, l.Inner, n)
}
