package gocaffecmd

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// widestHelp is the width of help on wide terminals and where there is none.
const widestHelp = 80

// useHelp makes cobra show our help: no line is wider than the terminal, and the
// flags of all commands are listed once, in the program's own help.
func useHelp(root *cobra.Command, out io.Writer) {
	width := func() int { return min(terminalWidth(out), widestHelp) }
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { io.WriteString(c.OutOrStdout(), helpText(c, width())) })
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Describe a command",
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			at, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, sub := range at.Commands() {
				if sub.IsAvailableCommand() {
					names = append(names, sub.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			at := root
			for _, word := range args {
				sub := subcommand(at, word)
				if sub == nil && !at.HasSubCommands() {
					return fmt.Errorf("help: %s has no commands, got %q", commandName(at), word)
				}
				if sub == nil {
					return noSuchCommand(at, word)
				}
				at = sub
			}
			return at.Help()
		},
	})
	root.SetUsageFunc(func(c *cobra.Command) error {
		_, err := io.WriteString(c.OutOrStderr(), usageText(c, width()))
		return err
	})
}

// helpText returns what "gocaffe help COMMAND" shows.
func helpText(c *cobra.Command, width int) string {
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	return reflow(text, width) + "\n" + usageText(c, width)
}

// usageText returns the part of the help that is made from the commands and flags.
func usageText(c *cobra.Command, width int) string {
	var b strings.Builder
	b.WriteString("Usage:\n" + hanging("  ", c.UseLine(), 4, width))
	var rows [][2]string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			rows = append(rows, [2]string{sub.Name(), sub.Short})
		}
	}
	if len(rows) > 0 {
		b.WriteString("\nCommands:\n" + definitions(rows, width))
	}
	if rows := flagRows(c); len(rows) > 0 {
		b.WriteString("\nFlags:\n" + definitions(rows, width))
	}
	b.WriteString("\n")
	if c.HasAvailableSubCommands() {
		b.WriteString(hanging("", fmt.Sprintf("`%s COMMAND --help` describes a command.", c.CommandPath()), 0, width))
	}
	if c.HasParent() {
		b.WriteString(hanging("", fmt.Sprintf("`%s --help` lists the flags of all commands.", c.Root().Name()), 0, width))
	}
	return b.String()
}

// flagRows returns the flags of a command with what they do, without those that all
// commands have unless c is the program itself.
func flagRows(c *cobra.Command) [][2]string {
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	global := c.Root().PersistentFlags()
	var rows [][2]string
	add := func(f *pflag.Flag) {
		if f.Hidden || c.HasParent() && global.Lookup(f.Name) == f {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		} else {
			name = "    " + name
		}
		value, usage := pflag.UnquoteUsage(f)
		if value != "" {
			name += " " + strings.TrimSuffix(value, "Array") // whose values are given one by one
		}
		switch f.DefValue {
		case "", "0", "false", "[]":
		default:
			usage += fmt.Sprintf(" (default: %s)", f.DefValue)
		}
		rows = append(rows, [2]string{name, usage})
	}
	c.LocalFlags().VisitAll(add)
	c.InheritedFlags().VisitAll(add)
	return rows
}

// definitions lays out names with texts beside them or, where that leaves little width,
// below them.
func definitions(rows [][2]string, width int) string {
	column := 0
	for _, r := range rows {
		column = max(column, utf8.RuneCountInString(r[0])+4)
	}
	var b strings.Builder
	for _, r := range rows {
		if column > width/2 {
			fmt.Fprintf(&b, "  %s\n%s", r[0], hanging("        ", r[1], 8, width))
			continue
		}
		b.WriteString(hanging(fmt.Sprintf("  %-*s", column-2, r[0]), r[1], column, width))
	}
	return b.String()
}

// reflow breaks the lines of paragraphs that are wider than width again. Indented
// lines are examples and stay.
func reflow(text string, width int) string {
	var b, paragraph strings.Builder
	widest := 0
	flush := func() {
		if lines := paragraph.String(); widest > width {
			b.WriteString(hanging("", lines, 0, width))
		} else {
			b.WriteString(lines)
		}
		paragraph.Reset()
		widest = 0
	}
	for line := range strings.Lines(strings.Trim(text, "\n") + "\n") {
		if strings.TrimSpace(line) == "" || line[0] == ' ' || line[0] == '\t' {
			flush()
			b.WriteString(strings.ReplaceAll(line, "\t", "    "))
			continue
		}
		paragraph.WriteString(line)
		widest = max(widest, utf8.RuneCountInString(line)-1)
	}
	flush()
	return b.String()
}

// hanging writes words after start, in lines of at most width characters, of which
// the second and later ones begin with indent blanks.
func hanging(start, words string, indent, width int) string {
	var b strings.Builder
	b.WriteString(start)
	at, first := utf8.RuneCountInString(start), true
	for word := range strings.FieldsSeq(words) {
		n := utf8.RuneCountInString(word)
		switch {
		case first:
		case at+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at, first = at+n, false
	}
	b.WriteByte('\n')
	return b.String()
}
