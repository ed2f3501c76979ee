package gocaffecmd

import (
	"strings"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/event"
)

// TestColour: warnings and errors have colours, the log of all else and all that no
// terminal shows has none.
func TestColour(t *testing.T) {
	var out strings.Builder
	g := &glog{out: &out, now: time.Now, pid: 1, colour: true}
	g.log(event.Warning, "a.go:1", "careful")
	if got := out.String(); !strings.HasPrefix(got, "\x1b[33mW") || !strings.HasSuffix(got, "careful\x1b[m\n") {
		t.Errorf("a warning is %q", got)
	}
	out.Reset()
	g.log(event.Info, "a.go:1", "news")
	if got := out.String(); strings.Contains(got, "\x1b") {
		t.Errorf("news is %q", got)
	}
	if got, want := coloured(event.Error, "gocaffe:"), "\x1b[1;31mgocaffe:\x1b[m"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, _, stderr := run("trian"); strings.Contains(stderr, "\x1b") {
		t.Errorf("without a terminal stderr is %q", stderr)
	}
}
