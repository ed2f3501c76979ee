// Results repeats the experiments of Wang et al., "Ensemble Soft-Margin Softmax Loss for
// Image Classification" (IJCAI 2018), and writes a page with their tables and figures.
//
//	results -gocaffe BIN -out DIR -page FILE [-kept FILE] [-scale quarter] [-tables "mnist cifar10"]
//	        [-mnist DIR] [-cifar10 DIR] [-cifar100 DIR] [-imagenet32 DIR] [-gpu 0] [-jobs N]
//
// Each training has a folder in DIR with its net, its solver, its log and its result. What is
// there is not done again; a training that was interrupted goes on from its last snapshot,
// and ends with the same numbers to the last digit. The results of all trainings are also
// kept in the file -kept, from which another machine can go on. The page shows all tables of the scale
// whose runs are there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A program is what the flags say.
type program struct {
	binary, out, data, page string
	scale                   scale
	sources                 map[string]string // folders of the datasets' files, by the argument of gocaffe convert
	gpu                     string
	jobs, threads           int

	mutex sync.Mutex
	kept  kept
	texts map[string][2]string // of the zoo's nets and solvers
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := start(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "results:", err)
		if errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, "results: the same command goes on from here")
		}
		stop()
		os.Exit(1)
	}
}

func start(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("results", flag.ContinueOnError)
	p := &program{sources: make(map[string]string)}
	flags.StringVar(&p.binary, "gocaffe", "bin/gocaffe", "the program")
	flags.StringVar(&p.out, "out", "results", "folder of the runs and the databases")
	flags.StringVar(&p.page, "page", "", "page to write; its images go to a folder images beside it")
	size := flags.String("scale", "quarter", "full, half or quarter")
	tables := flags.String("tables", "mnist cifar10", "what to run: "+strings.Join(tableNames(), " "))
	file := flags.String("kept", "", "file that keeps the results; {scale} in its name stands for the scale")
	flags.StringVar(&p.gpu, "gpu", "", "GPU to compute on")
	flags.IntVar(&p.jobs, "jobs", 0, "trainings at a time (default: one per core, or one on a GPU)")
	for _, files := range []string{"mnist", "cifar10", "cifar100", "imagenet32"} {
		flags.Func(files, "folder with the files of "+files, func(dir string) (err error) {
			if dir != "" {
				p.sources[files], err = filepath.Abs(dir)
			}
			return err
		})
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var err error
	if p.scale, err = scaleNamed(*size); err != nil {
		return err
	}
	for _, path := range []*string{&p.binary, &p.out} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	p.data = filepath.Join(p.out, "data")
	if err := p.kept.load(strings.ReplaceAll(*file, "{scale}", p.scale.name), filepath.Join(p.out, p.scale.name)); err != nil {
		return err
	}
	if p.jobs == 0 {
		p.jobs = runtime.NumCPU()
		if p.gpu != "" {
			p.jobs = 1
		}
	}
	p.threads = max(1, runtime.NumCPU()/p.jobs)
	for _, name := range strings.Fields(*tables) {
		if err := p.table(ctx, name); err != nil {
			return err
		}
	}
	if p.page == "" {
		return nil
	}
	return p.writePage()
}

// all does those of the runs that are missing, several at a time.
func (p *program) all(ctx context.Context, runs []run) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, p.jobs)
	var wait sync.WaitGroup
	seen := make(map[string]bool)
	for i, r := range runs {
		dir, _, _, err := p.dir(r)
		var res *result
		if err == nil {
			res, err = p.stored(r)
		}
		if err != nil {
			cancel(err) // those that run are to end
			break
		}
		if res != nil || seen[dir] {
			continue
		}
		seen[dir] = true
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		wait.Go(func() {
			defer func() { <-slots }()
			begin := time.Now()
			if err := p.execute(ctx, r); err != nil {
				cancel(err)
				return
			}
			res, err := p.stored(r)
			if err != nil {
				cancel(err)
				return
			}
			fmt.Fprintf(os.Stderr, "%d of %d: %s: %.2f %% in %.0f s\n", i+1, len(runs), r.title(), res.Accuracy, time.Since(begin).Seconds())
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}
