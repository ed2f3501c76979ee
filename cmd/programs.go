package gocaffecmd

import "github.com/gocaffe/gocaffe/layers"

// programOutput is the observer that writes to stderr, as it is, what programs of
// layers print.
type programOutput struct{ app *app }

func (o programOutput) Observe(e any) {
	if out, ok := e.(*layers.ProgramOutput); ok {
		o.app.glog.raw(o.app.stderr, out.Text)
	}
}
