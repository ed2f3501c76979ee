// Command arm64 writes the arm64 assembly of one package of internal/kernel, which
// -subject names.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/conv"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/neon"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/norm"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/pixels"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/pool"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/rand"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/update"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/vec"
)

var (
	subject = flag.String("subject", "", "package of internal/kernel to write the assembly of")
	text    = flag.String("out", "", "file to write the assembly to")
	stubs   = flag.String("stubs", "", "file to write the declarations to")
)

var write = map[string]func(*neon.File){
	"conv":   conv.Write,
	"gemm":   gemm.Write,
	"norm":   norm.Write,
	"pixels": pixels.Write,
	"pool":   pool.Write,
	"rand":   rand.Write,
	"update": update.Write,
	"vec":    vec.Write,
}

func main() {
	flag.Parse()
	f := write[*subject]
	if f == nil {
		fmt.Fprintf(os.Stderr, "no assembly for -subject %q\n", *subject)
		os.Exit(2)
	}
	file := &neon.File{Package: *subject, Command: "go run ./arm64 " + strings.Join(os.Args[1:], " ")}
	f(file)
	for _, out := range []struct {
		name string
		data []byte
	}{{*text, file.Text()}, {*stubs, file.Stubs()}} {
		if err := os.WriteFile(out.name, out.data, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
