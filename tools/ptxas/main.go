// Ptxas gives every kernel of gocaffe to NVIDIA's assembler, as a driver does when
// a kernel is loaded, for each kind of GPU:
//
//	ptxas [-root DIR] [-ptxas FILE] [-doc FILE]
//
// It fails if a kernel does not assemble, or if registers do not suffice and are
// spilled to memory. It prints the registers and the shared memory of all kernels,
// and writes those of kernels with launch bounds, which depend on them, into the
// document, between the lines <!-- ptxas --> and <!-- end of ptxas -->.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root := flag.String("root", "..", "repository whose kernels are assembled")
	program := flag.String("ptxas", "", "the assembler (default: that of bin/nvidia, of PATH or of /usr/local/cuda)")
	doc := flag.String("doc", filepath.Join("docs", "gpu.md"), "document below the root that gets the table; empty for none")
	flag.Parse()
	if err := run(ctx, *root, *program, *doc); err != nil {
		fmt.Fprintln(os.Stderr, "ptxas:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, program, doc string) error {
	if program == "" {
		program = find(root)
	}
	if program == "" {
		fmt.Fprintln(os.Stderr, "SKIPPED: there is no ptxas; the kernels are not assembled")
		return nil
	}
	program, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	version, err := versionOf(ctx, program)
	if err != nil {
		return err
	}
	files, err := kernelFiles(ctx, root)
	if err != nil {
		return err
	}
	kernels, err := assemble(ctx, program, root, files)
	if err != nil {
		return err
	}
	var spills []error
	for _, k := range kernels {
		if k.spilled > 0 {
			spills = append(spills, fmt.Errorf("%s: kernel %s spills %d bytes on sm_%d: give it more registers (launch bounds) or fewer variables",
				k.file, k.name, k.spilled, k.target))
		}
	}
	if len(spills) > 0 {
		return errors.Join(spills...)
	}
	fmt.Printf("%d kernels of %d files assembled for sm_70 to sm_90 by ptxas %s, without spills\n", count(kernels), len(files), version)
	all := rows(kernels)
	if err := show(os.Stdout, all); err != nil || doc == "" {
		return err
	}
	return writeTable(filepath.Join(root, doc), table(version, all))
}

// find returns the assembler of this machine, or "".
func find(root string) string {
	for _, name := range []string{filepath.Join(root, "bin", "nvidia", "ptxas"), "ptxas", "/usr/local/cuda/bin/ptxas"} {
		if file, err := exec.LookPath(name); err == nil {
			return file
		}
	}
	return ""
}
