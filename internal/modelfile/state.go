package modelfile

import (
	"fmt"
	"strconv"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data/hdf5"
	"google.golang.org/protobuf/proto"
)

// Datasets and groups of Caffe's HDF5 solver states.
const (
	iterSet      = "iter"
	modelSet     = "learned_net"
	stepSet      = "current_step"
	historyGroup = "history"
)

// ownSet has what gocaffe keeps beside Caffe's state: a SolverState message with
// gocaffe's own fields alone, as bytes. Caffe passes over it.
const ownSet = "gocaffe/solver_state"

// WriteHDF5State writes a solver's state to an HDF5 file, as SnapshotSolverStateToHDF5
// of Caffe's sgd_solver.cpp does. The histories are given apart. If it fails, an
// existing file stays as it was.
func WriteHDF5State(file string, state *caffepb.SolverState, history []*blob.Blob) error {
	own, err := proto.Marshal(&caffepb.SolverState{
		LayerState: state.LayerState, RandomSeed: state.RandomSeed, LearnedNetSha256: state.LearnedNetSha256,
		Engine: state.Engine, Kernels: state.Kernels,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	w, err := hdf5.Create(file)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := w.WriteInt(iterSet, state.GetIter()); err != nil {
		return err
	}
	if err := w.WriteText(modelSet, state.GetLearnedNet()); err != nil {
		return err
	}
	if err := w.WriteInt(stepSet, state.GetCurrentStep()); err != nil {
		return err
	}
	if err := w.Group(historyGroup); err != nil {
		return err
	}
	for i, h := range history {
		if err := w.Write(historyGroup+"/"+strconv.Itoa(i), h.Shape(), h.Data()); err != nil {
			return err
		}
	}
	if err := w.WriteBytes(ownSet, own); err != nil {
		return err
	}
	return w.Commit()
}

// ReadHDF5State reads a solver's state from an HDF5 file of gocaffe or Caffe.
func ReadHDF5State(file string) (*caffepb.SolverState, error) {
	f, err := hdf5.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	switch kind, err := f.Kind(iterSet); {
	case err != nil:
		return nil, err
	case kind == hdf5.Absent:
		what := "it has no dataset iter"
		if data, _ := f.Kind(dataGroup); data == hdf5.Group {
			what = "it has weights; want the .solverstate.h5 file of the same snapshot"
		}
		return nil, fmt.Errorf("%s: not a solver state in HDF5 (.solverstate.h5): %s", file, what)
	}
	state := new(caffepb.SolverState)
	if err := readOwn(f, file, state); err != nil {
		return nil, err
	}
	for _, set := range []struct {
		name string
		dst  **int32
	}{{iterSet, &state.Iter}, {stepSet, &state.CurrentStep}} {
		v, err := f.Int(set.name)
		if err != nil {
			return nil, err
		}
		*set.dst = proto.Int32(int32(v))
	}
	if kind, err := f.Kind(modelSet); err != nil {
		return nil, err
	} else if kind != hdf5.Absent {
		model, err := f.Text(modelSet)
		if err != nil {
			return nil, err
		}
		state.LearnedNet = proto.String(model)
	}
	return state, readHistory(f, file, state)
}

// readOwn reads gocaffe's part of a state, if there is one.
func readOwn(f *hdf5.File, file string, state *caffepb.SolverState) error {
	kind, err := f.Kind(ownSet)
	if err != nil || kind == hdf5.Absent {
		return err
	}
	own, err := f.Bytes(ownSet)
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(own, state); err != nil {
		return fmt.Errorf("%s: dataset %q: %w", file, ownSet, err)
	}
	return nil
}

func readHistory(f *hdf5.File, file string, state *caffepb.SolverState) error {
	members, err := f.Members(historyGroup)
	if err != nil {
		return err
	}
	state.History = nil
	left := f.Size()
	for i := range members {
		d, err := f.Dataset(historyGroup + "/" + strconv.Itoa(i))
		if err != nil {
			return err
		}
		if left -= d.Stored(); left < 0 {
			return fmt.Errorf("%s: the datasets of %s have more bytes than the file: it is damaged", file, historyGroup)
		}
		b, err := readBlob(d)
		if err != nil {
			return err
		}
		state.History = append(state.History, b)
		d.Close()
	}
	return nil
}
