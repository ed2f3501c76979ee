package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/deploy"
	"github.com/gocaffe/gocaffe/internal/modelfile"
	"github.com/gocaffe/gocaffe/net"
	"github.com/spf13/cobra"
)

func (a *app) deployCommand() *cobra.Command {
	var f deployFlags
	cmd := &cobra.Command{
		Use:   "deploy --model FILE --weights FILE -o DIR",
		Short: "Turn a trained net into one for inference",
		Long: `Turn a trained net into one for inference. deploy writes deploy.prototxt and
deploy.caffemodel to the folder DIR: the net of phase TEST without data layers,
losses and labels, made of stock Caffe's layers only.

	data layers              become Input, of their shape or --input-shape's
	SoftmaxWithLoss          becomes Softmax, with the top "prob"
	SigmoidCrossEntropyLoss  becomes Sigmoid, with the top "prob"
	other losses, Accuracy   are left out, and so is what only the label needs
	layers of plugins        become what the plugin says: EMSoftmaxLoss becomes
	                         an InnerProduct and a Softmax

Before it writes the files, deploy runs the new net on random data and checks
that its outputs are those of the TEST net.`,
		Args: noArgs("model"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return untilSignal(cmd.Context(), func(ctx context.Context) error { return a.deploy(ctx, &f) })
		},
	}
	cmd.Flags().StringVar(&f.model, "model", "", "net's prototxt file")
	cmd.Flags().StringVar(&f.weights, "weights", "", ".caffemodel or .caffemodel.h5 file")
	cmd.Flags().StringVarP(&f.dir, "output", "o", "", "folder to write to; created if it does not exist")
	cmd.Flags().StringVar(&f.shape, "input-shape", "", "shape of one item, as it leaves the data layer: C,H,W (default: the data's)")
	cmd.Flags().IntVar(&f.batch, "batch", 0, "batch size of the inputs (default: 1, or an Input layer's own)")
	f.registerState(cmd)
	cmd.Flags().BoolVar(&f.force, "force", false, "overwrite existing files")
	return cmd
}

type deployFlags struct {
	shape string // of one item
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
	shape, err := parseShape(f.shape)
	if err != nil {
		return err
	}
	if f.batch < 0 {
		return fmt.Errorf("--batch is %d, want a positive number", f.batch)
	}
	if err := deploy.CheckTarget(f.dir, f.force); err != nil {
		return nameForce(err)
	}
	file, err := net.Read(f.model)
	if err != nil {
		return err
	}
	a.notes(file.Notes)
	weights, notes, err := modelfile.ReadNet(f.weights)
	if err != nil {
		return err
	}
	a.notes(notes)
	n, err := deploy.New(ctx, file, weights, f.weights, deploy.Options{
		State:   netState(file.Param, caffepb.Phase_TEST, f.level, f.stages()),
		Shape:   shape,
		Batch:   f.batch,
		Workers: a.workers,
	})
	var unknown *deploy.ShapeError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("%w; give --input-shape C,H,W", err)
	case err != nil:
		return err
	}
	paths, err := n.Write(f.dir, []string{
		fmt.Sprintf("Made by gocaffe deploy from %s and %s.", f.model, f.weights),
	}, f.force)
	if err != nil {
		return err
	}
	a.showDeployed(n, paths)
	return nil
}

// showDeployed prints a summary of the new net.
func (a *app) showDeployed(n *deploy.Net, paths []string) {
	for _, path := range paths {
		fmt.Fprintln(a.stdout, path)
	}
	for _, in := range n.Inputs {
		fmt.Fprintf(a.stdout, "input %s: %s\n", in.Name, strings.Join(sizes(in.Shape), " x "))
		if in.Preparation != "" {
			fmt.Fprintf(a.stdout, "  preprocessing: %s\n", in.Preparation)
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
		fmt.Fprintln(a.stdout, "checked: on random data the outputs equal those of the TEST net to the last bit")
	} else {
		fmt.Fprintf(a.stdout, "checked: on random data the outputs equal those of the TEST net to %.1g of the largest\n", n.Difference)
	}
}

// sizes formats the sizes of a shape.
func sizes(shape []int) []string {
	words := make([]string, len(shape))
	for i, n := range shape {
		words[i] = fmt.Sprint(n)
	}
	return words
}
