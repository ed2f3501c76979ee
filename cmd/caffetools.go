package gocaffecmd

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A caffeTool is a program of Caffe's tools folder, or a script of its python,
// examples and tools/extra folders.
type caffeTool struct {
	// command is the command that does its work, with flags that come before the
	// user's. Empty: no command takes the tool's arguments.
	command string

	// args turns the tool's arguments, without flags, into arguments and flags of
	// the command. Nil: they are the same.
	args func(args []string) ([]string, error)

	// instead says what does the tool's work if command is empty.
	instead string

	// ending is that of the tool's file where Caffe has it: .bin or .py.
	ending string
}

// caffeTools lists the tools by their names, without the .bin and .py of some. The
// program does a tool's work if the tool's name is its first argument, or the name
// of a link to the program.
var caffeTools = map[string]caffeTool{
	"convert_imageset":           {command: "convert imageset"},
	"convert_annoset":            {command: "convert annoset"},
	"convert_mnist_data":         {command: "convert mnist", args: exactly("convert_mnist_data", "IMAGES LABELS DB"), ending: ".bin"},
	"convert_mnist_siamese_data": {command: "convert mnist-siamese --backend=leveldb", ending: ".bin"},
	"convert_cifar_data":         {command: "convert cifar10", args: cifarArgs, ending: ".bin"},
	"compute_image_mean":         {command: "compute-mean"},
	"upgrade_net_proto_text":     {command: "upgrade-net --form=text"},
	"upgrade_net_proto_binary":   {command: "upgrade-net --form=binary"},
	"upgrade_solver_proto_text":  {command: "upgrade-solver"},
	"parse_log":                  {command: "parse-log", ending: ".py"},
	"extract_features":           {command: "extract-features"},
	"classification":             {command: "classify --format=caffe --channel-mean", args: classificationArgs, ending: ".bin"},
	"plot_training_log":          {command: "plot", args: plotArgs, ending: ".py"},
	"draw_net":                   {command: "draw --rankdir=LR", ending: ".py"},
	"summarize":                  {command: "summarize", ending: ".py"},

	"caffe":                  {instead: "`gocaffe train`, test, time and device_query, with caffe's own flags"},
	"train_net":              {instead: "`gocaffe train`"},
	"finetune_net":           {instead: "`gocaffe train --weights`"},
	"test_net":               {instead: "`gocaffe test`"},
	"net_speed_benchmark":    {instead: "`gocaffe time`"},
	"resize_and_crop_images": {instead: "`gocaffe convert imageset --resize-height H --resize-width W`"},
	"predict":                {instead: "`gocaffe classify`"},
	"detect":                 {instead: "`gocaffe detect`, for nets that find boxes by themselves"},
}

// lookupTool returns the tool that a program's name, or the first word of a
// command line, stands for.
func lookupTool(name string) (tool caffeTool, ok bool) {
	tool, ok = caffeTools[strings.TrimSuffix(strings.TrimSuffix(name, ".py"), ".bin")]
	return tool, ok
}

// ToolNames returns the file names of Caffe's tools whose work the program does when
// it is called by one of them, through a link.
func ToolNames() []string {
	names := []string{"caffe"}
	for name, tool := range caffeTools {
		if tool.command != "" {
			names = append(names, name+tool.ending)
		}
	}
	slices.Sort(names)
	return names
}

// calledAs returns the arguments of a program, with its name before them if it was
// called by that of one of Caffe's tools, through a link.
func calledAs(program string, args []string) []string {
	name := strings.TrimSuffix(filepath.Base(program), ".exe")
	if _, ok := lookupTool(name); !ok || name == "caffe" || name == "caffe.bin" {
		return args
	}
	return append([]string{name}, args...)
}

// arguments returns the words that take the place of a tool's arguments, which are
// given as caffeArgs converts them: flags are one word each.
func (t caffeTool) arguments(rest []string) ([]string, error) {
	var flags, args []string
	for i, word := range rest {
		if word == "--" {
			args = append(args, rest[i+1:]...)
			break
		}
		if strings.HasPrefix(word, "-") {
			flags = append(flags, word)
		} else {
			args = append(args, word)
		}
	}
	if t.args == nil || slices.Contains(flags, "--help") || slices.Contains(flags, "-h") {
		return rest, nil
	}
	args, err := t.args(args)
	return append(flags, args...), err
}

// exactly returns a caffeTool.args for a tool with fixed arguments, whose command
// takes the same ones, and other forms besides.
func exactly(tool, usage string) func([]string) ([]string, error) {
	return func(args []string) ([]string, error) {
		if want := len(strings.Fields(usage)); len(args) != want {
			return nil, fmt.Errorf("%s: accepts %d arg(s), received %d; usage: %[1]s [flags] %[4]s", tool, want, len(args), usage)
		}
		return append([]string{"--"}, args...), nil
	}
}

// cifarArgs makes a flag of the kind of database, the third argument of
// convert_cifar_data.
func cifarArgs(args []string) ([]string, error) {
	if len(args) != 3 {
		return nil, fmt.Errorf("convert_cifar_data: accepts 3 arg(s), received %d; usage: convert_cifar_data DATA DIR lmdb|leveldb", len(args))
	}
	return []string{"--backend=" + args[2], "--", args[0], args[1]}, nil
}

// classificationArgs makes flags of the mean and the labels of cpp_classification.
func classificationArgs(args []string) ([]string, error) {
	if len(args) != 5 {
		return nil, fmt.Errorf("classification: accepts 5 arg(s), received %d; usage: classification MODEL WEIGHTS MEAN LABELS IMAGE", len(args))
	}
	return []string{"--mean-file=" + args[2], "--labels=" + args[3], "--", args[0], args[1], args[4]}, nil
}

// plotTypes are the kinds of diagrams of plot_training_log.py, by their number.
var plotTypes = []string{
	"--y=test-accuracy --x=iterations", "--y=test-accuracy --x=seconds",
	"--y=test-loss --x=iterations", "--y=test-loss --x=seconds",
	"--y=lr --x=iterations", "--y=lr --x=seconds",
	"--y=train-loss --x=iterations", "--y=train-loss --x=seconds",
}

// plotArgs makes flags of the first two arguments of plot_training_log.py, the kind
// of the diagram and the file for it.
func plotArgs(args []string) ([]string, error) {
	kind := -1
	if len(args) >= 3 {
		if n, err := strconv.Atoi(args[0]); err == nil && n < len(plotTypes) {
			kind = n
		}
	}
	if kind < 0 {
		return nil, fmt.Errorf("plot_training_log: want KIND FILE.png LOG..., where KIND is a number from 0 to %d", len(plotTypes)-1)
	}
	words := append(strings.Fields(plotTypes[kind]), "--output="+args[1], "--")
	return append(words, args[2:]...), nil
}
