package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/internal/near"
	"github.com/gocaffe/gocaffe/net"
	"github.com/spf13/cobra"
)

func (a *app) extractFeaturesCommand() *cobra.Command {
	var f extractFlags
	cmd := &cobra.Command{
		Use:   "extract-features WEIGHTS MODEL BLOBS OUTPUTS BATCHES [lmdb|leveldb] | --model FILE --weights FILE --blobs NAMES -o OUTPUTS",
		Short: "Write blobs of a net, such as fc7, for each record of its data",
		Long: `Run the net of phase TEST on its data, and write blobs, such as the features
fc7, for each record:

	gocaffe extract-features --model NET --weights FILE --blobs fc7 -o fc7.npy
	gocaffe extract-features FILE NET fc7,prob fc7_db,prob_db 100 lmdb

The second line has the arguments of Caffe's extract_features, which may be
followed by CPU, or GPU and a number. Names are separated by commas; each blob
has an output, whose name says what it is:

	x.npy   an array items x shape of the blob
	x.csv   a row for each item: the key of its record and the values
	x.npz   an array for each of the blobs, which are held in memory
	others  a database of Datum messages with float_data, as Caffe writes it,
	        with the keys 0000000000, 0000000001, ...

--iterations is the number of batches; all, its default, takes each record once.`,
		Args: cobra.RangeArgs(0, 8),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.positional(args); err != nil {
				return err
			}
			return untilSignal(cmd.Context(), func(ctx context.Context) error { return nameForce(a.extractFeatures(ctx, &f)) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.model, "model", "", "net's prototxt file, with data layers")
	flags.StringVar(&f.weights, "weights", "", "file of weights, or several separated by commas")
	flags.StringVar(&f.blobs, "blobs", "", "names of the blobs")
	flags.StringVarP(&f.outputs, "output", "o", "", "a file or database for each blob, or one .npz file for all")
	f.once = true
	flags.Var(iterationsFlag{&f.iterations, &f.once}, "iterations", "number of batches, or all to take each record once")
	flags.StringVar(&f.backend, "backend", "lmdb", "kind of databases: lmdb or leveldb")
	flags.BoolVar(&f.force, "force", false, "replace existing files and databases")
	f.registerDevice(cmd)
	f.registerState(cmd)
	f.registerFold(cmd)
	return cmd
}

type extractFlags struct {
	netFlags
	model, weights, blobs, outputs, backend string
	iterations                              int
	once, force                             bool
}

// positional takes the arguments of Caffe's extract_features.
func (f *extractFlags) positional(args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case len(args) < 5:
		return fmt.Errorf("extract-features: got %d arguments, want WEIGHTS MODEL BLOBS OUTPUTS BATCHES [lmdb|leveldb [CPU|GPU [DEVICE]]]", len(args))
	case f.model != "" || f.weights != "" || f.blobs != "" || f.outputs != "":
		return errors.New("extract-features: --model, --weights, --blobs and --output take the place of arguments; give one or the other")
	}
	f.weights, f.model, f.blobs, f.outputs = args[0], args[1], args[2], args[3]
	if err := (iterationsFlag{&f.iterations, &f.once}).Set(args[4]); err != nil {
		return fmt.Errorf("extract-features: the number of batches is %q, %w", args[4], err)
	}
	if len(args) > 5 {
		f.backend = args[5]
	}
	if len(args) > 6 {
		switch args[6] {
		case "GPU":
			f.gpu = "0"
		case "CPU":
		default:
			return fmt.Errorf("extract-features: got %q after the kind of database, want CPU or GPU", args[6])
		}
	}
	if len(args) > 7 && args[6] == "GPU" {
		device, _ := strings.CutPrefix(args[7], "DEVICE_ID=")
		if _, err := strconv.Atoi(device); err != nil {
			return fmt.Errorf("extract-features: the number of the GPU is %q, want a number", args[7])
		}
		f.gpu = device
	}
	return nil
}

func (a *app) extractFeatures(ctx context.Context, f *extractFlags) error {
	for _, required := range []struct{ value, flag string }{
		{f.model, "--model FILE"}, {f.weights, "--weights FILE"}, {f.blobs, "--blobs NAMES"}, {f.outputs, "-o OUTPUTS"},
	} {
		if required.value == "" {
			return fmt.Errorf("extract-features: %s is missing", required.flag)
		}
	}
	if !f.once && f.iterations < 1 {
		return fmt.Errorf("the number of batches is %d, want a positive number, or all", f.iterations)
	}
	names := strings.Split(f.blobs, ",")
	plans, err := f.plans(names)
	if err != nil {
		return err
	}
	if f.device, err = f.openDevice(); err != nil {
		return err
	}
	defer a.closeDevice(f.device)
	var n *net.Net
	err = a.loading(ctx, func() (err error) {
		n, err = a.inferenceNet(&f.netFlags, f.model, f.weights, names...)
		return err
	})
	if n != nil && !a.abandoned {
		defer n.Close()
	}
	if err != nil {
		return err
	}
	if err := checkInputs(n, "extract-features", f.model); err != nil {
		return err
	}
	blobs := make([]*blob.Blob, len(names))
	for i, name := range names {
		if blobs[i] = n.Blob(name); blobs[i] == nil {
			hint := ""
			if other := near.Name(name, n.BlobNames()); other != "" {
				hint = fmt.Sprintf("; did you mean %q?", other)
			}
			return fmt.Errorf("%s: unknown feature blob name %q%s", f.model, name, hint)
		}
	}
	iterations := f.iterations
	if f.once {
		records, batch, err := n.ReadOnce()
		if err != nil {
			return fmt.Errorf("%w; --iterations N needs no such layers", err)
		}
		iterations, _ = passesOf(records, batch)
	}
	sinks, err := openSinks(plans, names, blobs)
	defer func() {
		for _, s := range sinks {
			s.abort()
		}
	}()
	if err != nil {
		return err
	}
	bar := a.bar(iterations, "batch")
	defer bar.Clear()
	for range iterations {
		pass := n.Pass()
		if _, err := n.Forward(ctx); err != nil {
			return err
		}
		key := func(i int) (string, error) { return n.RecordName(pass, i) }
		for i, s := range sinks {
			if err := s.add(blobs[i], key); err != nil {
				return fmt.Errorf("blob %q: %w", names[i], err)
			}
		}
		bar.Add(1)
	}
	bar.Clear()
	for _, s := range sinks {
		if err := s.commit(); err != nil {
			return err
		}
	}
	for i, s := range sinks {
		fmt.Fprintf(a.stdout, "%s: %d items of %d values in %s\n", names[i], s.items(), blobs[i].CountFrom(1), plans[i].path)
	}
	return nil
}
