package gocaffecmd

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/cuda/driver"
	"github.com/gocaffe/gocaffe/cuda/lib"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/spf13/cobra"
)

func (a *app) deviceQueryCommand() *cobra.Command {
	var gpu string
	cmd := &cobra.Command{
		Use:     "device_query",
		Aliases: []string{"device-query"},
		Short:   "Show the CPU and the GPUs that gocaffe can use",
		Args:    noArgs(""),
		RunE: func(*cobra.Command, []string) error {
			if gpu != "" {
				if err := checkGPUs(gpu); err != nil {
					return err
				}
				a.glog.logf("caffe.cpp:138", "Querying GPUs %s", gpu)
			}
			drv, err := driver.Open()
			if err != nil && gpu != "" {
				return fmt.Errorf("--gpu %s: %w", gpu, err)
			}
			fmt.Fprintf(a.stdout, "CPU: %d processors, %d threads, kernels for %s\n",
				runtime.NumCPU(), a.workers.Threads(), kernel.Variant())
			fmt.Fprintf(a.stdout, "     %.0f GFLOP/s multiply-add peak, %.1f GB/s memory\n",
				kernel.PeakFlops(a.workers), kernel.PeakBandwidth(a.workers))
			if err != nil {
				fmt.Fprintf(a.stdout, "GPU: none: %v\n", err)
				return nil
			}
			return a.queryGPUs(drv, gpu)
		},
	}
	cmd.Flags().StringVar(&gpu, "gpu", "", "GPUs to query: numbers separated by commas, or all")
	return cmd
}

// queryGPUs writes what the driver reports about the selected GPUs.
func (a *app) queryGPUs(drv driver.Driver, gpu string) error {
	n, err := drv.DeviceCount()
	if err != nil {
		return err
	}
	numbers, err := gpuNumbers(gpu, n)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "GPU: %s, CUDA %s\n", drv.Library(), driver.VersionString(drv.Version()))
	for _, number := range numbers {
		if err := a.queryGPU(drv, driver.Device(number)); err != nil {
			return fmt.Errorf("GPU %d: %w", number, err)
		}
	}
	return nil
}

// gpuNumbers parses the value of --gpu where there are n GPUs: numbers below n, or
// "all" or "" for all of them.
func gpuNumbers(gpu string, n int) ([]int, error) {
	var numbers []int
	if gpu == "" || gpu == "all" {
		for i := range n {
			numbers = append(numbers, i)
		}
		return numbers, nil
	}
	for word := range strings.SplitSeq(gpu, ",") {
		i, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || i < 0 {
			return nil, fmt.Errorf("--gpu %s: %q is not the number of a GPU, want numbers separated by commas, or all", gpu, word)
		}
		if i >= n {
			return nil, fmt.Errorf("--gpu %s: there is no GPU %d: the driver finds %d, numbered from 0", gpu, i, n)
		}
		numbers = append(numbers, i)
	}
	return numbers, nil
}

// checkGPUs refuses a value of --gpu that is wrong on any machine, so that it is not
// a missing driver that the user hears of.
func checkGPUs(gpu string) error {
	if gpu == "all" {
		return nil
	}
	_, err := gpuNumbers(gpu, math.MaxInt)
	return err
}

// queryGPU describes a GPU, first in the layout of Caffe's device_query.
func (a *app) queryGPU(drv driver.Driver, dev driver.Device) error {
	name, err := drv.DeviceName(dev)
	if err != nil {
		return err
	}
	total, err := drv.DeviceTotalMem(dev)
	if err != nil {
		return err
	}
	line := func(what string, value any) {
		a.glog.logf("common.cpp:171", "%-30s %v", what+":", value)
	}
	line("Device id", dev)
	var errs []error
	attribute := func(what string, at driver.Attribute) {
		v, err := drv.DeviceAttribute(at, dev)
		if err != nil {
			errs = append(errs, err)
			return
		}
		line(what, v)
	}
	attribute("Major revision number", driver.CapabilityMajor)
	attribute("Minor revision number", driver.CapabilityMinor)
	line("Name", name)
	line("Total global memory", total)
	attribute("Total shared memory per block", driver.SharedMemoryPerBlock)
	attribute("Total registers per block", driver.RegistersPerBlock)
	attribute("Warp size", driver.WarpSize)
	attribute("Maximum threads per block", driver.MaxThreadsPerBlock)
	attribute("Clock rate", driver.ClockRate)
	attribute("Number of multiprocessors", driver.MultiprocessorCount)
	timeout, err := drv.DeviceAttribute(driver.KernelTimeout, dev)
	errs = append(errs, err)
	line("Kernel execution timeout", map[bool]string{false: "No", true: "Yes"}[timeout != 0])
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return a.queryContext(drv, dev, name, total)
}

// queryContext writes what needs a CUDA context: free memory and the versions of
// NVIDIA's libraries.
func (a *app) queryContext(drv driver.Driver, dev driver.Device, name string, total uint64) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	context, err := drv.PrimaryRetain(dev)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drv.SetCurrent(0), drv.PrimaryRelease(dev)) }()
	if err := drv.SetCurrent(context); err != nil {
		return err
	}
	free, _, err := drv.MemInfo()
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "GPU %d: %s, %.1f of %.1f GB free\n", dev, name, float64(free)/1e9, float64(total)/1e9)
	blas, err := lib.OpenBLAS(drv.Version(), 0)
	if err != nil {
		fmt.Fprintf(a.stdout, "     no cuBLAS, gocaffe uses its own kernels: %v\n", err)
	} else {
		fmt.Fprintf(a.stdout, "     cuBLAS %s: %s\n", blas.Version(), blas.File())
		if err := blas.Close(); err != nil {
			return err
		}
	}
	dnn, err := lib.OpenDNN(0)
	if err != nil {
		fmt.Fprintf(a.stdout, "     no cuDNN, gocaffe uses its own kernels: %v\n", err)
		return nil
	}
	fmt.Fprintf(a.stdout, "     cuDNN %s: %s\n", dnn.Version(), dnn.File())
	return dnn.Close()
}
