package solver

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/data/hdf5"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/modelfile"
	"github.com/gocaffe/gocaffe/internal/readfile"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// Restore loads a .solverstate or .solverstate.h5 file: the weights that it names, from the state's
// folder or else from the stored path, and the iteration, the step of the
// learning rate, the histories and the states of layers. A layer without a state
// in the file keeps its own; Caffe's files have none. If Restore fails, the
// solver is unchanged.
//
// Differs from Caffe: the shapes of the histories are checked, the weights must
// be those of the snapshot and complete, and a file
// that is not a .solverstate is refused.
func (s *Solver) Restore(path string) error {
	state, err := readState(path)
	if err != nil {
		return err
	}
	if err := s.checkHistory(state); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	history, err := s.makeHistory()
	if err != nil {
		return err
	}
	for i, h := range history {
		if err := h.FromProto(state.History[i], false); err != nil {
			return fmt.Errorf("%s: history blob %d: %w", path, i, err)
		}
	}
	undo, err := s.setLayerStates(state)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if state.LearnedNet != nil {
		model, err := s.findModel(path, state)
		if err == nil {
			err = s.net.LoadAllWeights(model)
		}
		if err != nil {
			undo()
			return fmt.Errorf("%s: weights of the snapshot: %w", path, err)
		}
	}
	s.setHistory(history)
	if err := s.updater.reset(); err != nil {
		return err
	}
	s.noteRounding(path, state)
	s.iter, s.currentStep = int(state.GetIter()), int(state.GetCurrentStep())
	s.diverged, s.saturated = false, false
	s.setPass()
	emit(s, Restored{Path: path, Iter: s.iter})
	return nil
}

// noteRounding warns if the run that wrote a state had another engine or kernels for another
// processor: from here on the weights will differ in their last bits from those of that run.
func (s *Solver) noteRounding(path string, state *caffepb.SolverState) {
	note := func(what, was, now string) {
		if was != now {
			emit(s, event.Note{Level: event.Warning, Source: event.Caller(1), Text: fmt.Sprintf(
				"%s is of a run with the %s %s, this one has the %[2]s %[4]s: it rounds differently", path, what, was, now)})
		}
	}
	note("engine", cmp.Or(state.GetEngine(), layers.DefaultEngine.String()), s.engine())
	// States of older versions do not name the kernels.
	note("kernels for", cmp.Or(state.GetKernels(), s.kernels()), s.kernels())
}

// kernels returns the instructions of the CPU that kernels are for, or the GPU and its precision.
func (s *Solver) kernels() string {
	d := s.opts.Device
	if d == nil {
		return kernel.Variant()
	}
	if p := d.Precision(); p != cuda.FP32 {
		return fmt.Sprintf("%s, %v", d.Name(), p)
	}
	return d.Name()
}

// engine returns the name of the engine and, in another precision than float32 on the CPU, of
// the precision and the instructions that compute in it, which round differently.
func (s *Solver) engine() string {
	name, p := s.opts.Engine.String(), s.opts.Precision
	if p != kernel.FP32 && s.opts.Device == nil {
		name = fmt.Sprintf("%s, %v by %s", name, p, p.Variant())
	}
	return name
}

// setLayerStates sets the states of the layers from a file. undo restores the
// earlier ones.
func (s *Solver) setLayerStates(file *caffepb.SolverState) (undo func(), err error) {
	var undos []func()
	undo = func() {
		for _, f := range undos {
			f()
		}
	}
	for _, l := range s.net.Layers() {
		layer, ok := l.Impl.(layers.Stateful)
		i := slices.IndexFunc(file.LayerState, func(state *caffepb.LayerState) bool { return state.GetName() == l.Name })
		if !ok || i < 0 {
			continue
		}
		if typ := file.LayerState[i].GetType(); typ != l.Type {
			undo()
			return nil, fmt.Errorf("the state of layer %q is for type %s, the layer has type %s", l.Name, typ, l.Type)
		}
		before := layer.State()
		if err := layer.SetState(file.LayerState[i].State); err != nil {
			undo()
			return nil, fmt.Errorf("the state of layer %q: %w", l.Name, err)
		}
		undos = append(undos, func() { layer.SetState(before) })
	}
	return undo, nil
}

// readState reads a .solverstate file. Nearly any protobuf file parses as one, so
// it recognizes the files that users confuse with it.
func readState(path string) (*caffepb.SolverState, error) {
	if modelfile.IsHDF5(path) {
		state, err := modelfile.ReadHDF5State(path)
		if err == nil && (state.GetIter() < 0 || state.GetCurrentStep() < 0) {
			err = fmt.Errorf("%s: iteration %d and step %d, want 0 or more", path, state.GetIter(), state.GetCurrentStep())
		}
		return state, err
	}
	data, err := readfile.All(path, math.MaxInt32)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	state := new(caffepb.SolverState)
	switch err := proto.Unmarshal(data, state); {
	case err != nil && hdf5.Is(data):
		return nil, fmt.Errorf("%s: this is an HDF5 file; the names of solver states in HDF5 end in .h5", path)
	case err != nil && prototxt.IsText(data):
		return nil, fmt.Errorf("%s: this is a text file, want a .solverstate file", path)
	case err != nil:
		return nil, fmt.Errorf("%s: not a .solverstate file, or a truncated one", path)
	case state.Iter == nil && isModel(data):
		return nil, fmt.Errorf("%s: this is a .caffemodel file, want the .solverstate file of the same snapshot", path)
	case state.Iter == nil || state.GetIter() < 0 || state.GetCurrentStep() < 0:
		return nil, fmt.Errorf("%s: not a .solverstate file: it has no iteration", path)
	}
	return state, nil
}

// isModel reports whether data is a .caffemodel file.
func isModel(data []byte) bool {
	model := new(caffepb.NetParameter)
	return proto.UnmarshalOptions{AllowPartial: true}.Unmarshal(data, model) == nil && len(model.Layer)+len(model.Layers) > 0
}

// checkHistory checks the number and shapes of the history blobs.
func (s *Solver) checkHistory(state *caffepb.SolverState) error {
	if got, want := len(state.History), len(s.history); got != want {
		hint := ""
		if want*2 == got || got*2 == want {
			hint = "; AdaDelta and Adam have two per param, the other types one, so this is the state of another type of solver"
		}
		return fmt.Errorf("the state has %d history blobs, type %s with %d params wants %d%s",
			got, s.param.GetType(), len(s.params), want, hint)
	}
	for i, h := range s.history {
		if !h.MatchesProto(state.History[i]) {
			p := s.params[i%len(s.params)]
			return fmt.Errorf("history blob %d has shape %v, want %v, the shape of weights %d of layer %q",
				i, blob.ProtoShape(state.History[i]), h.Shape(), p.Index, p.Layer)
		}
	}
	return nil
}

// findModel returns the path of a snapshot's weights: those of the same name
// beside the state, or else those at the path that was stored, relative to the
// working directory. If the state has the sum of the weights, others are
// refused: another run may have written files of the same name.
//
// Differs from Caffe, which takes the stored path without a look: a snapshot
// that was moved is continued with whatever is at the old place.
func (s *Solver) findModel(path string, state *caffepb.SolverState) (string, error) {
	stored := state.GetLearnedNet()
	beside := filepath.Join(filepath.Dir(path), filepath.Base(filepath.FromSlash(stored)))
	var found, others []string
	for _, candidate := range []string{beside, stored} {
		sum, err := prototxt.FileSum(candidate)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return "", err
		case len(state.LearnedNetSha256) > 0 && !bytes.Equal(sum[:], state.LearnedNetSha256):
			others = append(others, candidate)
		default:
			found = append(found, candidate)
		}
	}
	switch {
	case len(found) == 0 && len(others) == 0:
		return stored, nil // opening it gives the error
	case len(found) == 0:
		return "", fmt.Errorf("%s: these are not the weights that the snapshot was written with: another run or program has written the file"+
			" (to begin with these weights, use --weights)", others[0])
	case len(state.LearnedNetSha256) == 0 && len(found) == 2 && !sameContent(found[0], found[1]):
		emit(s, event.Note{Level: event.Warning, Source: event.Caller(0), Text: fmt.Sprintf(
			"%s: there are two files of its weights, and they differ: taking %s, beside the state, not %s", path, found[0], found[1])})
	}
	return found[0], nil
}

// sameContent reports whether two files, which could be read just now, hold the
// same bytes.
func sameContent(a, b string) bool {
	sumA, errA := prototxt.FileSum(a)
	sumB, errB := prototxt.FileSum(b)
	return errA == nil && errB == nil && sumA == sumB
}
