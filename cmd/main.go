// Package gocaffecmd is the command line of gocaffe. A program with more layers
// imports their packages and calls Main:
//
//	package main
//
//	import (
//		gocaffecmd "github.com/gocaffe/gocaffe/cmd"
//
//		_ "example.com/mylayer"
//		_ "github.com/gocaffe/gocaffe/layers/all"
//	)
//
//	func main() { gocaffecmd.Main() }
package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
	"github.com/spf13/cobra"
)

// Main runs the command line of the program and exits: with code 0, or 1 after an
// error. If the program was called by the name of one of Caffe's tools, such as
// convert_imageset, through a link, it does that tool's work.
func Main() {
	os.Exit(Run(calledAs(os.Args[0], os.Args[1:]), os.Stdout, os.Stderr))
}

// Run runs a command line and returns its exit code. It writes results to stdout,
// the log and errors to stderr.
func Run(args []string, stdout, stderr io.Writer) int {
	out := &outputWriter{w: stdout}
	colour := hasColour(stderr)
	a := &app{stdout: out, stderr: stderr, glog: &glog{out: stderr, now: time.Now, pid: os.Getpid(), colour: colour}}
	root := a.root()
	args, err := caffeArgs(root, args)
	if err == nil {
		err = layers.Check()
	}
	if err == nil {
		root.SetArgs(args)
		root.SetOut(out)
		root.SetErr(stderr)
		err = root.ExecuteContext(context.Background())
	}
	if !a.abandoned {
		a.workers.Close()
	}
	a.fork.done()
	if closeErr := a.glog.close(); err == nil && closeErr != nil {
		err = fmt.Errorf("--log-dir: %w", closeErr)
	}
	if err == nil && out.err != nil {
		err = fmt.Errorf("the output is incomplete: %w", out.err)
	}
	if err != nil {
		prefix := "gocaffe:"
		if colour {
			prefix = coloured(event.Error, prefix)
		}
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(stderr, "%s %s\n", prefix, shortened(strings.TrimSuffix(line, "\n")))
		}
		return 1
	}
	return 0
}

// shortened returns a line of an error message without what a terminal cannot show:
// a message may repeat a word of the command line that is megabytes long.
func shortened(line string) string {
	const most, ends = 4096, 1024
	if len(line) <= most {
		return line
	}
	return strings.ToValidUTF8(fmt.Sprintf("%s ... (%d bytes left out) ... %s", line[:ends], len(line)-2*ends, line[len(line)-ends:]), "")
}

// Command returns the program's commands and flags, for documentation made from
// them. To run a command line, call Run, which also understands Caffe's spelling.
func Command() *cobra.Command {
	root := (&app{stdout: os.Stdout, stderr: os.Stderr, glog: new(glog)}).root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

// outputWriter keeps the first error of writing the output, so that a result
// that is lost, on a full disk say, is not reported as success.
type outputWriter struct {
	w   io.Writer
	err error
}

func (o *outputWriter) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// An app is one run of the program.
type app struct {
	stdout, stderr io.Writer
	glog           *glog
	workers        *parallel.Pool
	fork           forkFlags
	fullLog        bool // stderr shows the log, not a progress line
	abandoned      bool // a signal came while something was loaded, which goes on until the program ends

	threads      int
	minLogLevel  int
	verbosity    int
	logDir       string
	logToStderr  bool
	alsoToStderr bool
	threshold    int
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "gocaffe COMMAND",
		Short: "Train, test and time Caffe nets",
		Long: `Train, test and time Caffe nets.

gocaffe reads Caffe's prototxt and caffemodel files, accepts the flags of the
caffe program, with one dash or two and anywhere on the command line, and
writes the same log.

On a terminal, training shows a progress line; --logtostderr shows the log.`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.setUp(cmd) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if version, err := cmd.Flags().GetBool("version"); err != nil || version {
				io.WriteString(cmd.OutOrStdout(), versionText())
				return err
			}
			cmd.Help()
			return errors.New("no command was given")
		},
	}
	root.SetGlobalNormalizationFunc(dashed)
	root.SetFlagErrorFunc(flagError)
	root.Flags().Bool("version", false, "print the version") // without cobra's -v, which is glog's
	f := root.PersistentFlags()
	f.IntVar(&a.threads, "threads", 0, "number of threads (default: one per core)")
	f.IntVar(&a.minLogLevel, "minloglevel", envInt("GLOG_minloglevel", 0), "lowest level to log: 0 info, 1 warning, 2 error")
	f.BoolVar(&a.logToStderr, "logtostderr", os.Getenv("GLOG_logtostderr") == "1", "show the log instead of a progress line on a terminal")
	f.BoolVar(&a.alsoToStderr, "alsologtostderr", os.Getenv("GLOG_alsologtostderr") == "1", "same as --logtostderr")
	f.StringVar(&a.logDir, "log-dir", os.Getenv("GLOG_log_dir"), "also write the log to a file in this folder")
	f.IntVar(&a.threshold, "stderrthreshold", 0, "accepted for compatibility with Caffe; --minloglevel decides what stderr shows")
	f.IntVar(&a.verbosity, "v", 0, "accepted for compatibility with Caffe; there are no verbose log lines")
	a.fork.register(f)
	f.String("flagfile", "", "read flags from this file, one per line")
	f.MarkHidden("stderrthreshold")
	f.MarkHidden("v")
	root.AddCommand(
		a.trainCommand(), a.testCommand(), a.timeCommand(), a.deviceQueryCommand(),
		a.checkCommand(), a.weightsCommand(), a.deployCommand(),
		a.classifyCommand(), a.detectCommand(), a.segmentCommand(), a.extractFeaturesCommand(), a.zooCommand(), a.convertCommand(), a.computeMeanCommand(),
		a.parseLogCommand(), a.plotCommand(), a.drawCommand(), a.summarizeCommand(), a.upgradeNetCommand(), a.upgradeSolverCommand(),
		a.layersCommand(), a.buildCommand(), a.newLayerCommand(),
		a.demoCommand(), a.benchCommand(), a.installCompatCommand(), a.versionCommand(),
	)
	useHelp(root, a.stdout)
	explainArgs(root)
	addCompletions(root)
	return root
}

// setUp applies the flags of all commands.
func (a *app) setUp(cmd *cobra.Command) error {
	if a.threads < 0 || a.threads > math.MaxInt16 {
		return fmt.Errorf("--threads is %d, want 0 (one per core) to %d", a.threads, math.MaxInt16)
	}
	if err := a.fork.use(); err != nil {
		return err
	}
	a.workers = parallel.NewPool(a.threads)
	a.glog.min = a.minLogLevel
	a.fullLog = a.logToStderr || a.alsoToStderr || !isTerminal(a.stderr)
	if a.logDir != "" {
		return a.glog.openFile(a.logDir)
	}
	return nil
}
