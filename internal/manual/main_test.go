package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	gocaffecmd "github.com/gocaffe/gocaffe/cmd"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestPages finds every word of the help in the page of its command. The text
// becomes Markdown and then roff, and both have characters that mean something.
func TestPages(t *testing.T) {
	dir := t.TempDir()
	if err := write(dir, "v1.2.3", time.Unix(1795773637, 0).UTC()); err != nil {
		t.Fatal(err)
	}
	unescape := strings.NewReplacer(`\-`, "-", `\e`, `\`, `\&`, "")
	pages := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		text, err := os.ReadFile(filepath.Join(dir, "man1", name+".1"))
		if err != nil {
			t.Error(err)
			return
		}
		pages++
		page := unescape.Replace(string(text))
		if want := `"Nov 2026" "gocaffe v1.2.3" "gocaffe"`; !strings.Contains(page, want) {
			t.Errorf("%s does not have %s", name, want)
		}
		// cobra's own help has headings, marked by #.
		for word := range strings.FieldsSeq(c.Long + " " + c.Short) {
			if !strings.Contains(page, word) && strings.Trim(word, "#") != "" {
				t.Errorf("%s: the word %q of the help is missing", name, word)
			}
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && (!strings.Contains(page, "--"+f.Name) || !strings.Contains(page, strings.Fields(f.Usage)[0])) {
				t.Errorf("%s: the flag --%s is missing", name, f.Name)
			}
		})
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				walk(sub)
			}
		}
	}
	walk(gocaffecmd.Command())
	if pages < 20 {
		t.Errorf("only %d commands have a page", pages)
	}
	root, err := os.ReadFile(filepath.Join(dir, "man1", "gocaffe.1"))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`compute-mean +Compute the mean`).Match(root) {
		t.Errorf("gocaffe.1 does not list the commands:\n%s", root)
	}
	tools, err := os.ReadFile(filepath.Join(dir, "tools"))
	if err != nil || !strings.Contains(string(tools), "caffe\n") || !strings.Contains(string(tools), "\nparse_log.py\n") {
		t.Errorf("the names of Caffe's tools are %q (%v)", tools, err)
	}
	for _, name := range []string{"gocaffe.bash", "_gocaffe", "gocaffe.fish", "gocaffe.ps1"} {
		text, err := os.ReadFile(filepath.Join(dir, "completions", name))
		if err != nil || !strings.Contains(string(text), "__complete") {
			t.Errorf("%s does not ask gocaffe for completions: %v", name, err)
		}
	}
}
