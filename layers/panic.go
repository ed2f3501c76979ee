package layers

import (
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gocaffe/gocaffe/parallel"
)

// PanicOrigin returns " at PACKAGE/FILE:LINE" of the statement of the layer's
// package that has panicked or has called what did, or "" if it is not known. It
// is for a deferred function that has recovered the given value.
func (i *Info) PanicOrigin(recovered any) string {
	var callers []uintptr
	if p, ok := recovered.(*parallel.Panic); ok {
		callers = p.Callers
	} else {
		callers = make([]uintptr, 64)
		callers = callers[:runtime.Callers(0, callers)]
	}
	frames := runtime.CallersFrames(callers)
	panicked, first := false, ""
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if strings.HasPrefix(f.Function, "runtime.") {
			panicked = panicked || f.Function == "runtime.gopanic"
			continue
		}
		if !panicked {
			continue
		}
		pkg := packageOf(f.Function)
		at := fmt.Sprintf(" at %s/%s:%d", pkg, path.Base(filepath.ToSlash(f.File)), f.Line)
		if pkg == i.pkg {
			return at
		}
		if first == "" {
			first = at
		}
	}
	return first
}
