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

// A Solver is a solver file. The solver and the nets inside it are in the current format.
type Solver struct {
	File      string
	Param     *caffepb.SolverParameter
	Positions *Positions
	Notes     []Note
}

// A Note is a line for the log, worded like Caffe's.
type Note = event.Note
