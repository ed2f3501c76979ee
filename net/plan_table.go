package net

import (
	"fmt"
	"strings"

	"github.com/gocaffe/gocaffe/internal/texttable"
)

// String returns the plan as a table with one line for each layer and one for the
// whole net, at most 80 columns wide.
func (p *Plan) String() string {
	rows := [][]string{{"layer", "type", "tops", "weights", "mult-adds", "MiB"}}
	for _, l := range p.Layers {
		rows = append(rows, []string{l.Name, l.Type, texttable.Shapes(l.Tops), texttable.Short(l.Weights), texttable.Short(l.MACs), mebibytes(l.Bytes)})
	}
	rows = append(rows, []string{"all", "", "", texttable.Short(p.Weights), texttable.Short(p.MACs), mebibytes(p.Bytes())})
	var s strings.Builder
	texttable.Write(&s, rows, 3, 80)
	fmt.Fprintf(&s, "memory: blobs and their gradients %s MiB", mebibytes(p.BlobBytes))
	if each := p.DataBytes + p.DiffBytes; each > p.BlobBytes {
		fmt.Fprintf(&s, " (%s MiB if none were shared)", mebibytes(each))
	}
	fmt.Fprintf(&s, ",\n        weights %s MiB, their gradients %s MiB\n", mebibytes(p.WeightBytes), mebibytes(p.GradientBytes))
	if p.PackedBytes > 0 {
		fmt.Fprintf(&s, "        weights that are kept packed %s MiB\n", mebibytes(p.PackedBytes))
	}
	return s.String()
}

func mebibytes(n int64) string {
	if m := float64(n) / (1 << 20); m < 99.995 {
		return fmt.Sprintf("%.2f", m)
	} else {
		return fmt.Sprintf("%.0f", m)
	}
}
