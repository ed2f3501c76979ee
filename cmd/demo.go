package gocaffecmd

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/data/lmdb"
	"github.com/gocaffe/gocaffe/internal/digits"
	"github.com/gocaffe/gocaffe/prototxt/zoo"
	"github.com/gocaffe/gocaffe/solver"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
)

// digitSets are the sets of digits that the demonstration draws.
var digitSets = []drawnSet{{"digits_train_lmdb", 1, 16000}, {"digits_test_lmdb", 2, 2000}}

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo [DIR]",
		Short: "Train and test a small net on drawn digits, in about a minute",
		Long: `Draw digits into databases in the folder DIR (default: demo), train a LiuNet of a
quarter of the width on them for about a minute, and test it. demo replaces what
an earlier run has left in DIR.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "demo"
			if len(args) == 1 {
				dir = args[0]
			}
			return a.demo(cmd.Context(), dir)
		},
	}
}

func (a *app) demo(ctx context.Context, dir string) error {
	if err := a.drawDigits(ctx, dir, true); err != nil {
		return err
	}
	entry, err := zoo.Lookup("liunet-digits")
	if err != nil {
		return err
	}
	paths, err := entry.Write(dir, true)
	if err != nil {
		return err
	}
	model, solverFile := paths[0], paths[1]
	fmt.Fprintf(a.stderr, "gocaffe train --solver %s\n", solverFile)
	var last demoResult
	if err := a.train(ctx, &trainFlags{netFlags: netFlags{math: cuda.FP32.String()}, solver: solverFile, sigint: "stop", sighup: "snapshot"}, &last); err != nil {
		return err
	}
	if last.model == "" {
		return fmt.Errorf("training was stopped before it wrote any weights")
	}
	fmt.Fprintf(a.stdout, `
The net gets %.1f %% of the test digits right. (A linear classifier gets about 70 %%.)
Its files are in %[2]s. Try next:

  gocaffe test --model %[3]s --weights %[4]s --iterations 20
  gocaffe time --model %[3]s --iterations 20
  gocaffe check %[5]s
  gocaffe zoo            lists more nets, for MNIST and CIFAR
`, 100*last.accuracy, dir, model, last.model, solverFile)
	return nil
}

// demoResult is an observer that keeps the results that the demonstration shows.
type demoResult struct {
	accuracy float32
	model    string
}

// Observe keeps the last accuracy and the last snapshot.
func (r *demoResult) Observe(event any) {
	switch e := event.(type) {
	case *solver.TestResult:
		for _, o := range e.Outputs {
			if o.Name == "accuracy" {
				r.accuracy = o.Value
			}
		}
	case *solver.Snapshotted:
		r.model = e.Model
	}
}

// drawDigits creates the databases of drawn digits in dir.
func (a *app) drawDigits(ctx context.Context, dir string, replace bool) error {
	pixels := make([]byte, digits.Size*digits.Size)
	return a.drawSets(ctx, dir, replace, "drawing digits", digitSets, func(seed uint64, i int) ([]byte, error) {
		label := digits.Image(seed, uint64(i), pixels)
		return proto.Marshal(grayDatum(digits.Size, pixels, label))
	})
}

// grayDatum returns a square image as a message.
func grayDatum(size int32, pixels []byte, label int) *caffepb.Datum {
	return &caffepb.Datum{
		Channels: proto.Int32(1), Height: proto.Int32(size), Width: proto.Int32(size), Data: pixels, Label: proto.Int32(int32(label)),
	}
}

// A drawnSet is a set of drawn images.
type drawnSet struct {
	name string // of the database
	seed uint64
	size int
}

// drawSets creates databases in dir of the records that record returns.
func (a *app) drawSets(ctx context.Context, dir string, replace bool, what string, sets []drawnSet, record func(seed uint64, i int) ([]byte, error)) error {
	total := 0
	for _, set := range sets {
		total += set.size
	}
	bar := a.bar(total, "image")
	defer bar.Clear()
	bar.Describe(what)
	for _, set := range sets {
		w, err := lmdb.Create(filepath.Join(dir, set.name), replace)
		if err != nil {
			return err
		}
		defer w.Abort()
		for i := range set.size {
			if err := ctx.Err(); err != nil {
				return err
			}
			value, err := record(set.seed, i)
			if err != nil {
				return err
			}
			if err := w.Append(fmt.Appendf(nil, "%08d", i), value); err != nil {
				return err
			}
			bar.Add(1)
		}
		if err := w.Commit(); err != nil {
			return err
		}
	}
	return nil
}
