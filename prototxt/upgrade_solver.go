package prototxt

import (
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
)

// solverTypes maps to the current names of the algorithms.
var solverTypes = map[caffepb.SolverParameter_SolverType]string{
	caffepb.SolverParameter_SGD:      "SGD",
	caffepb.SolverParameter_NESTEROV: "Nesterov",
	caffepb.SolverParameter_ADAGRAD:  "AdaGrad",
	caffepb.SolverParameter_RMSPROP:  "RMSProp",
	caffepb.SolverParameter_ADADELTA: "AdaDelta",
	caffepb.SolverParameter_ADAM:     "Adam",
}

// UpgradeSolver upgrades a solver, and the nets inside it, to the current
// format.
//
// Differs from Caffe: Caffe does not upgrade nets inside a solver, so old ones
// appear empty.
func UpgradeSolver(file string, p *caffepb.SolverParameter, pos *Positions) ([]Note, error) {
	if pos == nil {
		pos = NewPositions()
	}
	u := &upgrader{file: file, pos: pos}
	if p.SolverType != nil {
		u.note(event.Info, 1084, "Attempting to upgrade input file specified using deprecated 'solver_type' field (enum)': %s", file)
		name, known := solverTypes[*p.SolverType]
		switch {
		case p.Type != nil:
			u.errorAt(p, "solver_type", 0, "", `both "solver_type" and "type" are given, of which "solver_type" is the old form`)
		case !known:
			u.errorAt(p, "solver_type", 0, "", "unknown solver_type number %d", *p.SolverType)
		}
		p.Type, p.SolverType = &name, nil
		pos.moveField(p, "solver_type", p, "type")
		u.note(event.Info, 1091, "Successfully upgraded file specified using deprecated 'solver_type' field (enum) to 'type' field (string).")
		u.note(event.Warning, 1093, "Note that future Caffe releases will only support 'type' field (string) for a solver's type.")
	}
	for _, net := range append([]*caffepb.NetParameter{p.NetParam, p.TrainNetParam}, p.TestNetParam...) {
		if net != nil {
			u.net(net)
		}
	}
	u.errs.Sort()
	if err := u.errs.Err(); err != nil {
		return nil, err
	}
	return u.notes, nil
}

// UpgradeSnapshotPrefix completes snapshot_prefix: if it is absent, it becomes
// the solver's file name without extension; if it is a folder, that name in the
// folder.
func UpgradeSnapshotPrefix(file string, p *caffepb.SolverParameter) []Note {
	withoutExt := strings.TrimSuffix(file, filepath.Ext(file))
	if p.SnapshotPrefix == nil {
		p.SnapshotPrefix = proto.String(withoutExt)
		return []Note{{Level: event.Info, Source: "upgrade_proto.cpp:1108", Text: "snapshot_prefix was not specified and is set to " + withoutExt}}
	}
	if info, err := os.Stat(p.GetSnapshotPrefix()); err == nil && info.IsDir() {
		p.SnapshotPrefix = proto.String(strings.TrimSuffix(p.GetSnapshotPrefix(), "/") + "/" + filepath.Base(withoutExt))
		return []Note{{Level: event.Info, Source: "upgrade_proto.cpp:1113", Text: "snapshot_prefix was a directory and is replaced to " + p.GetSnapshotPrefix()}}
	}
	return nil
}
