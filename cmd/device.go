package gocaffecmd

import (
	"fmt"
	"runtime"

	"github.com/gocaffe/gocaffe/internal/kernel"
	"github.com/spf13/cobra"
)

func (a *app) deviceQueryCommand() *cobra.Command {
	var f netFlags
	cmd := &cobra.Command{
		Use:     "device_query",
		Aliases: []string{"device-query"},
		Short:   "Show what the program can compute on",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			a.glog.logf("caffe.cpp:138", "Querying GPUs %s", f.gpu)
			if err := f.checkDevice(); err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "CPU: %d processors, %d threads, kernels for %s\n",
				runtime.NumCPU(), a.workers.Threads(), kernel.Variant())
			fmt.Fprintf(a.stdout, "     %.0f GFLOP/s multiply-add peak, %.1f GB/s memory\n",
				kernel.PeakFlops(a.workers), kernel.PeakBandwidth(a.workers))
			fmt.Fprintln(a.stdout, "GPU: none: this version computes on the CPU only")
			return nil
		},
	}
	cmd.Flags().StringVar(&f.gpu, "gpu", "", "GPUs to query: numbers with commas between, or all")
	return cmd
}
