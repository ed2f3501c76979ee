package gocaffecmd

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// caffeArgs brings a command line as Caffe's gflags reads it to the form that
// pflag reads. gflags takes "-solver x" for "--solver x", "-nolog" for
// "--log=false", flags before the command, and files of flags. The command
// comes first in the result.
func caffeArgs(root *cobra.Command, args []string) ([]string, error) {
	args, err := expandFlagFiles(args, 0)
	if err != nil {
		return nil, err
	}
	flags := allFlags(root)
	var words, rest []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			rest = append(rest, args[i:]...)
			break
		}
		name := strings.TrimLeft(arg, "-")
		dashes := len(arg) - len(name)
		if dashes == 0 || dashes > 2 || name == "" || name[0] == '=' {
			first, next := len(words) == 0, len(rest) == 0
			if (first || next) && isCommand(root, append(words[:len(words):len(words)], arg)) {
				words = append(words, arg)
			} else {
				rest = append(rest, arg)
			}
			continue
		}
		if dashes == 1 && len(name) == 1 && flags.ShorthandLookup(name) != nil {
			rest = append(rest, arg)
			continue
		}
		name, value, hasValue := strings.Cut(name, "=")
		flag := flags.Lookup(name)
		if flag == nil && !hasValue {
			if positive, ok := strings.CutPrefix(name, "no"); ok {
				if b := flags.Lookup(positive); b != nil && b.NoOptDefVal != "" {
					rest = append(rest, "--"+b.Name+"=false")
					continue
				}
			}
		}
		switch {
		case flag == nil: // pflag says that it is unknown
			rest = append(rest, "--"+strings.TrimLeft(arg, "-"))
		case hasValue:
			rest = append(rest, "--"+flag.Name+"="+value)
		case flag.NoOptDefVal != "":
			rest = append(rest, "--"+flag.Name)
		case i+1 < len(args):
			i++
			rest = append(rest, "--"+flag.Name+"="+args[i])
		default:
			rest = append(rest, "--"+flag.Name)
		}
	}
	return append(words, rest...), nil
}

// isCommand tells whether the words name a command.
func isCommand(root *cobra.Command, words []string) bool {
	c := root
	for _, w := range words {
		var next *cobra.Command
		for _, sub := range c.Commands() {
			if sub.Name() == w || sub.HasAlias(w) {
				next = sub
			}
		}
		if next == nil {
			return false
		}
		c = next
	}
	return true
}

// allFlags returns the flags of all commands. A name means the same kind of
// flag wherever it stands.
func allFlags(root *cobra.Command) *pflag.FlagSet {
	all := pflag.NewFlagSet("all", pflag.ContinueOnError)
	all.SetNormalizeFunc(dashed)
	var add func(*cobra.Command)
	add = func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		c.InitDefaultVersionFlag()
		all.AddFlagSet(c.PersistentFlags())
		all.AddFlagSet(c.Flags())
		for _, sub := range c.Commands() {
			add(sub)
		}
	}
	add(root)
	return all
}

// dashed lets flags be written with _, as Caffe does, or with -.
func dashed(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
}

// expandFlagFiles replaces --flagfile=FILE by the flags in it, one in a line,
// with comments after #, as gflags does.
func expandFlagFiles(args []string, depth int) ([]string, error) {
	if depth > 10 {
		return nil, fmt.Errorf("--flagfile: files name each other in a circle")
	}
	var out []string
	for i := 0; i < len(args); i++ {
		name, path, hasValue := strings.Cut(args[i], "=")
		if name != "-flagfile" && name != "--flagfile" {
			out = append(out, args[i])
			continue
		}
		if !hasValue {
			if i+1 == len(args) {
				return nil, fmt.Errorf("--flagfile needs a file")
			}
			i++
			path = args[i]
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("--flagfile: %w", err)
		}
		var lines []string
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				lines = append(lines, line)
			}
		}
		if lines, err = expandFlagFiles(lines, depth+1); err != nil {
			return nil, err
		}
		out = append(out, lines...)
	}
	return out, nil
}
