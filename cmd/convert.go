package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/convert"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/cfmt"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// databases are the flags of what convert writes.
type databases struct {
	force   bool
	backend string // lmdb or leveldb
}

func (a *app) convertCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "convert",
		Short: "Convert image sets to LMDB or LevelDB databases",
		Args:  noArgs(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.Help()
			return fmt.Errorf("convert: want one of mnist, mnist-siamese, cifar10, cifar100, imagenet32, imageset, annoset, digits, digit-scenes")
		},
	}
	var made databases
	cmd.PersistentFlags().StringVar(&made.backend, "backend", "lmdb", "kind of database: lmdb or leveldb; DBs named by the command end in it")
	cmd.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		switch backend := made.backend; {
		case backend != "lmdb" && backend != "leveldb":
			return fmt.Errorf("--backend is %q, want lmdb or leveldb", backend)
		case backend != "lmdb" && (cmd.Name() == "digits" || cmd.Name() == "digit-scenes"):
			return fmt.Errorf("--backend is %q, want lmdb: the zoo's nets read the digits from LMDB databases", backend)
		}
		return a.setUp(cmd)
	}
	cmd.PersistentFlags().BoolVar(&made.force, "force", false, "replace an existing database")
	cmd.AddCommand(
		a.conversion(&made, &cobra.Command{
			Use:   "mnist DATA DIR | mnist IMAGES LABELS DB",
			Short: "Convert MNIST, or any pair of IDX files",
			Long: `Convert the four files of MNIST in the folder DATA, gzipped or not, to
DIR/mnist_train_lmdb and DIR/mnist_test_lmdb; or a file of images and one of
labels to the database DB, as Caffe's convert_mnist_data does.`,
			Args: cobra.RangeArgs(2, 3),
		}, func(ctx context.Context, args []string, o convert.Options) error {
			if len(args) == 3 {
				return convert.IDX(ctx, args[0], args[1], args[2], o)
			}
			return convert.MNIST(ctx, args[0], args[1], o)
		}),
		a.siameseCommand(&made),
		a.conversion(&made, &cobra.Command{
			Use:   "cifar10 DATA DIR",
			Short: "Convert CIFAR-10",
			Long: `Convert CIFAR-10 in the folder DATA to DIR/cifar10_train_lmdb,
DIR/cifar10_test_lmdb and the mean image DIR/cifar10_mean.binaryproto. DATA has
the binary version, unpacked or as cifar-10-binary.tar.gz, or images with the
lists train.txt and test.txt, unpacked or as cifar10-images.tar.gz.`,
			Args: cobra.ExactArgs(2),
		}, func(ctx context.Context, args []string, o convert.Options) error {
			return convert.CIFAR10(ctx, args[0], args[1], o)
		}),
		a.conversion(&made, &cobra.Command{
			Use:   "cifar100 DATA DIR",
			Short: "Convert CIFAR-100, with its fine labels",
			Long: `Convert CIFAR-100 in the folder DATA to DIR/cifar100_train_lmdb,
DIR/cifar100_test_lmdb and the mean image DIR/cifar100_mean.binaryproto. DATA
has the binary version, unpacked or as cifar-100-binary.tar.gz.`,
			Args: cobra.ExactArgs(2),
		}, func(ctx context.Context, args []string, o convert.Options) error {
			return convert.CIFAR100(ctx, args[0], args[1], o)
		}),
		a.conversion(&made, &cobra.Command{
			Use:   "imagenet32 DATA DIR",
			Short: "Convert ImageNet, downsampled to 32 x 32 pixels",
			Long: `Convert ImageNet32 in the folder DATA to DIR/imagenet32_train_lmdb,
DIR/imagenet32_val_lmdb and the mean image DIR/imagenet32_mean.binaryproto. DATA
has the files train_data_batch_1.npz to train_data_batch_10.npz and val_data.npz.`,
			Args: cobra.ExactArgs(2),
		}, func(ctx context.Context, args []string, o convert.Options) error {
			return convert.ImageNet32(ctx, args[0], args[1], o)
		}),
		a.imagesetCommand(&made),
		a.annosetCommand(&made),
		&cobra.Command{
			Use:   "digits DIR",
			Short: "Draw the digits of gocaffe demo",
			Args:  cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return nameForce(a.drawDigits(cmd.Context(), args[0], made.force))
			},
		},
		a.digitScenesCommand(&made),
	)
	return cmd
}

func (a *app) siameseCommand(made *databases) *cobra.Command {
	var seed uint64
	cmd := &cobra.Command{
		Use:   "mnist-siamese IMAGES LABELS DB",
		Short: "Convert a pair of IDX files to pairs of images",
		Long: `Convert a file of images and one of labels, such as those of MNIST, to a database
of as many pairs of images, as Caffe's convert_mnist_siamese_data does: two
channels, and the label 1 if both images have the same label, else 0.`,
		Args: cobra.ExactArgs(3),
	}
	cmd.Flags().Uint64Var(&seed, "seed", 0, "seed for the pairs")
	return a.conversion(made, cmd, func(ctx context.Context, args []string, o convert.Options) error {
		return convert.Siamese(ctx, args[0], args[1], args[2], seed, o)
	})
}

func (a *app) imagesetCommand(made *databases) *cobra.Command {
	var o convert.ImagesetOptions
	cmd := &cobra.Command{
		Use:   "imageset ROOT LIST DB",
		Short: "Convert the images of a list",
		Long: `Convert images to the database DB, as Caffe's convert_imageset does. The file
LIST names them in lines "path label", with paths in the folder or tar archive
ROOT. Images that cannot be read are left out with a warning; if they are more
than --max-bad, DB is not written, and an old one stays.

With --label-db the lines may have several labels, which may be any numbers. They
are written to a database of their own, for a second Data layer, under the same
keys: arrays of size labels x 1 x 1.`,
		Args: cobra.ExactArgs(3),
	}
	f := cmd.Flags()
	maxBad := imagesetFlags(f, &o)
	f.StringVar(&o.LabelDB, "label-db", "", "write the labels to this database")
	f.IntVar(&o.Labels, "label-dim", 0, "labels in each line, for --label-db (default: the numbers at the end of the first line)")
	return a.conversion(made, cmd, func(ctx context.Context, args []string, all convert.Options) error {
		return a.images(&o, *maxBad, all, func() (leftOut, total int, err error) {
			return convert.Imageset(ctx, args[0], args[1], args[2], o)
		})
	})
}

// imagesetFlags adds the flags of conversions of images.
func imagesetFlags(f *pflag.FlagSet, o *convert.ImagesetOptions) (maxBad *float64) {
	f.BoolVar(&o.Gray, "gray", false, "convert images to grayscale")
	f.BoolVar(&o.Shuffle, "shuffle", false, "shuffle the images")
	f.Uint64Var(&o.Seed, "seed", 0, "seed for --shuffle")
	f.IntVar(&o.Height, "resize-height", 0, "scale images to this height (default: their own)")
	f.IntVar(&o.Width, "resize-width", 0, "scale images to this width (default: their own)")
	f.BoolVar(&o.CheckSize, "check-size", false, "fail if images have different sizes")
	f.BoolVar(&o.Encoded, "encoded", false, "store encoded image files instead of arrays")
	f.StringVar(&o.EncodeType, "encode-type", "", "format for --encoded: png or jpg (default: each file's own)")
	return f.Float64("max-bad", 10, "images, in percent, that may be left out because they cannot be read")
}

// conversion completes a command that creates databases, with a progress line on a
// terminal. Ctrl-C ends it without leaving incomplete files.
func (a *app) conversion(made *databases, cmd *cobra.Command, run func(context.Context, []string, convert.Options) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		progress, finish := a.progress("record")
		begin, records := time.Now(), 0
		err := untilSignal(cmd.Context(), func(ctx context.Context) error {
			return run(ctx, args, convert.Options{Replace: made.force, LevelDB: made.backend == "leveldb", Progress: func(done, total int) {
				records = done
				progress(done, total)
			}})
		})
		finish()
		if err != nil {
			return nameForce(err)
		}
		a.result(event.Caller(0), fmt.Sprintf("%d records processed in %s", records, shortTime(time.Since(begin))))
		return nil
	}
	return cmd
}

// nameForce adds to the error of a database that is there what replaces it.
func nameForce(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w; --force replaces it", err)
	}
	return err
}

// progress returns a function that shows how many of the records are done on a
// terminal, and one that ends the progress line.
func (a *app) progress(unit string) (show func(done, total int), finish func()) {
	var bar *progressLine
	show = func(done, total int) {
		if bar == nil {
			bar = a.bar(total, unit)
		}
		bar.Set(done)
	}
	finish = func() {
		if bar != nil {
			bar.Clear()
		}
	}
	return show, finish
}

func (a *app) computeMeanCommand() *cobra.Command {
	var backend string
	cmd := &cobra.Command{
		Use:   "compute-mean DB [FILE]",
		Short: "Compute the mean image of a database",
		Long: `Compute the mean image of a database and print the mean of each channel; with
FILE, write the mean image for transform_param's mean_file.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return untilSignal(cmd.Context(), func(ctx context.Context) error { return a.computeMean(ctx, args[0], backend, args[1:]) })
		},
	}
	cmd.Flags().StringVar(&backend, "backend", "", "kind of database: lmdb or leveldb (default: whichever DB is)")
	return cmd
}

func (a *app) computeMean(ctx context.Context, db, backend string, file []string) error {
	var source data.Source
	err := a.loading(ctx, func() (err error) {
		source, err = openDatabase(db, backend)
		return err
	})
	if err != nil {
		return err
	}
	defer source.Close()
	progress, finish := a.progress("record")
	mean, err := convert.ComputeMean(ctx, source, progress)
	finish()
	if err != nil {
		return err
	}
	if len(file) == 1 {
		if err := convert.WriteMean(file[0], mean); err != nil {
			return err
		}
	}
	channels := convert.ChannelMeans(mean)
	fmt.Fprintf(a.stdout, "Number of channels: %d\n", len(channels))
	for c, v := range channels {
		fmt.Fprintf(a.stdout, "mean_value channel [%d]: %s\n", c, cfmt.G(float64(v)))
	}
	return nil
}

// openDatabase opens a database of the kind that --backend gives, or of any kind
// without it.
func openDatabase(path, backend string) (data.Source, error) {
	if backend == "" {
		return data.OpenAny(path)
	}
	kind, ok := caffepb.DataParameter_DB_value[strings.ToUpper(backend)]
	if !ok {
		return nil, fmt.Errorf("--backend is %q, want lmdb or leveldb", backend)
	}
	return data.Open(path, caffepb.DataParameter_DB(kind))
}
