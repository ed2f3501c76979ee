package gocaffecmd

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/net"
	"github.com/spf13/cobra"
)

// netFlags are the flags of all commands that run nets.
type netFlags struct {
	gpu        string
	math       string
	level      int
	stage      string
	synthetic  bool
	inputShape string
	batch      int

	device *cuda.Device // of gpu, for commands that open it before their nets
}

func (f *netFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.gpu, "gpu", "", "GPUs to compute on: numbers with commas between, or all")
	cmd.Flags().StringVar(&f.math, "math", "fp32", "what products on a GPU round their factors to: fp32, tf32, bf16")
	cmd.Flags().IntVar(&f.level, "level", 0, "level of the net's state")
	cmd.Flags().StringVar(&f.stage, "stage", "", "stages of the net's state, with commas between")
	cmd.Flags().BoolVar(&f.synthetic, "synthetic-data", false, "random data in place of the data layers")
	f.registerShape(cmd)
}

func (f *netFlags) registerShape(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.inputShape, "input-shape", "", "channels, height and width of made-up data: C,H,W")
	cmd.Flags().IntVar(&f.batch, "batch", 0, "batch size of made-up data; 0: that of the data layer")
}

// stages returns the stages as Caffe does: with no flag there is one, which is
// empty. Its log shows it.
func (f *netFlags) stages() []string { return strings.Split(f.stage, ",") }

// syntheticData returns what --synthetic-data, --input-shape and --batch ask
// for, or nil if they are not there.
func (f *netFlags) syntheticData() (*net.Synthetic, error) {
	shape, err := parseShape(f.inputShape)
	if err != nil {
		return nil, err
	}
	if f.batch < 0 {
		return nil, fmt.Errorf("--batch is %d, want a positive number", f.batch)
	}
	if !f.synthetic {
		if f.inputShape != "" || f.batch != 0 {
			return nil, fmt.Errorf("--input-shape and --batch are for made-up data: give --synthetic-data too")
		}
		return nil, nil
	}
	return &net.Synthetic{Shape: shape, Batch: f.batch}, nil
}

// parseShape reads "C,H,W", or any other number of sizes.
func parseShape(text string) ([]int, error) {
	if text == "" {
		return nil, nil
	}
	var shape []int
	for _, word := range strings.Split(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n <= 0 {
			return nil, fmt.Errorf("--input-shape is %q, want positive numbers with commas between, such as 3,32,32", text)
		}
		shape = append(shape, n)
	}
	return shape, nil
}
