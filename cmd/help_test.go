package gocaffecmd

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// TestHelp: no line of any help is wider than the terminal, and only the program's
// own lists the flags of all commands.
func TestHelp(t *testing.T) {
	commands := 0
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		commands++
		for _, width := range []int{80, 60, 40} {
			for line := range strings.Lines(helpText(c, width)) {
				line = strings.TrimSuffix(line, "\n")
				if strings.HasPrefix(line, " ") && width < widestHelp {
					continue // examples, and words that are wide by themselves
				}
				if n := utf8.RuneCountInString(line); n > width || strings.Contains(line, "\t") {
					t.Errorf("%s, width %d: a line of %d characters:\n%s", c.CommandPath(), width, n, line)
				}
			}
		}
		if got, want := strings.Contains(helpText(c, 80), "--minloglevel"), !c.HasParent(); got != want {
			t.Errorf("%s lists the flags of all commands: %v, want %v", c.CommandPath(), got, want)
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(Command())
	if commands < 20 {
		t.Errorf("%d commands were looked at", commands)
	}
	code, asked, _ := run("help", "convert", "mnist")
	_, flagged, _ := run("convert", "mnist", "--help")
	for _, want := range []string{"Usage:\n  gocaffe convert mnist DATA DIR", "\n      --backend string  kind of database", "\n  -h, --help            help for mnist\n"} {
		if code != 0 || asked != flagged || !strings.Contains(asked, want) {
			t.Errorf("help convert mnist: exit code %d, like --help: %v, want %q in\n%s", code, asked == flagged, want, asked)
		}
	}
}

func TestReflow(t *testing.T) {
	const text = "One two three\nfour five.\n\n\tan example stays as it is\nSix."
	for width, want := range map[int]string{
		13: "One two three\nfour five.\n\n    an example stays as it is\nSix.\n",
		10: "One two\nthree four\nfive.\n\n    an example stays as it is\nSix.\n",
	} {
		if got := reflow(text, width); got != want {
			t.Errorf("width %d: got\n%swant\n%s", width, got, want)
		}
	}
	const narrow = "  --a\n        what a does\n        and more\n"
	if got := definitions([][2]string{{"--a", "what a does and more"}, {"--abcdefgh", "b"}}, 20); !strings.HasPrefix(got, narrow) {
		t.Errorf("got\n%swant\n%s", got, narrow)
	}
}
