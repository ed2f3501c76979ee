// Manual writes the files that a package installs next to the program: a manual page
// for each command, generated from its help, and completions for shells.
//
//	manual [-version VERSION] [-date SECONDS] DIR
//
// Pages are in DIR/man1, completions in DIR/completions. The date on the pages is an
// argument, so the same source always gives the same files.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	gocaffecmd "github.com/gocaffe/gocaffe/cmd"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	_ "github.com/gocaffe/gocaffe/layers/all" // for the names of types in help
	_ "github.com/gocaffe/gocaffe/plugins/all"
)

func main() {
	version := flag.String("version", "(devel)", "version on the pages")
	date := flag.Int64("date", 0, "date on the pages, in seconds since 1970")
	flag.Parse()
	for _, variable := range os.Environ() { // which change the defaults of flags
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "GLOG_") {
			os.Unsetenv(name)
		}
	}
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(flag.Arg(0), *version, time.Unix(*date, 0).UTC()); err != nil {
		fmt.Fprintln(os.Stderr, "manual:", err)
		os.Exit(1)
	}
}

// write writes all files.
func write(dir, version string, date time.Time) error {
	root := gocaffecmd.Command()
	root.DisableAutoGenTag = true
	root.Long += "\n\nThe commands:\n\n" + commandList(root)
	pages, completions := filepath.Join(dir, "man1"), filepath.Join(dir, "completions")
	if err := errors.Join(os.MkdirAll(pages, 0o777), os.MkdirAll(completions, 0o777)); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "tools"), []byte(strings.Join(gocaffecmd.ToolNames(), "\n")+"\n"), 0o666),
		writePages(root, pages, version, date),
		root.GenBashCompletionFileV2(filepath.Join(completions, "gocaffe.bash"), true),
		root.GenZshCompletionFile(filepath.Join(completions, "_gocaffe")),
		root.GenFishCompletionFile(filepath.Join(completions, "gocaffe.fish"), true),
		root.GenPowerShellCompletionFileWithDesc(filepath.Join(completions, "gocaffe.ps1")),
	)
}

// commandList returns a line for each command, indented as an example is.
func commandList(root *cobra.Command) string {
	var list strings.Builder
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			fmt.Fprintf(&list, "\t%-*s  %s\n", c.NamePadding(), c.Name(), c.Short)
		}
	}
	return list.String()
}

// writePages writes the page of each command.
func writePages(root *cobra.Command, dir, version string, date time.Time) error {
	return doc.GenManTree(root, &doc.GenManHeader{
		Section: "1",
		Source:  "gocaffe " + version,
		Manual:  "gocaffe",
		Date:    &date,
	}, dir)
}
