package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/deploy"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/spf13/cobra"
)

func (a *app) deployCommand() *cobra.Command {
	var f deployFlags
	cmd := &cobra.Command{
		Use:   "deploy --model FILE --weights FILE -o DIR",
		Short: "Make the net that is used of the net that is trained",
		Long: `Write deploy.prototxt and deploy.caffemodel to the folder DIR: the net of phase
TEST without data layers, losses and labels, in layers of stock Caffe alone.

	data layers                 Input; the shape is that of the data, if they are there, or --input-shape
	SoftmaxWithLoss             Softmax, which makes the blob "prob"
	SigmoidCrossEntropyLoss     Sigmoid, which makes the blob "prob"
	other losses, Accuracy      left out, with what hangs on the label only
	layers of plugins           what the plugin says: EMSoftmaxLoss becomes an InnerProduct and a Softmax

Before the files are written, the net in them is run on random data and must
give what the TEST net gives.`,
		Args: noArgs("model"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.deploy(cmd.Context(), &f) },
	}
	cmd.Flags().StringVar(&f.model, "model", "", "the net's prototxt file")
	cmd.Flags().StringVar(&f.weights, "weights", "", "the .caffemodel file")
	cmd.Flags().StringVarP(&f.dir, "output", "o", "", "the folder to write to; made if it is not there")
	cmd.Flags().StringVar(&f.inputShape, "input-shape", "", "channels, height and width of the data, as they leave the data layer: C,H,W")
	cmd.Flags().IntVar(&f.batch, "batch", 0, "batch size of the inputs; 0: 1, and for an Input layer its own")
	cmd.Flags().IntVar(&f.level, "level", 0, "level of the net's state")
	cmd.Flags().StringVar(&f.stage, "stage", "", "stages of the net's state, with commas between")
	cmd.Flags().BoolVar(&f.force, "force", false, "write over files that are there")
	return cmd
}

type deployFlags struct {
	netFlags
	model, weights, dir string
	force               bool
}

func (a *app) deploy(ctx context.Context, f *deployFlags) error {
	for _, required := range []struct{ value, flag string }{
		{f.model, "--model FILE"}, {f.weights, "--weights FILE"}, {f.dir, "-o DIR"},
	} {
		if required.value == "" {
			return fmt.Errorf("deploy: %s is missing", required.flag)
		}
	}
	shape, err := parseShape(f.inputShape)
	if err != nil {
		return err
	}
	if f.batch < 0 {
		return fmt.Errorf("--batch is %d, want a positive number", f.batch)
	}
	if err := deploy.CheckTarget(f.dir, f.force); err != nil {
		return fmt.Errorf("%w; --force writes over it", err)
	}
	file, err := net.Read(f.model)
	if err != nil {
		return err
	}
	a.notes(file.Notes)
	weights, notes, err := prototxt.ReadBinaryNet(f.weights)
	if err != nil {
		return err
	}
	a.notes(notes)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	n, err := deploy.New(ctx, file, weights, f.weights, deploy.Options{
		State:   netState(file.Param, caffepb.Phase_TEST, f.level, f.stages()),
		Shape:   shape,
		Batch:   f.batch,
		Workers: a.workers,
	})
	var unknown *deploy.ShapeError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("%w; --input-shape C,H,W says it", err)
	case err != nil:
		return err
	}
	paths, err := n.Write(f.dir, []string{
		fmt.Sprintf("Made by gocaffe deploy of %s and %s.", f.model, f.weights),
	}, f.force)
	if err != nil {
		return err
	}
	a.showDeployed(n, paths)
	return nil
}

// showDeployed prints what was made.
func (a *app) showDeployed(n *deploy.Net, paths []string) {
	for _, path := range paths {
		fmt.Fprintln(a.stdout, path)
	}
	for _, in := range n.Inputs {
		fmt.Fprintf(a.stdout, "input %s: %s\n", in.Name, strings.Join(sizes(in.Shape), " x "))
		if in.Preparation != "" {
			fmt.Fprintf(a.stdout, "  before the data go in: %s\n", in.Preparation)
		}
	}
	for _, out := range n.Outputs {
		fmt.Fprintf(a.stdout, "output %s\n", out)
	}
	for _, text := range n.Replaced {
		fmt.Fprintf(a.stdout, "replaced: %s\n", text)
	}
	if len(n.LeftOut) > 0 {
		fmt.Fprintf(a.stdout, "left out: %s\n", strings.Join(n.LeftOut, ", "))
	}
	for _, text := range n.Notes {
		fmt.Fprintf(a.stdout, "note: %s\n", text)
	}
	if n.Difference == 0 {
		fmt.Fprintln(a.stdout, "checked: on random data the outputs are those of the TEST net to the last bit")
	} else {
		fmt.Fprintf(a.stdout, "checked: on random data the outputs are those of the TEST net to %.1g of the largest\n", n.Difference)
	}
}

// sizes returns numbers as words.
func sizes(shape []int) []string {
	words := make([]string, len(shape))
	for i, n := range shape {
		words[i] = fmt.Sprint(n)
	}
	return words
}
