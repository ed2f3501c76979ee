package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
)

const begin, end = "<!-- ptxas -->\n", "<!-- end of ptxas -->\n"

// writeTable writes a table into a document, in the place of the last one.
func writeTable(doc, table string) error {
	text, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, []byte(begin))
	_, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q, between which the table belongs", doc, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	text = bytes.Join([][]byte{before, []byte(table), after}, nil)
	return os.WriteFile(doc, text, 0o644)
}

// count returns the number of kernels, whatever the number of targets.
func count(kernels []kernel) int {
	names := make(map[[2]string]bool)
	for _, k := range kernels {
		names[[2]string{k.file, k.name}] = true
	}
	return len(names)
}

// A row is a line of the table: one kernel with launch bounds, or all the others of
// a file.
type row struct {
	name      string
	bounded   bool
	shared    int          // the most
	registers map[int]span // by target
}

type span struct{ least, most int }

func (s span) String() string {
	switch s {
	case span{}:
		return ""
	case span{s.least, s.least}:
		return fmt.Sprint(s.least)
	}
	return fmt.Sprintf("%d-%d", s.least, s.most)
}

// rows gathers kernels, which are sorted.
func rows(kernels []kernel) []*row {
	var all []*row
	byName := make(map[string]*row)
	for _, k := range kernels {
		name := k.file
		if k.bounded {
			name = k.name
		}
		r := byName[name]
		if r == nil {
			r = &row{name: name, bounded: k.bounded, registers: make(map[int]span)}
			byName[name] = r
			all = append(all, r)
		}
		r.shared = max(r.shared, k.shared)
		s, ok := r.registers[k.target]
		if !ok {
			s = span{k.registers, k.registers}
		}
		r.registers[k.target] = span{min(s.least, k.registers), max(s.most, k.registers)}
	}
	return all
}

// table returns the table for a document, of the kernels with launch bounds, with
// its marks.
func table(version string, all []*row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%sRegisters of a thread and bytes of shared memory of a block, by ptxas of CUDA %s:\n\n", begin, version)
	b.WriteString("| kernel | shared memory |")
	for _, t := range targets {
		fmt.Fprintf(&b, " sm_%d |", t)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(targets)+1) + "\n")
	for _, r := range all {
		if !r.bounded {
			continue
		}
		fmt.Fprintf(&b, "| %s | %d |", r.name, r.shared)
		for _, t := range targets {
			fmt.Fprintf(&b, " %v |", r.registers[t])
		}
		b.WriteString("\n")
	}
	b.WriteString(end)
	return b.String()
}

// show writes all rows for a person.
func show(w io.Writer, all []*row) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(tw, "kernel or file\tshared")
	for _, t := range targets {
		fmt.Fprintf(tw, "\tsm_%d", t)
	}
	for _, r := range all {
		fmt.Fprintf(tw, "\n%s\t%d", r.name, r.shared)
		for _, t := range targets {
			fmt.Fprintf(tw, "\t%v", r.registers[t])
		}
	}
	fmt.Fprintln(tw)
	return tw.Flush()
}
