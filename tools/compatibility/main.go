// Compatibility checks the nets and solvers of folders, such as clones of repositories of
// Caffe's forks, with gocaffe check, and prints a table of how many are accepted and why
// the others are not.
//
//	compatibility [-gocaffe BIN] [-page FILE] [-v] FOLDER[=DIALECT]...
//
// Folders are named OWNER/REPOSITORY. Their nets are read in the given dialect. Files that
// are the same count once. Every refused file has one reason: a layer type or field that
// gocaffe does not have ("missing"), or something that Caffe refuses too; -v shows the
// errors of each. With -page the table takes the place of the one in a Markdown page,
// between the lines <!-- totals --> and <!-- end of totals -->.
package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/prototxt"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "compatibility:", err)
		os.Exit(1)
	}
}

// A program is what the flags say.
type program struct {
	gocaffe string
	verbose io.Writer // receives the errors of refused files; nil for nobody
}

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("compatibility", flag.ContinueOnError)
	flags.SetOutput(stderr)
	gocaffe := flags.String("gocaffe", "bin/gocaffe", "the program")
	page := flags.String("page", "", "Markdown page whose table is replaced")
	verbose := flags.Bool("v", false, "show the errors of refused files")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("want folders with prototxt files")
	}
	binary, err := filepath.Abs(*gocaffe)
	if err != nil {
		return err
	}
	p := &program{gocaffe: binary}
	if *verbose {
		p.verbose = stdout
	}
	var all []*folder
	seen := make(map[[sha256.Size]byte]bool) // files of earlier folders
	for _, arg := range flags.Args() {
		path, dialect, _ := strings.Cut(arg, "=")
		f, err := p.check(path, dialect, seen)
		if err != nil {
			return err
		}
		all = append(all, f)
	}
	table := table(all)
	if *page == "" {
		_, err := io.WriteString(stdout, table)
		return err
	}
	return replaceTable(*page, table)
}

// A folder is what was found in one.
type folder struct {
	name, dialect string
	nets, solvers tally
}

// A tally counts files by what became of them.
type tally struct {
	accepted int
	refused  map[string]int // by reason, as Caffe refuses them
	missing  map[string]int // by what gocaffe does not have
}

func sum(counts map[string]int) int {
	n := 0
	for _, k := range counts {
		n += k
	}
	return n
}

func (t *tally) total() int { return t.accepted + sum(t.refused) + sum(t.missing) }

// check checks the files of a folder that are not in seen.
func (p *program) check(path, dialect string, seen map[[sha256.Size]byte]bool) (*folder, error) {
	f := &folder{dialect: dialect}
	for _, t := range []*tally{&f.nets, &f.solvers} {
		t.refused, t.missing = make(map[string]int), make(map[string]int)
	}
	root, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	f.name = filepath.Base(filepath.Dir(root)) + "/" + filepath.Base(root)
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || !slices.Contains([]string{".prototxt", ".pt"}, filepath.Ext(file)) {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		key := sha256.Sum256(text)
		if seen[key] {
			return nil
		}
		seen[key] = true
		inside, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		kind := prototxt.KindOf(text)
		if kind == prototxt.KindUnknown {
			return nil // a list of labels, or such
		}
		out, err := p.gocaffeCheck(root, inside, dialect, kind)
		if err != nil {
			return err
		}
		t := &f.nets
		if kind == prototxt.KindSolver {
			t = &f.solvers
		}
		reason, isMissing := judge(inside, out)
		switch {
		case reason == "":
			t.accepted++
			return nil
		case isMissing:
			t.missing[reason]++
		default:
			t.refused[reason]++
		}
		if p.verbose != nil {
			fmt.Fprintf(p.verbose, "%s: %s\n%s\n", filepath.Join(f.name, inside), reason, strings.Join(out, "\n"))
		}
		return nil
	})
	return f, err
}

// gocaffeCheck returns the errors of a file. Of a solver only its own text counts: its
// nets are files of the folder themselves, where they are there at all.
func (p *program) gocaffeCheck(root, file, dialect string, kind prototxt.Kind) ([]string, error) {
	args := []string{"check", file}
	if dialect != "" {
		args = append(args, "--dialect", dialect)
	}
	cmd := exec.Command(p.gocaffe, args...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil, nil
	case !errors.As(err, &exit):
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(stderr.String()) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "gocaffe: ")
		if kind == prototxt.KindSolver && (!strings.HasPrefix(line, file+":") || strings.Contains(line, "no such file")) {
			continue
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// replaceTable writes a table into a page.
func replaceTable(page, table string) error {
	const begin, end = "<!-- totals -->\n", "<!-- end of totals -->\n"
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s: want lines %q and %q", page, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return os.WriteFile(page, []byte(before+begin+table+end+after), 0o666)
}
