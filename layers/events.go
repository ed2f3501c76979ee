package layers

import (
	"fmt"

	"github.com/gocaffe/gocaffe/event"
)

// The events below are sent to Env.Observer by layers that read data, built in
// or of a plugin. Layer is the name of the layer.

// DatabaseOpened is sent when a layer has opened a database.
type DatabaseOpened struct {
	Layer   string
	Backend string // "lmdb"
	Path    string
}

// ListOpening is sent before a layer reads its list of files.
type ListOpening struct{ Layer, Type, Path string }

// ListRead is sent when a layer has read its list of files.
type ListRead struct {
	Layer, Type string
	Items       int // length of the list
}

// HDF5Opened is sent when a dataset of an HDF5 file has been opened.
type HDF5Opened struct {
	Layer string
	Class string // of the elements: "H5T_FLOAT"
}

// Shuffling is sent when a layer is told to shuffle what it reads.
type Shuffling struct{ Layer string }

// Skipping is sent when a layer leaves out items at the start, as rand_skip
// asks for.
type Skipping struct {
	Layer string
	Items int
}

// MeanLoading is sent before a layer reads a mean file.
type MeanLoading struct{ Layer, Path string }

// HDF5Saving is sent before a layer writes the items of a pass to an HDF5 file.
type HDF5Saving struct{ Layer, Path string }

// HDF5Saved is sent when a layer has written the items of a pass.
type HDF5Saved struct {
	Layer string
	Rows  int // how many
}

// DataReady is sent when a layer knows the shape of its batches and begins to
// read them.
type DataReady struct {
	Layer, Type string
	Shape       []int // of the first top
}

// DataRestarted is sent each time the data starts over, when the batch that does so
// is used.
type DataRestarted struct{ Layer string }

// ProgramOutput is sent when a program that a layer runs (ProgramRunner) has printed
// something, which may be a part of a line.
type ProgramOutput struct {
	Layer string
	Text  []byte
}

// NotTransformed is sent when a MemoryData layer with a transform_param is
// given numbers that it does not transform.
type NotTransformed struct{ Layer string }

// Notef sends a note about the layer to Env.Observer: what is worth knowing but
// is no error. A layer with more to say defines a type of its own and sends
// that with event.Send.
func (s *Spec) Notef(level event.Level, format string, args ...any) {
	if s.Env.Observer == nil {
		return
	}
	event.Send(s.Env.Observer, event.Note{
		Level: level, Layer: s.Param.GetName(), Text: fmt.Sprintf(format, args...), Source: event.Caller(1),
	})
}
