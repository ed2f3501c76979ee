// Command _asm writes the assembly of one package of internal/kernel, which
// -subject names: its functions for AVX2 with FMA and for AVX-512.
package main

import (
	"flag"
	"fmt"
	"os"

	. "github.com/mmcloughlin/avo/build"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/bf16"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/conv"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/norm"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/pixels"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/pool"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/rand"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/update"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/vec"
)

var subject = flag.String("subject", "", "package of internal/kernel to write the assembly of")

var write = map[string]func(){
	"bf16":   bf16.Write,
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
	ConstraintExpr("!noasm")
	f()
	Generate()
}
