package gocaffecmd

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
	"github.com/spf13/cobra"
)

func (a *app) checkCommand() *cobra.Command {
	var f netFlags
	cmd := &cobra.Command{
		Use:   "check FILE...",
		Short: "Find what is wrong with nets and solvers, and show what they need",
		Long: `Read nets and solvers, resolve their layers and check every shape, in both
phases, without touching data. A data layer whose source is not there takes its
shape from --input-shape; without that flag the shapes of its net are not
checked, and a note says so. For each net that is right, its layers, shapes,
weights, multiply-adds and memory are shown. Everything wrong is printed with
file, line and column, and the exit code is 1.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, paths []string) error {
			shape, err := parseShape(f.inputShape)
			if err != nil {
				return err
			}
			var errs []error
			for _, path := range paths {
				errs = append(errs, a.checkFile(path, &f, shape))
			}
			return errors.Join(errs...)
		},
	}
	f.registerShape(cmd)
	cmd.Flags().IntVar(&f.level, "level", 0, "level of the nets' state")
	cmd.Flags().StringVar(&f.stage, "stage", "", "stages of the nets' state, with commas between")
	return cmd
}

// checkFile checks a net or a solver with its nets.
func (a *app) checkFile(path string, f *netFlags, shape []int) error {
	file, err := prototxt.ReadNet(path)
	if err != nil {
		solverFile, solverErr := prototxt.ReadSolver(path)
		switch {
		case solverErr == nil:
			return a.checkSolver(solverFile, f, shape)
		case errorCount(solverErr) < errorCount(err):
			return solverErr
		}
		return err
	}
	var errs []error
	for _, phase := range []caffepb.Phase{caffepb.Phase_TRAIN, caffepb.Phase_TEST} {
		state := netState(file.Param, phase, f.level, f.stages())
		errs = append(errs, a.checkNet(fmt.Sprintf("%s, phase %v", path, phase), file, state, f, shape))
	}
	return distinct(errs)
}

// errorCount returns how many errors a file has.
func errorCount(err error) int {
	var list prototxt.ErrorList
	if errors.As(err, &list) {
		return len(list)
	}
	return 1
}

func (a *app) checkSolver(file *prototxt.Solver, f *netFlags, shape []int) error {
	fmt.Fprintf(a.stdout, "%s: solver\n", file.File)
	nets, err := solver.Nets(file, solver.Options{Level: f.level, Stages: f.stages()})
	errs := []error{err}
	for _, n := range nets {
		errs = append(errs, a.checkNet(fmt.Sprintf("%s: %s", file.File, n.Name), n.Net, n.State, f, shape))
	}
	return distinct(errs)
}

// checkNet builds a net with made-up data in place of its data layers and
// shows its plan.
func (a *app) checkNet(title string, file *prototxt.Net, state *caffepb.NetState, f *netFlags, shape []int) error {
	opts := net.Options{State: state, Workers: a.workers, Synthetic: &net.Synthetic{Batch: f.batch}}
	n, err := net.New(file, opts)
	if err != nil && onlyAbsent(err) && shape != nil {
		opts.Synthetic.Shape = shape
		n, err = net.New(file, opts)
	}
	fmt.Fprintf(a.stdout, "\n%s\n", title)
	switch {
	case err != nil && onlyAbsent(err):
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(a.stdout, "note: %s\n", strings.TrimSuffix(line, "\n"))
		}
		fmt.Fprintln(a.stdout, "note: the shapes of this net are not checked; --input-shape C,H,W gives the shape of the data")
		return nil
	case err != nil:
		fmt.Fprintln(a.stdout, "has errors")
		return err
	}
	defer n.Close()
	fmt.Fprint(a.stdout, n.Plan())
	return nil
}

// onlyAbsent tells whether all that is wrong is that data is not there.
func onlyAbsent(err error) bool {
	var list prototxt.ErrorList
	if errors.As(err, &list) {
		for _, e := range list {
			if !onlyAbsent(e.Err) {
				return false
			}
		}
		return true
	}
	var source *net.SourceError
	return errors.As(err, &source) && errors.Is(source.Err, fs.ErrNotExist)
}

// distinct joins errors and leaves out repeated lines: most of what is wrong
// with a net is wrong in both phases.
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
