package gocaffecmd

import (
	"fmt"
	"strings"

	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/net"
)

// loadedWeights shows which layers have got weights from files: on a terminal in
// a line for each file, and as a warning if layers that are to be scored got
// none.
type loadedWeights struct{ app *app }

func (o loadedWeights) Observe(e any) {
	if w, ok := e.(*net.WeightsCopied); ok && !o.app.fullLog {
		fmt.Fprintln(o.app.stderr, weightsLine(w))
	}
}

// weightsLine returns "a.caffemodel: weights of 8 layers loaded; ignored: ip;
// still with their filler's weights: ip_new".
func weightsLine(w *net.WeightsCopied) string {
	layers := "layers"
	if len(w.Copied) == 1 {
		layers = "layer"
	}
	line := fmt.Sprintf("%s: weights of %d %s loaded", w.File, len(w.Copied), layers)
	if len(w.Ignored) > 0 {
		line += "; ignored: " + shortList(w.Ignored)
	}
	if len(w.Left) > 0 {
		line += "; still with the weights of their fillers: " + shortList(w.Left)
	}
	return line
}

// shortList returns the names with commas between, the first few of many.
func shortList(names []string) string {
	const most = 6
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// warnUnloaded warns that a net is scored with weights that nobody trained.
func (a *app) warnUnloaded(n *net.Net, files string) {
	if left := n.Unloaded(); len(left) > 0 {
		a.glog.log(event.Warning, event.Caller(0), fmt.Sprintf(
			"%s has no weights for %s: the scores are those of weights that the fillers made up", files, shortList(left)))
	}
}

// checkInputs returns an error if the net has an input that no layer fills:
// what it would compute means nothing.
func checkInputs(n *net.Net, command, file string) error {
	for _, l := range n.Layers() {
		if l.Type == "Input" {
			return fmt.Errorf("%s: layer %q is an Input, which `gocaffe %s` has no data for; give the net a data layer", file, l.Name, command)
		}
	}
	return nil
}
