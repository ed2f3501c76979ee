package gocaffecmd

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// weightsRow is what gocaffe weights shows of a blob. The statistics are those of
// the finite elements, and nil if there are none.
type weightsRow struct {
	Layer     string   `json:"layer"`
	Blob      int      `json:"blob"`
	Shape     []int    `json:"shape"`
	Count     int      `json:"count"`
	Min       *float64 `json:"min"`
	Mean      *float64 `json:"mean"`
	Max       *float64 `json:"max"`
	Std       *float64 `json:"std"`
	NonFinite int      `json:"nonfinite"`
}

func newWeightsRow(b *weightBlob) weightsRow {
	row := weightsRow{Layer: b.layer, Blob: b.index, Shape: append([]int{}, b.shape...), Count: len(b.data)}
	finite := func(yield func(float64) bool) {
		for _, v := range b.data {
			if x := float64(v); !math.IsNaN(x) && !math.IsInf(x, 0) && !yield(x) {
				return
			}
		}
	}
	n, least, greatest, sum := 0, math.Inf(1), math.Inf(-1), 0.0
	for x := range finite {
		n++
		least, greatest, sum = min(least, x), max(greatest, x), sum+x
	}
	row.NonFinite = len(b.data) - n
	if n == 0 {
		return row
	}
	mean, squares := sum/float64(n), 0.0
	for x := range finite {
		squares += (x - mean) * (x - mean)
	}
	std := math.Sqrt(squares / float64(n))
	row.Min, row.Mean, row.Max, row.Std = &least, &mean, &greatest, &std
	return row
}

func writeWeightsJSON(out io.Writer, blobs []weightBlob) error {
	rows := make([]weightsRow, len(blobs))
	for i := range blobs {
		rows[i] = newWeightsRow(&blobs[i])
	}
	w := json.NewEncoder(out)
	w.SetIndent("", "  ")
	return w.Encode(rows)
}

// writeWeightsTable writes a line for each blob, of at most 80 columns: long names
// are cut in the middle.
func writeWeightsTable(out io.Writer, blobs []weightBlob) error {
	cells := [][]string{{"blob", "shape", "min", "mean", "max", "std", "NaN/inf"}}
	total, nonFinite := 0, 0
	for i := range blobs {
		row := newWeightsRow(&blobs[i])
		total, nonFinite = total+row.Count, nonFinite+row.NonFinite
		cells = append(cells, []string{
			blobs[i].key(), strings.Join(sizes(row.Shape), "x"),
			short(row.Min), short(row.Mean), short(row.Max), short(row.Std), strconv.Itoa(row.NonFinite),
		})
	}
	columns := len(cells[0])
	if nonFinite == 0 {
		columns--
	}
	width := make([]int, columns)
	rest := 80
	for c := range columns {
		for _, row := range cells {
			width[c] = max(width[c], len([]rune(row[c])))
		}
		if c > 0 {
			rest -= width[c] + 2
		}
	}
	width[0] = min(width[0], max(rest, 8))
	for _, row := range cells {
		fmt.Fprintf(out, "%-*s", width[0], middleCut(row[0], width[0]))
		for c := 1; c < columns; c++ {
			fmt.Fprintf(out, "  %*s", width[c], row[c])
		}
		fmt.Fprintln(out)
	}
	_, err := fmt.Fprintf(out, "%d blobs, %d elements\n", len(blobs), total)
	return err
}

// short returns a number with three digits.
func short(v *float64) string {
	if v == nil {
		return "-"
	}
	return strconv.FormatFloat(*v, 'g', 3, 64)
}

// middleCut shortens text to the width by an ellipsis in its middle.
func middleCut(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	tail := (width - 1) / 2
	return string(runes[:width-1-tail]) + "…" + string(runes[len(runes)-tail:])
}
