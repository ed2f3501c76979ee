package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/readfile"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
	"github.com/spf13/cobra"
)

func (a *app) checkCommand() *cobra.Command {
	var f netFlags
	cmd := &cobra.Command{
		Use:   "check FILE...",
		Short: "Check nets and solvers, and show what they need",
		Long: `Check nets and solvers without reading data: their layers and every shape, in
both phases. For each correct net, check shows its layers, shapes, weights,
multiply-adds and memory. It prints all errors with file, line and column, and
exits with code 1 if there are any.

--input-shape gives the shape of a data layer or an input. If the source of a data
layer does not exist, the shapes of the net are not checked without the flag, and
a note says so.

Of Python layers, check runs the methods setup and reshape, which may do what
any program can. --no-python runs nothing; then neither Python layers nor the
layers after them are checked, and a note says so.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, paths []string) error {
			synthetic, err := f.generated()
			if err != nil {
				return err
			}
			var errs []error
			for _, path := range paths {
				errs = append(errs, a.checkFile(path, &f, synthetic))
			}
			return errors.Join(errs...)
		},
	}
	f.registerShape(cmd)
	f.registerState(cmd)
	return cmd
}

// checkFile checks a net, or a solver and its nets.
func (a *app) checkFile(path string, f *netFlags, synthetic *net.Synthetic) error {
	text, err := readfile.Text(context.Background(), path)
	if err != nil {
		return err
	}
	if prototxt.KindOf(text) == prototxt.KindSolver {
		file, err := prototxt.LoadSolver(path, text)
		if err != nil {
			return err
		}
		return a.checkSolver(file, f, synthetic)
	}
	file, err := net.Parse(path, text)
	if err != nil {
		return err
	}
	a.remarks(file)
	var results []error
	phases, warned := []caffepb.Phase{caffepb.Phase_TRAIN, caffepb.Phase_TEST}, make(map[string]bool)
	for _, phase := range phases {
		state := netState(file.Param, phase, f.level, f.stages())
		results = append(results, a.checkNet(fmt.Sprintf("%s, phase %v", path, phase), file, state, f, synthetic, warned))
	}
	for i, err := range results {
		if other := results[1-i]; other == nil && onlyState(err) {
			fmt.Fprintf(a.stdout, "note: this is a net for phase %v: it has no data in phase %v, which was not checked\n", phases[1-i], phases[i])
			return nil
		}
	}
	return distinct(results)
}

// onlyState reports whether all that is wrong with a net comes of layers that are
// not part of it in its state.
func onlyState(err error) bool {
	var wrong prototxt.ErrorList
	if !errors.As(err, &wrong) {
		return false
	}
	for _, e := range wrong {
		var state *net.StateError
		if !errors.As(e, &state) {
			return false
		}
	}
	return len(wrong) > 0
}

func (a *app) checkSolver(file *prototxt.Solver, f *netFlags, synthetic *net.Synthetic) error {
	fmt.Fprintf(a.stdout, "%s: solver\n", file.File)
	for _, e := range solver.Lint(file) {
		fmt.Fprintf(a.stdout, "warning: %v\n", e)
	}
	nets, err := solver.Nets(file, solver.Options{Level: int(f.level), Stages: f.stages()})
	errs := []error{err}
	remarked, warned := make(map[string]bool), make(map[string]bool)
	for _, n := range nets {
		if !remarked[n.Net.File] {
			remarked[n.Net.File] = true
			a.remarks(n.Net)
		}
		err := a.checkNet(fmt.Sprintf("%s: %s", file.File, n.Name), n.Net, n.State, f, synthetic, warned)
		errs = append(errs, err)
		if onlyState(err) {
			errs = append(errs, n.Reason)
		}
	}
	return distinct(errs)
}

// remarks prints what was upgraded in a net's file, and what in it is valid but
// probably a mistake.
func (a *app) remarks(file *prototxt.Net) {
	for _, n := range file.Notes {
		fmt.Fprintf(a.stdout, "note: %s\n", n.Text)
	}
	for _, e := range prototxt.Lint(file) {
		fmt.Fprintf(a.stdout, "warning: %v\n", e)
	}
}

// checkNet builds a net with generated data instead of its data layers and prints
// its plan, after the warnings of the net and its layers that are not in warned yet.
func (a *app) checkNet(title string, file *prototxt.Net, state *caffepb.NetState, f *netFlags, synthetic *net.Synthetic, warned map[string]bool) error {
	var warnings []string
	n, absent, wrong := a.buildForShapes(file, state, f, synthetic, event.Multi(programOutput{a}, event.Func(func(e any) {
		if note, ok := e.(*event.Note); ok && note.Level != event.Info && !warned[note.Text] {
			warned[note.Text] = true
			warnings = append(warnings, note.Text)
		}
	})))
	fmt.Fprintf(a.stdout, "\n%s\n", title)
	for _, text := range warnings {
		fmt.Fprintf(a.stdout, "warning: %s\n", text)
	}
	for _, e := range absent {
		fmt.Fprintf(a.stdout, "note: %v\n", e)
	}
	switch {
	case onlyState(wrong):
		fmt.Fprintln(a.stdout, "lacks layers of another phase, level or stage")
		return wrong
	case len(wrong) > 0:
		fmt.Fprintln(a.stdout, "has errors")
		return wrong
	case onlyPrograms(absent):
		fmt.Fprintln(a.stdout, "note: the shapes after these layers are not checked with --no-python")
		return nil
	case len(absent) > 0:
		fmt.Fprintln(a.stdout, "note: the shapes of this net are not checked without data; --input-shape C,H,W gives its shape")
		return nil
	}
	defer n.Close()
	fmt.Fprint(a.stdout, n.Plan())
	return nil
}

// onlyPrograms reports whether the errors are all about programs that were not run.
func onlyPrograms(list prototxt.ErrorList) bool {
	for _, e := range list {
		var program *net.SkippedError
		if !errors.As(e, &program) {
			return false
		}
	}
	return len(list) > 0
}

// sortErrors separates the errors about data that does not exist, and about programs
// that were not run, from the other errors of a net.
func sortErrors(err error) (absent, wrong prototxt.ErrorList) {
	var list prototxt.ErrorList
	var single *prototxt.Error
	switch {
	case err == nil:
		return nil, nil
	case errors.As(err, &list):
	case errors.As(err, &single):
		list = prototxt.ErrorList{single}
	default:
		return nil, prototxt.ErrorList{{Err: err}}
	}
	for _, e := range list {
		var program *net.SkippedError
		if errors.Is(e, fs.ErrNotExist) || errors.As(e, &program) {
			absent = append(absent, e)
		} else {
			wrong = append(wrong, e)
		}
	}
	return absent, wrong
}

// distinct joins errors without repeated lines: most errors of a net are errors in
// both phases.
func distinct(errs []error) error {
	seen := make(map[string]bool)
	var lines []string
	for _, err := range errs {
		if err == nil {
			continue
		}
		for line := range strings.Lines(err.Error()) {
			if line = strings.TrimSuffix(line, "\n"); !seen[line] {
				seen[line] = true
				lines = append(lines, line)
			}
		}
	}
	if lines == nil {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}
