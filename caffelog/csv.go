package caffelog

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// WriteCSV writes rows in the form of Caffe's parse_log.py: a line with the names of
// the columns, and one for each row with outputs: NumIters, Seconds, LearningRate
// and the outputs. As there, LearningRate is the rate that the log printed last
// before the row, that of the display before; the first row has the second row's.
//
// Differs from parse_log.py: outputs that are NaN or infinite are not left out; if
// an output has several numbers, those after the first have columns too, NAME[1],
// NAME[2], ...; no row is lost if there is only one.
func WriteCSV(w io.Writer, rows []Row, delimiter rune) error {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return len(r.Outputs) == 0 })
	if len(rows) == 0 {
		return nil
	}
	if len(rows) > 1 {
		rows[0].rateBefore = rows[1].rateBefore
	}
	header := []string{"NumIters", "Seconds", "LearningRate"}
	columns := make(map[string]int) // by name
	for _, r := range rows {
		for _, name := range r.columns() {
			if _, ok := columns[name]; !ok {
				columns[name] = len(header)
				header = append(header, name)
			}
		}
	}
	out := csv.NewWriter(w)
	out.Comma, out.UseCRLF = delimiter, true // as Python's csv writes
	if err := out.Write(header); err != nil {
		return err
	}
	for _, r := range rows {
		cells := make([]string, len(header))
		cells[0] = pythonFloat(float64(r.Iteration))
		cells[1] = pythonFloat(r.Seconds)
		cells[2] = pythonFloat(r.rateBefore)
		for i, name := range r.columns() {
			cells[columns[name]] = pythonFloat(r.Outputs[i].Value)
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// columns returns the name of each output's column.
func (r *Row) columns() []string {
	names := make([]string, len(r.Outputs))
	seen := make(map[string]int)
	for i, o := range r.Outputs {
		names[i] = o.Name
		if n := seen[o.Name]; n > 0 {
			names[i] = fmt.Sprintf("%s[%d]", o.Name, n)
		}
		seen[o.Name]++
	}
	return names
}

// pythonFloat formats a number as Python prints it: with as many digits as are
// needed to read it back, at least one of them behind the point.
func pythonFloat(v float64) string {
	switch {
	case math.IsNaN(v):
		return "nan"
	case math.IsInf(v, 0):
		return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(v, 'g', -1, 64)), "+")
	}
	if size := math.Abs(v); size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
