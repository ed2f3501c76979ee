package prototxt

import (
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
)

// A Net is a net file in the current format.
type Net struct {
	File      string // as named by the user; "" for a net made by the program
	Param     *caffepb.NetParameter
	Positions *Positions // nil for a net made by the program
	Notes     []Note     // what was upgraded
}

// A Solver is a solver file in the current format, as are the nets inside it.
type Solver struct {
	File      string
	Param     *caffepb.SolverParameter
	Positions *Positions
	Notes     []Note
}

// A Note is a line for the log, in the words of Caffe's own.
type Note = event.Note
