package prototxt

import (
	"context"
	"slices"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/readfile"
)

// ReadNet reads a net file and upgrades it to the current format. If the text has
// errors, ReadNet also returns the part of the net that it could read, only for finding
// further errors.
func ReadNet(path string) (*Net, error) {
	text, err := readfile.Text(context.Background(), path)
	if err != nil {
		return nil, err
	}
	return ParseNet(path, text)
}

// ParseNet is like ReadNet for text in memory; file is its name in messages.
func ParseNet(file string, text []byte) (*Net, error) { return ParseNetIn("", file, text) }

// ParseNetIn is ParseNet for a net in a dialect, whatever the text says.
func ParseNetIn(dialect, file string, text []byte) (*Net, error) {
	n := &Net{File: file, Param: new(caffepb.NetParameter), Positions: NewPositions()}
	read, err := parse(file, text, n.Param, n.Positions, dialect)
	if err != nil {
		return n, wrongKind(file, text, KindNet, err)
	}
	upgraded, err := UpgradeNet(file, n.Param, n.Positions)
	if err != nil {
		return nil, err
	}
	notes, err := checkUnread(file, n.Param, n.Positions)
	if err != nil {
		return n, err
	}
	n.Notes = slices.Concat(upgraded, read, notes)
	return n, nil
}

// ReadSolver reads a solver file, upgrades it to the current format and
// completes its snapshot_prefix.
func ReadSolver(path string) (*Solver, error) {
	return ReadSolverContext(context.Background(), path)
}

// ReadSolverContext is ReadSolver for a path that may be a pipe: it stops when ctx is
// done.
func ReadSolverContext(ctx context.Context, path string) (*Solver, error) {
	text, err := readfile.Text(ctx, path)
	if err != nil {
		return nil, err
	}
	return LoadSolver(path, text)
}

// LoadSolver is ReadSolver for the text of the file path.
func LoadSolver(path string, text []byte) (*Solver, error) {
	s, err := ParseSolver(path, text)
	if err != nil {
		return nil, err
	}
	s.Notes = append(s.Notes, UpgradeSnapshotPrefix(path, s.Param)...)
	return s, nil
}

// ParseSolver is like ReadSolver for text in memory; file is its name in
// messages. It leaves snapshot_prefix unchanged.
func ParseSolver(file string, text []byte) (*Solver, error) {
	s := &Solver{File: file, Param: new(caffepb.SolverParameter), Positions: NewPositions()}
	read, err := parse(file, text, s.Param, s.Positions, "")
	if err != nil {
		return nil, wrongKind(file, text, KindSolver, err)
	}
	upgraded, err := UpgradeSolver(file, s.Param, s.Positions)
	if err != nil {
		return nil, err
	}
	notes, err := checkUnread(file, s.Param, s.Positions)
	if err != nil {
		return nil, err
	}
	s.Notes = slices.Concat(upgraded, read, notes)
	return s, nil
}
