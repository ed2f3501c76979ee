//go:build linux

// Fakecuda builds the fake CUDA driver and prints the name of its file:
//
//	GOCAFFE_LIBCUDA=$(make -s fake-cuda) bin/gocaffe device_query
package main

import (
	"fmt"
	"os"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
)

func main() {
	file, err := cudatest.Build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(file)
}
