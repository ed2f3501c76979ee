package gocaffecmd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/internal/readfile"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// caffeArgs converts a command line for Caffe's gflags to one for pflag, with the
// command first. gflags accepts "-solver x" for "--solver x", "-nolog" for
// "--log=false", flags before the command, and files of flags. The name of one of
// Caffe's tools stands for the command that does its work. An unknown command is
// reported before any wrong flag.
func caffeArgs(root *cobra.Command, args []string) ([]string, error) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	switch {
	case len(args) > 0 && args[0] == "help":
		return args, nil
	case len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd):
		return toComplete(root, args), nil
	}
	args, err := expandFlagFiles(args)
	if err != nil {
		return nil, err
	}
	flags := allFlags(root)
	var words, rest []string
	var tool caffeTool
	hasArgs := false // rest has arguments besides flags
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			rest = append(rest, args[i:]...)
			break
		}
		name := strings.TrimLeft(arg, "-")
		dashes := len(arg) - len(name)
		if dashes == 0 || dashes > 2 || name == "" || name[0] == '=' {
			if (len(words) == 0 || !hasArgs) && isCommand(root, append(words[:len(words):len(words)], arg)) {
				words = append(words, arg)
			} else if t, ok := lookupTool(arg); ok && len(words) == 0 && !hasArgs && t.command != "" {
				tool = t
				words = strings.Fields(t.command)
				hasArgs = true // what follows is no command
			} else {
				rest, hasArgs = append(rest, arg), true
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
		case flag == nil: // pflag reports that it is unknown
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
	if tool.command != "" {
		rest, err := tool.arguments(rest)
		return append(words, rest...), err
	}
	return append(words, rest...), unknownCommand(root, words, rest)
}

// toComplete gives the flags of a command line that a shell completes, but for its
// last word, the two dashes that cobra wants.
func toComplete(root *cobra.Command, args []string) []string {
	flags := allFlags(root)
	args = slices.Clone(args)
	for i := 1; i < len(args)-1; i++ {
		name, _, _ := strings.Cut(strings.TrimPrefix(args[i], "-"), "=")
		if strings.HasPrefix(args[i], "-") && len(name) > 1 && flags.Lookup(name) != nil {
			args[i] = "-" + args[i]
		}
	}
	return args
}

// isCommand reports whether the words name a command.
func isCommand(root *cobra.Command, words []string) bool {
	c := root
	for _, w := range words {
		if c = subcommand(c, w); c == nil {
			return false
		}
	}
	return true
}

// subcommand returns the subcommand of c with a name or alias, or nil.
func subcommand(c *cobra.Command, name string) *cobra.Command {
	for _, sub := range c.Commands() {
		if sub.Name() == name || sub.HasAlias(name) {
			return sub
		}
	}
	return nil
}

// allFlags returns the flags of all commands. Flags of the same name have the same
// type in all of them.
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

// dashed allows _ in the names of flags, as in Caffe, for -.
func dashed(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
}

const (
	maxFlagFiles = 100     // on a command line and in its flag files
	maxFlagWords = 1 << 16 // in all of them
)

// expandFlagFiles replaces --flagfile=FILE by the flags in the file, one per line,
// as gflags does. Lines that begin with # are comments.
func expandFlagFiles(args []string) ([]string, error) {
	var e flagFiles
	err := e.expand(args, "")
	return e.words, err
}

// flagFiles collects the words of a command line and of its flag files.
type flagFiles struct {
	words []string
	files int
}

func (e *flagFiles) expand(args []string, from string) error {
	for i := 0; i < len(args); i++ {
		name, path, hasValue := strings.Cut(args[i], "=")
		if name != "-flagfile" && name != "--flagfile" {
			if from != "" && len(e.words) >= maxFlagWords {
				return fmt.Errorf("--flagfile %s: more than %d flags", from, maxFlagWords)
			}
			e.words = append(e.words, args[i])
			continue
		}
		if !hasValue {
			if i+1 == len(args) {
				return fmt.Errorf("--flagfile needs a file")
			}
			i++
			path = args[i]
		}
		if e.files++; e.files > maxFlagFiles {
			return fmt.Errorf("--flagfile %s: more than %d flag files; do they name each other?", path, maxFlagFiles)
		}
		lines, err := flagLines(path)
		if err != nil {
			return fmt.Errorf("--flagfile: %w", err)
		}
		if err := e.expand(lines, path); err != nil {
			return err
		}
	}
	return nil
}

// flagLines returns the lines of a flag file that are not empty or comments.
func flagLines(path string) ([]string, error) {
	text, err := readfile.Text(context.Background(), path)
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines, nil
}
