package gocaffecmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data/npy"
	"github.com/gocaffe/gocaffe/internal/atomicfile"
	"github.com/gocaffe/gocaffe/internal/modelfile"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
)

func (a *app) weightsCommand() *cobra.Command {
	var f weightsFlags
	cmd := &cobra.Command{
		Use:   "weights FILE | --init MODEL [--to FILE.npz | FILE.caffemodel | FILE.h5]",
		Short: "List, convert and edit the weights of a file, or make those of a net's fillers",
		Long: `List every blob of a .caffemodel, .solverstate or .npz file, or of an HDF5 file
(.caffemodel.h5, .solverstate.h5), which needs libhdf5: its shape, the least,
mean and greatest element, the standard deviation, and how many elements are NaN
or infinite. The other columns leave those out.

--to writes the blobs to a file:

	gocaffe weights lenet.caffemodel --to lenet.npz

writes arrays named conv1.0, conv1.1, conv2.0, ...: the layer and the number of
the blob; those of a .solverstate are history.0, history.1, ... Python reads
them with numpy.load("lenet.npz")["conv1.0"].

	gocaffe weights lenet.npz --to new.caffemodel --like lenet.caffemodel

writes a copy of lenet.caffemodel with the arrays of lenet.npz in place of its
blobs, which must have the same shapes; blobs that lenet.npz lacks stay as they
are. Without --like the file has the names and blobs of layers only, not their
types. That is enough for --weights, here and in Caffe.

	gocaffe weights lenet.caffemodel --to lenet.caffemodel.h5

writes the HDF5 file that Caffe and h5py read. Such a file can be written to a
.caffemodel file too.

	gocaffe weights --init net.prototxt --seed 1 --to new.caffemodel

writes the weights that the fillers of a net make.

--rename, --copy, --reshape, --remove and --fit edit the weights, in this order,
before they are listed or written; each may be repeated but --fit. To make
convolutions of fully connected layers:

	gocaffe weights alexnet.caffemodel --rename fc6=conv6 --rename fc7=conv7 \
	    --fit convolutional.prototxt --to convolutional.caffemodel`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case f.edits.init == "":
				return cobra.ExactArgs(1)(nil, args)
			case len(args) > 0:
				return fmt.Errorf("--init takes the place of %s", args[0])
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.weights(append(args, f.edits.init)[0], &f) },
	}
	f.edits.register(cmd)
	cmd.Flags().StringVar(&f.to, "to", "", "write the blobs to this .npz, .caffemodel or .h5 file")
	cmd.Flags().StringVar(&f.like, "like", "", "with --to FILE.caffemodel: take layers, and blobs that the .npz file lacks, from this .caffemodel")
	cmd.Flags().BoolVar(&f.json, "json", false, "list the blobs as JSON")
	cmd.Flags().BoolVar(&f.force, "force", false, "overwrite an existing file")
	return cmd
}

type weightsFlags struct {
	to, like    string
	json, force bool
	edits       weightsEdits
}

func (a *app) weights(path string, f *weightsFlags) error {
	target := weightsFormat(f.to)
	switch {
	case f.to != "" && f.json:
		return errors.New("weights: --json lists blobs and --to writes them, want one of the two")
	case f.to != "" && target != ".npz" && target != ".caffemodel" && target != ".h5":
		return fmt.Errorf("--to %s: want a name that ends in .npz, .caffemodel or .h5", f.to)
	case target == ".caffemodel" && (weightsFormat(path) == ".solverstate" || isHDF5State(path)):
		return fmt.Errorf("weights: %s has no layers, which a .caffemodel needs; want --to FILE.npz", path)
	case f.like != "" && (target != ".caffemodel" || weightsFormat(path) != ".npz" && weightsFormat(path) != ".h5"):
		return errors.New("weights: --like goes with a .npz or .h5 file and --to FILE.caffemodel")
	case f.like != "" && f.edits.wanted():
		return errors.New("weights: --like does not go with flags that edit weights; write a .caffemodel first, and edit that")
	}
	if f.to != "" && !f.force {
		switch _, err := os.Lstat(f.to); {
		case err == nil:
			return fmt.Errorf("%s already exists; --force overwrites it", f.to)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	model, blobs, err := a.editedWeights(path, f)
	if err != nil {
		return err
	}
	switch target {
	case ".npz":
		if err := writeNPZ(f.to, blobs); err != nil {
			return err
		}
	case ".h5":
		if err := writeHDF5(f.to, blobs); err != nil {
			return err
		}
	case ".caffemodel":
		if model == nil {
			if model, err = a.toModel(blobs, path, f.like); err != nil {
				return err
			}
		}
		if err := checkWhole(path, model); err != nil {
			return err
		}
		if err := prototxt.WriteBinary(f.to, model); err != nil {
			return err
		}
	default:
		if f.json {
			return writeWeightsJSON(a.stdout, blobs)
		}
		return writeWeightsTable(a.stdout, blobs)
	}
	count := 0
	for _, b := range blobs {
		count += len(b.data)
	}
	fmt.Fprintf(a.stdout, "%s: %d arrays, %d elements\n", f.to, len(blobs), count)
	return nil
}

// checkWhole returns an error if a layer lacks weights that an HDF5 file leaves out,
// because they are shared.
func checkWhole(path string, model *caffepb.NetParameter) error {
	for _, l := range model.Layer {
		if i := slices.Index(l.Blobs, nil); i >= 0 {
			return fmt.Errorf("%s: layer %q shares blob %d with another layer, and a .caffemodel needs it: --fit MODEL fills it in", path, l.GetName(), i)
		}
	}
	return nil
}

// weightsFormat returns what kind of file a name stands for.
func weightsFormat(path string) string { return strings.ToLower(filepath.Ext(path)) }

// isHDF5State reports whether a name is that of a solver state in HDF5.
func isHDF5State(path string) bool { return strings.HasSuffix(path, ".solverstate.h5") }

// A weightBlob is a blob of a file of weights.
type weightBlob struct {
	layer string
	index int
	shape []int
	data  []float32
}

// key names the blob in .npz files.
func (b *weightBlob) key() string { return b.layer + "." + strconv.Itoa(b.index) }

// history stands for the layer of the blobs of a .solverstate.
const history = "history"

// editedWeights returns the blobs of a file, or of --init, as edited. If they are those
// of layers, and not of an .npz file that is not edited, model has the layers.
func (a *app) editedWeights(path string, f *weightsFlags) (model *caffepb.NetParameter, blobs []weightBlob, err error) {
	format := weightsFormat(path)
	switch {
	case f.edits.init != "":
		if model, err = f.edits.made(a); err != nil {
			return nil, nil, err
		}
	case format == ".npz" || format == ".solverstate" || isHDF5State(path):
		if blobs, err = a.readWeights(path); err != nil || !f.edits.wanted() {
			return nil, blobs, err
		}
		if format != ".npz" {
			return nil, nil, fmt.Errorf("weights: %s has no layers to edit", path)
		}
		if model, err = bareModel(blobs, path); err != nil {
			return nil, nil, err
		}
	default:
		var notes []prototxt.Note
		if model, notes, err = modelfile.ReadNet(path); err != nil {
			return nil, nil, err
		}
		a.notes(notes)
	}
	if err := f.edits.apply(a, model); err != nil {
		return nil, nil, err
	}
	blobs, err = layerBlobs(path, model)
	if format == ".h5" && f.like != "" {
		model = nil // its blobs go to the layers of --like
	}
	return model, blobs, err
}

// layerBlobs returns the blobs of all layers.
func layerBlobs(path string, model *caffepb.NetParameter) (blobs []weightBlob, err error) {
	for _, l := range model.Layer {
		if blobs, err = protoBlobs(blobs, path, l.GetName(), l.Blobs); err != nil {
			return nil, err
		}
	}
	return blobs, nil
}

// readWeights reads the blobs of a file that has no layers, in its order.
func (a *app) readWeights(path string) ([]weightBlob, error) {
	if weightsFormat(path) == ".npz" {
		return readNPZ(path)
	}
	state := new(caffepb.SolverState)
	var err error
	if isHDF5State(path) {
		state, err = modelfile.ReadHDF5State(path)
	} else {
		err = prototxt.ReadBinary(path, state)
	}
	if err != nil {
		return nil, err
	}
	return protoBlobs(nil, path, history, state.History)
}

// protoBlobs appends the blobs of a layer.
func protoBlobs(blobs []weightBlob, path, layer string, protos []*caffepb.BlobProto) ([]weightBlob, error) {
	for i, p := range protos {
		if p == nil {
			continue // shared with a layer that has it: an HDF5 file leaves it out
		}
		var b blob.Blob
		if err := b.FromProto(p, true); err != nil {
			return nil, fmt.Errorf("%s: blob %d of %q: %w", path, i, layer, err)
		}
		blobs = append(blobs, weightBlob{layer, i, b.Shape(), b.Data()})
	}
	return blobs, nil
}

// readNPZ reads the arrays of a .npz file whose names are those of blobs.
func readNPZ(path string) ([]weightBlob, error) {
	arrays, err := npy.ReadFile(path)
	if err != nil {
		return nil, err
	}
	blobs := make([]weightBlob, len(arrays))
	for i, array := range arrays {
		dot := strings.LastIndexByte(array.Name, '.')
		index, err := strconv.ParseUint(array.Name[dot+1:], 10, 31)
		if dot <= 0 || err != nil || array.Name[dot+1:] != strconv.FormatUint(index, 10) {
			return nil, fmt.Errorf("%s: array %q: want a name such as conv1.0, of a layer and the number of the blob", path, array.Name)
		}
		blobs[i] = weightBlob{array.Name[:dot], int(index), array.Shape, array.Data}
	}
	return blobs, nil
}

func writeNPZ(path string, blobs []weightBlob) error {
	arrays := make([]npy.Named, len(blobs))
	for i, b := range blobs {
		arrays[i] = npy.Named{Name: b.key(), Array: npy.Array{Shape: b.shape, Data: b.data}}
	}
	return writeArrays(path, arrays)
}

// writeArrays writes a .npz file.
func writeArrays(path string, arrays []npy.Named) error {
	return atomicfile.Write(path, func(out io.Writer) error {
		w := npy.NewWriter(out)
		for _, a := range arrays {
			if err := w.Write(a.Name, a.Array); err != nil {
				return err
			}
		}
		return w.Close()
	})
}

// writeHDF5 writes blobs in Caffe's layout.
func writeHDF5(path string, blobs []weightBlob) error {
	var layers []modelfile.Layer
	index := make(map[string]int)
	for _, b := range blobs {
		if _, ok := index[b.layer]; !ok {
			index[b.layer] = len(layers)
			layers = append(layers, modelfile.Layer{Name: b.layer})
		}
		full, err := blob.New(b.shape...)
		if err != nil {
			return fmt.Errorf("blob %q: %w", b.key(), err)
		}
		copy(full.MutableData(), b.data)
		l := &layers[index[b.layer]]
		for len(l.Blobs) <= b.index {
			l.Blobs, l.Shared = append(l.Blobs, nil), append(l.Shared, true)
		}
		l.Blobs[b.index], l.Shared[b.index] = full, false
	}
	_, err := modelfile.WriteHDF5(path, layers, false)
	return err
}

// toModel returns a file of weights with the blobs of the .npz file path.
func (a *app) toModel(blobs []weightBlob, path, like string) (*caffepb.NetParameter, error) {
	if like == "" {
		return bareModel(blobs, path)
	}
	model, notes, err := modelfile.ReadNet(like)
	if err != nil {
		return nil, err
	}
	a.notes(notes)
	targets := make(map[string]*caffepb.BlobProto)
	for _, l := range model.Layer {
		for i, p := range l.Blobs {
			key := (&weightBlob{layer: l.GetName(), index: i}).key()
			if targets[key] != nil {
				return nil, fmt.Errorf("%s: two layers are named %q, so %s is not one blob", like, l.GetName(), key)
			}
			targets[key] = p
		}
	}
	var errs []error
	for _, b := range blobs {
		target := targets[b.key()]
		if target == nil {
			errs = append(errs, fmt.Errorf("%s: array %q: %s has no such blob", path, b.key(), like))
			continue
		}
		full, err := blob.New(b.shape...)
		if err != nil {
			return nil, fmt.Errorf("%s: array %q: %w", path, b.key(), err)
		}
		if !full.MatchesProto(target) {
			errs = append(errs, fmt.Errorf("%s: array %q has shape %v, %s has shape %v", path, b.key(), b.shape, like, blob.ProtoShape(target)))
			continue
		}
		target.Data, target.DoubleData, target.RawData, target.RawDataType = b.data, nil, nil, nil
	}
	return model, errors.Join(errs...)
}

// bareModel returns a file of weights whose layers have names and blobs only.
func bareModel(blobs []weightBlob, path string) (*caffepb.NetParameter, error) {
	model, layers := new(caffepb.NetParameter), make(map[string]*caffepb.LayerParameter)
	sorted := slices.Clone(blobs) // within each layer the numbers may come in any order
	slices.SortStableFunc(sorted, func(x, y weightBlob) int { return x.index - y.index })
	for _, b := range blobs {
		if layers[b.layer] == nil {
			layers[b.layer] = &caffepb.LayerParameter{Name: proto.String(b.layer)}
			model.Layer = append(model.Layer, layers[b.layer])
		}
	}
	for _, b := range sorted {
		l := layers[b.layer]
		if b.index != len(l.Blobs) {
			return nil, fmt.Errorf("%s: blob %q is there and %s.%d is not; --like FILE takes the blobs that are not there from a .caffemodel",
				path, b.key(), b.layer, len(l.Blobs))
		}
		full, err := blob.New(b.shape...)
		if err != nil {
			return nil, fmt.Errorf("%s: array %q: %w", path, b.key(), err)
		}
		copy(full.MutableData(), b.data)
		l.Blobs = append(l.Blobs, full.ToProto(false))
	}
	return model, nil
}
