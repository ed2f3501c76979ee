package gocaffecmd

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/internal/near"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// unknownCommand returns an error if the line names no command but has a word
// that should be one. words and rest are the results of caffeArgs.
func unknownCommand(root *cobra.Command, words, rest []string) error {
	c := root
	for _, w := range words {
		c = subcommand(c, w)
	}
	if c != root && (c.Runnable() && !c.HasSubCommands() || len(rest) == 0) {
		return nil
	}
	flags := allFlags(root)
	for i, arg := range rest {
		if arg == "--" {
			return nil
		}
		if strings.HasPrefix(arg, "-") || i > 0 && isUnknownFlag(flags, rest[i-1]) {
			continue
		}
		return noSuchCommand(c, arg)
	}
	return nil
}

// isUnknownFlag reports whether the word is a flag that no command has: the
// word after it may be its value.
func isUnknownFlag(flags *pflag.FlagSet, word string) bool {
	name, _, hasValue := strings.Cut(strings.TrimLeft(word, "-"), "=")
	return strings.HasPrefix(word, "-") && !hasValue && flags.Lookup(name) == nil
}

// noSuchCommand returns the error for a word that is no command of c.
func noSuchCommand(c *cobra.Command, word string) error {
	var known []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			known = append(known, sub.Name())
		}
	}
	slices.Sort(known)
	what := fmt.Sprintf("unknown command %.60q", word)
	if c.HasParent() {
		what = fmt.Sprintf("%s: unknown command %.60q", commandName(c), word)
	}
	if tool, ok := lookupTool(word); ok && !c.HasParent() {
		return fmt.Errorf("%s, use %s", what, tool.instead)
	}
	if meant := near.Name(word, known); meant != "" {
		return fmt.Errorf("%s, did you mean %q?", what, meant)
	}
	return fmt.Errorf("%s, want one of: %s", what, strings.Join(known, ", "))
}

// commandName returns the words of a command without the program's name.
func commandName(c *cobra.Command) string {
	return strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), c.Root().Name()), " ")
}

// flagError explains an error of pflag: which flag is nearest, or which command
// has the flag.
func flagError(c *cobra.Command, err error) error {
	name := commandName(c)
	help := "gocaffe --help lists the commands"
	if name != "" {
		name += ": "
		help = fmt.Sprintf("gocaffe %s --help lists the flags", commandName(c))
	}
	var number *strconv.NumError
	var invalid *pflag.InvalidValueError
	if errors.As(err, &number) && errors.As(err, &invalid) { // a list of numbers
		err = fmt.Errorf("invalid argument %.60q for %q flag: %.60q is not a whole number", invalid.GetValue(), "--"+invalid.GetFlag().Name, number.Num)
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return fmt.Errorf("%s%w (%s)", name, err, help)
	}
	got := string(dashed(nil, unknown.GetSpecifiedName()))
	var known []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			known = append(known, f.Name)
		}
	})
	hint := ""
	if owners := commandsWith(c.Root(), got); len(owners) > 0 {
		hint = "; it is a flag of " + strings.Join(owners, ", ")
	} else if meant := near.Name(got, known); meant != "" {
		hint = fmt.Sprintf(", did you mean --%s?", meant)
	}
	return fmt.Errorf("%sunknown flag --%.60s%s (%s)", name, got, hint, help)
}

// commandsWith returns the commands that have a flag of their own of this name.
func commandsWith(c *cobra.Command, flag string) []string {
	var names []string
	if c.LocalNonPersistentFlags().Lookup(flag) != nil && c.HasParent() {
		names = append(names, commandName(c))
	}
	for _, sub := range c.Commands() {
		names = append(names, commandsWith(sub, flag)...)
	}
	return names
}

// noArgs refuses arguments of a command that takes only flags. flag names the
// one that a lone file is probably meant for, "" if there is none.
func noArgs(flag string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := ""
		if flag != "" {
			hint = fmt.Sprintf(", did you mean --%s %s?", flag, args[0])
		}
		return fmt.Errorf("got argument %q, want only flags%s", args[0], hint)
	}
}
