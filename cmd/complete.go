package gocaffecmd

import (
	"fmt"

	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt/zoo"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagValues are the values of flags that take one of a few, for completion in
// a shell.
var flagValues = map[string][]string{
	"math":          {"fp32", "tf32", "bf16"},
	"engine":        {"default", "caffe"},
	"sigint-effect": {"stop", "snapshot", "none"},
	"sighup-effect": {"stop", "snapshot", "none"},
	"phase":         {"TRAIN", "TEST"},
	"backend":       {"lmdb", "leveldb"},
	"form":          {"text", "binary"},
	"encode-type":   {"png", "jpg"},
	"minloglevel":   {"0", "1", "2"},
	"x":             {"iterations", "seconds"},
	"y":             {"loss", "accuracy", "lr", "train-loss", "test-loss", "train-accuracy", "test-accuracy"},
	"rankdir":       {"TB", "BT", "LR", "RL"},
	"kind":          {"loss", "activation", "vision", "plain"},
}

// commandValues are those of flags whose values depend on the command.
var commandValues = map[string]func() []string{
	"bench --format":    benchFormats,
	"classify --format": func() []string { return []string{"text", "csv", "json", "caffe"} },
	"detect --format":   detectFormats,
	"segment --format":  segmentFormats,
}

// flagFileTypes are the endings of the files that flags name.
var flagFileTypes = map[string][]string{
	"solver":   {"prototxt"},
	"model":    {"prototxt"},
	"weights":  {"caffemodel", "h5", "binaryproto"},
	"snapshot": {"solverstate", "h5"},
	"proto":    {"proto"},

	"init":        {"prototxt"},
	"fit":         {"prototxt"},
	"mean-file":   {"binaryproto", "npy"},
	"labels":      {"txt", "prototxt"},
	"predictions": {"csv", "json"},
	"palette":     {"txt", "png"},
}

// addCompletions tells cobra, for a command and those below it, how words after
// the command are completed.
func addCompletions(c *cobra.Command) {
	add := func(f *pflag.Flag) {
		values, ok := flagValues[f.Name]
		if own, isOwn := commandValues[commandName(c)+" --"+f.Name]; isOwn {
			values, ok = own(), true
		}
		if ok {
			c.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
		}
		if endings, ok := flagFileTypes[f.Name]; ok {
			c.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(endings, cobra.ShellCompDirectiveFilterFileExt))
		}
	}
	c.LocalNonPersistentFlags().VisitAll(add)
	c.PersistentFlags().VisitAll(add)
	switch commandName(c) {
	case "layers":
		c.ValidArgsFunction = completeFirst(layers.Types)
	case "zoo write":
		c.ValidArgsFunction = completeFirst(zooNames)
	case "bench":
		c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return zooNames(), cobra.ShellCompDirectiveDefault
		}
	case "check", "summarize", "draw":
		c.ValidArgsFunction = cobra.FixedCompletions([]string{"prototxt"}, cobra.ShellCompDirectiveFilterFileExt)
	}
	for _, sub := range c.Commands() {
		addCompletions(sub)
	}
}

// completeFirst completes the first argument by names, the others by files.
func completeFirst(names func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return names(), cobra.ShellCompDirectiveNoFileComp
	}
}

func zooNames() []string {
	var names []string
	for _, e := range zoo.Entries() {
		names = append(names, e.Name)
	}
	return names
}

// explainArgs adds the command and its usage to errors about the number of
// arguments, for a command and those below it.
func explainArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			if err == nil || commandName(c) == "" {
				return err
			}
			return fmt.Errorf("%s: %w; usage: %s", commandName(c), err, c.UseLine())
		}
	}
	for _, sub := range c.Commands() {
		explainArgs(sub)
	}
}
