package solver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data/hdf5"
	"github.com/gocaffe/gocaffe/internal/atomicfile"
	"github.com/gocaffe/gocaffe/internal/filelock"
	"github.com/gocaffe/gocaffe/internal/modelfile"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// Snapshot writes the weights to <snapshot_prefix>_iter_<N>.caffemodel and the
// rest of the training state to <snapshot_prefix>_iter_<N>.solverstate, in
// Caffe's binary format, and returns both paths. With snapshot_format HDF5 the
// names end in .h5, and the files have Caffe's layout in HDF5. A file gets its name when it is
// complete and on disk, and the weights are written first, so that a state never
// names weights that do not exist. If Snapshot fails, earlier files are intact
// and training can go on.
func (s *Solver) Snapshot() (model, state string, err error) {
	if s.param.GetSnapshotPrefix() == "" {
		return "", "", s.errorf("snapshot_prefix", "cannot write a snapshot: snapshot_prefix is not set")
	}
	isHDF5, end := s.snapshotsHDF5(), ""
	if isHDF5 {
		end = ".h5"
	}
	model, state = s.snapshotName(".caffemodel"+end), s.snapshotName(".solverstate"+end)
	emit(s, Snapshotting{Iter: s.iter, Path: model, HDF5: isHDF5})
	sum, err := s.net.SaveWeightsSum(model, s.param.GetSnapshotDiff())
	if err != nil {
		return "", "", fmt.Errorf("snapshot of iteration %d: %w", s.iter, err)
	}
	emit(s, Snapshotting{Iter: s.iter, Path: state, State: true, HDF5: isHDF5})
	if err := s.writeState(state, model, sum); err != nil {
		return "", "", fmt.Errorf("snapshot of iteration %d: %w", s.iter, err)
	}
	s.saved = s.iter
	emit(s, Snapshotted{Iter: s.iter, Model: model, State: state})
	return model, state, nil
}

// snapshotsHDF5 reports whether snapshots are HDF5 files.
func (s *Solver) snapshotsHDF5() bool {
	return s.param.GetSnapshotFormat() == caffepb.SolverParameter_HDF5
}

// writeState writes the training state without the weights, which are in the file
// model with the given sum.
func (s *Solver) writeState(path, model string, sum [sha256.Size]byte) error {
	state := s.stateProto(model, sum)
	if s.snapshotsHDF5() {
		return modelfile.WriteHDF5State(path, state, s.history)
	}
	for _, h := range s.history {
		state.History = append(state.History, h.ToProto(false))
	}
	return prototxt.WriteBinary(path, state)
}

func (s *Solver) snapshotName(extension string) string {
	return fmt.Sprintf("%s_iter_%d%s", s.param.GetSnapshotPrefix(), s.iter, extension)
}

// stateProto returns the training state without the histories.
func (s *Solver) stateProto(model string, sum [sha256.Size]byte) *caffepb.SolverState {
	state := &caffepb.SolverState{
		Iter:        proto.Int32(int32(s.iter)),
		LearnedNet:  proto.String(model),
		CurrentStep: proto.Int32(int32(s.currentStep)),

		LearnedNetSha256: sum[:],
	}
	state.Kernels = proto.String(s.kernels())
	if engine := s.engine(); engine != layers.DefaultEngine.String() {
		state.Engine = proto.String(engine)
	}
	for _, l := range s.net.Layers() {
		if layer, ok := l.Impl.(layers.Stateful); ok {
			state.LayerState = append(state.LayerState, &caffepb.LayerState{
				Name: proto.String(l.Name), Type: proto.String(l.Type), State: layer.State(),
			})
		}
	}
	if s.param.GetRandomSeed() < 0 {
		state.RandomSeed = proto.Int64(int64(s.seed))
	}
	return state
}

// checkSnapshots checks that the snapshots during training can be written. Solve
// checks it for the one at the end.
func (s *Solver) checkSnapshots() error {
	if s.param.GetSnapshot() <= 0 {
		return nil
	}
	return s.probeSnapshot()
}

// probeSnapshot writes and removes a file where the snapshots will be, to find a
// wrong snapshot_prefix before training.
func (s *Solver) probeSnapshot() error {
	prefix := s.param.GetSnapshotPrefix()
	if prefix == "" {
		return s.errorf("snapshot_prefix", "snapshot_prefix is not set, want the path that the names of snapshots begin with")
	}
	if s.snapshotsHDF5() {
		if _, err := hdf5.LibraryVersion(); err != nil {
			return s.errorf("snapshot_format", "cannot write snapshots in HDF5: %w; or set snapshot_format: BINARYPROTO", err)
		}
	}
	f, err := atomicfile.Create(s.snapshotName(".probe"))
	if err == nil {
		_, err = f.Write([]byte("gocaffe"))
		f.Abort()
	}
	if err != nil {
		return s.errorf("snapshot_prefix", "cannot write to snapshot_prefix %q: %w (make sure that the directory exists and is writable)",
			prefix, bareError(err))
	}
	return nil
}

// lockSnapshots takes the lock of snapshot_prefix, if there is one, and removes
// what processes that were killed have left of their snapshots.
func (s *Solver) lockSnapshots() (unlock func(), err error) {
	prefix := s.param.GetSnapshotPrefix()
	if prefix == "" || !s.param.GetSnapshotAfterTrain() && s.param.GetSnapshot() <= 0 {
		return func() {}, nil
	}
	dir, base := filepath.Split(prefix)
	lock, err := filelock.Acquire(dir + "." + base + ".lock")
	var held *filelock.HeldError
	switch {
	case errors.As(err, &held) && held.PID != 0:
		return nil, s.errorf("snapshot_prefix", "process %d trains with the same snapshot_prefix %q (it holds %s)", held.PID, prefix, held.Path)
	case err != nil:
		return nil, s.errorf("snapshot_prefix", "cannot lock snapshot_prefix %q: %w", prefix, err)
	}
	atomicfile.Clean(prefix + "_iter_")
	return lock.Unlock, nil
}

// trySnapshot writes a snapshot, or keeps and sends the reason why it cannot.
func (s *Solver) trySnapshot() {
	if _, _, s.unsaved = s.Snapshot(); s.unsaved != nil {
		emit(s, SnapshotFailed{Iter: s.iter, Err: s.unsaved})
	}
}

// salvage writes a snapshot when a pass has failed, so that the iterations since start
// and since the last snapshot are not lost. Running statistics may have had a part of
// the pass that failed.
func (s *Solver) salvage(start int, cause error) {
	var program *layers.ProgramError
	switch {
	case errors.Is(cause, context.Canceled), errors.Is(cause, context.DeadlineExceeded): // the caller ends training
	case !s.param.GetSnapshotAfterTrain(), s.iter == start, s.iter == s.saved:
	case s.opts.Device != nil && !errors.As(cause, &program): // the GPU may have noticed the cause some iterations late
	default:
		s.trySnapshot()
	}
}

// bareError returns the cause of a file error, without the file's name.
func bareError(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
