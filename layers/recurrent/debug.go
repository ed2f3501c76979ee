package recurrent

import (
	"strconv"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/kernel"
)

// With debug_info, Caffe's recurrent layers report the mean magnitude of every blob of
// the unrolled net.
//
// Differs from Caffe: blobs that do not exist here are left out, because their layer of
// the unrolled net is computed together with another one.

// note reports one array in the format of a net's debug_info. The steps have the names
// of Caffe's unrolled net.
func (l *recurrent) note(pass, layer, what, name, kind string, x []float32) {
	l.spec.Notef(event.Info, "    [%s] Layer %s_%s, %s %s %s: %.6g", pass, l.spec.Param.GetName(), layer, what, name, kind,
		kernel.Asum(l.spec.Env.Workers, x)/float64(max(1, len(x))))
}

// sendForward reports the results of Forward.
func (l *recurrent) sendForward(top []*blob.Blob) {
	h := l.unit.hidden(top).Data()
	for t := range l.t {
		step := strconv.Itoa(t + 1)
		l.note("Forward", "h_conted_"+strconv.Itoa(t), "top blob", "h_conted_"+strconv.Itoa(t), "data", l.rows(l.before.Data(), t, l.d))
		if l.states > 1 {
			l.note("Forward", "unit_"+step, "top blob", "c_"+step, "data", l.rows(l.unit.final(1).Data(), t+1, l.d))
		}
		l.note("Forward", "unit_"+step, "top blob", "h_"+step, "data", l.rows(h, t, l.d))
	}
	for i, p := range l.Blobs {
		l.note("Forward", "x_transform", "param blob", strconv.Itoa(i), "data", p.Data())
	}
}

// sendBackward reports the results of Backward.
func (l *recurrent) sendBackward(propagateDown []bool, bottom []*blob.Blob) {
	for t := l.t - 1; t >= 0; t-- {
		step := strconv.Itoa(t + 1)
		l.note("Backward", "unit_"+step, "bottom blob", "gate_input_"+step, "diff", l.rows(l.z.Diff(), t, l.g))
	}
	if propagateDown[0] {
		l.note("Backward", "x_transform", "bottom blob", "x", "diff", bottom[0].Diff())
	}
	for i, p := range l.Blobs {
		l.note("Backward", "x_transform", "param blob", strconv.Itoa(i), "diff", p.Diff())
	}
}
