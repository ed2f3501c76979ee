package gocaffecmd

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/gocaffe/gocaffe/caffelog"
	"github.com/gocaffe/gocaffe/internal/atomicfile"
	"github.com/gocaffe/gocaffe/internal/readfile"
	"github.com/spf13/cobra"
)

func (a *app) parseLogCommand() *cobra.Command {
	var verbose bool
	delimiter := ","
	cmd := &cobra.Command{
		Use:   "parse-log LOG [DIR]",
		Short: "Convert a log of training to CSV files",
		Long: `Convert a log of training, of Caffe or gocaffe, to the files LOG.train and
LOG.test in the folder DIR (default: the working folder), as Caffe's parse_log.py
does. Their columns are NumIters, Seconds, LearningRate and the outputs of the
net. The results of a second test net are in LOG.test1, and so on.

As with parse_log.py, Seconds counts from the first run in the log, and
LearningRate is the rate that the log has last before the row.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			comma, err := delimiterRune(delimiter)
			if err != nil {
				return err
			}
			dir := append(args, ".")[1]
			return a.parseLog(args[0], dir, comma, verbose)
		},
	}
	cmd.Flags().BoolVar(&verbose, "verbose", false, "print the names of the files")
	cmd.Flags().StringVar(&delimiter, "delimiter", delimiter, "character between columns; \\t is a tab")
	return cmd
}

// delimiterRune returns the character of --delimiter.
func delimiterRune(text string) (rune, error) {
	if text == `\t` {
		return '\t', nil
	}
	r, size := utf8.DecodeRuneInString(text)
	if size == 0 || size != len(text) || r == utf8.RuneError || strings.ContainsRune("\"\r\n", r) {
		return 0, fmt.Errorf("--delimiter is %q, want one character, not a quote or a line's end", text)
	}
	return r, nil
}

// parseLog writes the files of a log.
func (a *app) parseLog(path, dir string, delimiter rune, verbose bool) error {
	log, err := readLog(path)
	if err != nil {
		return err
	}
	tables := map[string][]caffelog.Row{".train": log.Train, ".test": nil}
	endings := []string{".train", ".test"}
	for i, rows := range log.Test {
		if i == 0 {
			tables[".test"] = rows
			continue
		}
		ending := fmt.Sprintf(".test%d", i)
		tables[ending] = rows
		endings = append(endings, ending)
	}
	for _, ending := range endings {
		file := filepath.Join(dir, filepath.Base(path)+ending)
		written := 0
		for _, r := range tables[ending] {
			if len(r.Outputs) > 0 {
				written++
			}
		}
		if written == 0 {
			if verbose {
				fmt.Fprintf(a.stdout, "Not writing %s; no lines to write\n", file)
			}
			continue
		}
		err := atomicfile.Write(file, func(w io.Writer) error {
			return caffelog.WriteCSV(w, tables[ending], delimiter)
		})
		if err != nil {
			return err
		}
		if verbose {
			fmt.Fprintf(a.stdout, "Wrote %s\n", file)
		}
	}
	return nil
}

// readLog reads a log of training.
func readLog(path string) (*caffelog.Log, error) {
	f, _, err := readfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	log, err := caffelog.Parse(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(log.Train) == 0 && len(log.Test) == 0 {
		return nil, fmt.Errorf("%s: no iterations in it, want the log of caffe train or gocaffe train", path)
	}
	return log, nil
}
