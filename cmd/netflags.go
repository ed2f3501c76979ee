package gocaffecmd

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
	"github.com/spf13/cobra"
)

// netFlags are the flags of commands that run nets.
type netFlags struct {
	gpu        string
	math       string
	engine     layers.Engine
	onCPU      kernel.Precision // of math, after openDevice or solverDevice
	level      int32
	stage      string
	synthetic  bool
	inputShape []string
	batch      int
	noPython   bool   // of registerShape
	noFold     bool   // of registerFold
	packed     uint32 // MiB, of registerFold

	device *cuda.Device // of gpu, for commands that open it before their nets
}

func (f *netFlags) register(cmd *cobra.Command) {
	f.registerDevice(cmd)
	f.registerState(cmd)
	cmd.Flags().BoolVar(&f.synthetic, "synthetic-data", false, "replace data layers by random data; inputs stay, of zeros")
	shapeFlag(cmd, &f.inputShape, "shape of one item for --synthetic-data: C,H,W, or NAME=C,H,W for a data layer, an input or a top of several (default: the layer's)")
	cmd.Flags().IntVar(&f.batch, "batch", 0, "batch size for --synthetic-data (0, the default: the layer's)")
}

// registerDevice registers the flags of where a net is computed.
func (f *netFlags) registerDevice(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.gpu, "gpu", "", "number of the GPU to compute on, or all if there is one (default: the CPU)")
	mathVar(cmd, &f.math)
	engineVar(cmd, &f.engine)
}

// mathVar registers --math.
func mathVar(cmd *cobra.Command, math *string) {
	cmd.Flags().StringVar(math, "math", "fp32", "precision of products and convolutions: fp32, bf16, or tf32 on a GPU")
}

// engineVar registers --engine.
func engineVar(cmd *cobra.Command, engine *layers.Engine) {
	cmd.Flags().Var((*engineFlag)(engine), "engine", "order of sums in convolutions: default (fast) or caffe (Caffe's)")
}

// engineFlag is the value of --engine.
type engineFlag layers.Engine

// String returns the name of the engine.
func (f *engineFlag) String() string { return layers.Engine(*f).String() }

// Set takes the name of an engine.
func (f *engineFlag) Set(text string) error {
	engine, err := layers.ParseEngine(text)
	*f = engineFlag(engine)
	return err
}

// Type returns the word for a value in the help.
func (*engineFlag) Type() string { return "string" }

// registerFold registers the flags of nets for inference.
func (f *netFlags) registerFold(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.noFold, "no-fold", false, "do not compute BatchNorm, Scale, ReLU and the like in the convolution before them")
	cmd.Flags().Uint32Var(&f.packed, "packed-weights", net.DefaultPackedWeights>>20, "memory, in MiB, for weights that are packed once and not in every pass")
	cmd.MarkFlagsMutuallyExclusive("no-fold", "packed-weights")
}

// packedWeights returns what net.Options need of --packed-weights.
func (f *netFlags) packedWeights() int64 {
	if f.packed == 0 {
		return -1
	}
	return int64(f.packed) << 20
}

// registerState registers the flags of which layers a net has.
func (f *netFlags) registerState(cmd *cobra.Command) {
	cmd.Flags().Int32Var(&f.level, "level", 0, "level of the NetState that selects layers")
	cmd.Flags().StringVar(&f.stage, "stage", "", "stages of the NetState that selects layers, separated by commas")
}

// stages returns the stages as Caffe does: without the flag there is one empty
// stage, which its log shows.
func (f *netFlags) stages() []string { return strings.Split(f.stage, ",") }

// syntheticData returns the data that --synthetic-data, --input-shape and --batch
// ask for, or nil without the flags.
func (f *netFlags) syntheticData() (*net.Synthetic, error) {
	synthetic, err := f.generated()
	if err != nil {
		return nil, err
	}
	if !f.synthetic {
		if len(f.inputShape) > 0 || f.batch != 0 {
			return nil, fmt.Errorf("--input-shape and --batch need --synthetic-data")
		}
		return nil, nil
	}
	return synthetic, nil
}

// generated returns the data that --input-shape and --batch describe.
func (f *netFlags) generated() (*net.Synthetic, error) {
	shape, named, err := parseShapes(f.inputShape)
	if err != nil {
		return nil, err
	}
	if f.batch < 0 {
		return nil, fmt.Errorf("--batch is %d, want a positive number", f.batch)
	}
	return &net.Synthetic{Shape: shape, Named: named, Batch: f.batch, Inputs: true}, nil
}

// registerShape registers the flags of commands that need shapes and no data.
func (f *netFlags) registerShape(cmd *cobra.Command) {
	shapeFlag(cmd, &f.inputShape, "shape of one item: C,H,W, or NAME=C,H,W for a data layer, an input or a top of several (default: that of the data or the input)")
	cmd.Flags().IntVar(&f.batch, "batch", 0, "batch size (0, the default: the layer's)")
	cmd.Flags().BoolVar(&f.noPython, "no-python", false, "do not run the code of Python layers")
}

// shapeFlag registers --input-shape, which may be repeated.
func shapeFlag(cmd *cobra.Command, list *[]string, help string) {
	cmd.Flags().StringArrayVar(list, "input-shape", nil, help)
}

// parseShapes parses the values of --input-shape: C,H,W for the net's data layer,
// and NAME=C,H,W for those named.
func parseShapes(values []string) (shape []int, named map[string][]int, err error) {
	for _, value := range values {
		name, text, hasName := strings.Cut(value, "=")
		if !hasName {
			if shape != nil {
				return nil, nil, fmt.Errorf("--input-shape is given twice without a name, want NAME=C,H,W")
			}
			if shape, err = parseShape(value); err != nil {
				return nil, nil, err
			}
			continue
		}
		if named == nil {
			named = make(map[string][]int)
		}
		if named[name], err = parseShape(text); err != nil {
			return nil, nil, err
		}
	}
	return shape, named, nil
}

// parseShape parses "C,H,W", or any other number of dimensions.
func parseShape(text string) ([]int, error) {
	if text == "" {
		return nil, nil
	}
	var shape []int
	for _, word := range strings.Split(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n <= 0 {
			return nil, fmt.Errorf("--input-shape is %q, want positive numbers separated by commas, such as 3,32,32", text)
		}
		shape = append(shape, n)
	}
	return shape, nil
}
