package chart

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/gocaffe/gocaffe/internal/texttable"
)

// marks draw the curves in text.
const marks = "*+ox#@%&=~"

// Text writes the chart as text of a number of columns, its panels below each other,
// each with a number of lines for its curves. The text is ASCII, apart from names.
func (c *Chart) Text(w io.Writer, columns, lines int) error {
	var s strings.Builder
	for i := range c.Panels {
		if i > 0 {
			s.WriteString("\n")
		}
		c.textPanel(&s, &c.Panels[i], columns, lines)
	}
	_, err := io.WriteString(w, s.String())
	return err
}

func (c *Chart) textPanel(s *strings.Builder, panel *Panel, columns, lines int) {
	x, y := c.axes(panel, columns/12, max(1, lines/3))
	labels := 0
	for _, t := range y.ticks {
		labels = max(labels, len(t.label))
	}
	g := newGrid(columns-labels-2, lines)
	for i := range panel.Curves {
		mark := marks[i%len(marks)]
		for _, part := range panel.Curves[i].parts(x, y) {
			g.line(part, x, y, mark)
		}
	}
	textLegend(s, panel, columns)
	rows := make(map[int]string) // labels by line
	for _, t := range y.ticks {
		rows[g.row(y.place(t.value))] = t.label
	}
	for r, cells := range g.cells {
		label, isTick := rows[r]
		edge := "|"
		if isTick {
			edge = "+"
		}
		s.WriteString(strings.TrimRight(fmt.Sprintf("%*s %s%s", labels, label, edge, cells), " ") + "\n")
	}
	textTicks(s, c.X, x, labels, g)
}

// textLegend names the panel and the marks of its curves.
func textLegend(s *strings.Builder, panel *Panel, columns int) {
	line := panel.Y + ":"
	indent := strings.Repeat(" ", utf8.RuneCountInString(line))
	for i, c := range panel.Curves {
		entry := fmt.Sprintf("  %c %s", marks[i%len(marks)], c.Name)
		entry = texttable.Cut(entry, columns-len(indent))
		if utf8.RuneCountInString(line)+utf8.RuneCountInString(entry) > columns {
			s.WriteString(line + "\n")
			line = indent
		}
		line += entry
	}
	s.WriteString(line + "\n")
}

// textTicks writes the horizontal axis, its labels and its name.
func textTicks(s *strings.Builder, name string, x *axis, labels int, g *textGrid) {
	rule := []byte(strings.Repeat("-", g.columns))
	width := labels + 2 + g.columns
	line := []byte(strings.Repeat(" ", width))
	free := 0
	for _, t := range x.ticks {
		at := g.column(x.place(t.value))
		start := min(max(labels+2+at-len(t.label)/2, 0), width-len(t.label))
		if start < free {
			continue
		}
		rule[at] = '+'
		copy(line[start:], t.label)
		free = start + len(t.label) + 2
	}
	fmt.Fprintf(s, "%*s +%s\n", labels, "", rule)
	s.WriteString(strings.TrimRight(string(line), " ") + "\n")
	indent := labels + 2 + max(0, (g.columns-len(name))/2)
	s.WriteString(strings.Repeat(" ", indent) + name + "\n")
}

// A textGrid is the area of a panel that has the curves, row by row from the top.
type textGrid struct {
	columns int
	cells   [][]byte
}

func newGrid(columns, lines int) *textGrid {
	g := &textGrid{columns: columns, cells: make([][]byte, lines)}
	for r := range g.cells {
		g.cells[r] = []byte(strings.Repeat(" ", columns))
	}
	return g
}

// column and row return where a place from 0 to 1 is.
func (g *textGrid) column(place float64) int { return int(math.Round(place * float64(g.columns-1))) }
func (g *textGrid) row(place float64) int {
	return len(g.cells) - 1 - int(math.Round(place*float64(len(g.cells)-1)))
}

// line draws a line through points. The points hide what is drawn already, the lines
// between them do not.
func (g *textGrid) line(points []Point, x, y *axis, mark byte) {
	set := func(px, py float64, over bool) {
		if cell := &g.cells[g.row(py)][g.column(px)]; over || *cell == ' ' {
			*cell = mark
		}
	}
	for i, q := range points {
		px, py := x.place(q.X), y.place(q.Y)
		set(px, py, true)
		if i == 0 {
			continue
		}
		fromX, fromY := x.place(points[i-1].X), y.place(points[i-1].Y)
		steps := 2 * max(math.Abs(px-fromX)*float64(g.columns), math.Abs(py-fromY)*float64(len(g.cells)))
		for k := 1.0; k < steps; k++ {
			set(fromX+(px-fromX)*k/steps, fromY+(py-fromY)*k/steps, false)
		}
	}
}
