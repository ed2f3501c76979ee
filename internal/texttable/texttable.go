// Package texttable prints tables for terminals.
package texttable

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Write writes rows with their cells in columns, the first of which are texts, on the
// left, and the others numbers, on the right. If a row would be wider than width,
// texts are cut: the first column as far as it is longer than the others allow, then
// the widest.
func Write(s *strings.Builder, rows [][]string, texts, width int) {
	const gap = 2
	widths := make([]int, len(rows[0]))
	total := gap * (len(widths) - 1)
	for c := range widths {
		for _, row := range rows {
			widths[c] = max(widths[c], utf8.RuneCountInString(row[c]))
		}
		total += widths[c]
	}
	const least = 12
	for ; total > width; total-- {
		widest := 0
		for c := range texts {
			if widths[0] <= least && widths[c] > widths[widest] {
				widest = c
			}
		}
		if widths[widest] <= least {
			break
		}
		widths[widest]--
	}
	for _, row := range rows {
		line := ""
		for c, cell := range row {
			if c > 0 {
				line += strings.Repeat(" ", gap)
			}
			cell = Cut(cell, widths[c])
			pad := strings.Repeat(" ", widths[c]-utf8.RuneCountInString(cell))
			if c < texts {
				line += cell + pad
			} else {
				line += pad + cell
			}
		}
		s.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// Cut returns a text of at most n characters, with .. for what is left out of its
// middle.
func Cut(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	const mark = ".."
	head := (n - len(mark) + 1) / 2
	return string(runes[:head]) + mark + string(runes[len(runes)-(n-len(mark)-head):])
}

// Short returns a number with three or more digits and a letter for thousands (k),
// millions (M), ...: "864", "1234", "25.6 k", "1.23 G".
func Short(n int64) string {
	if n < 10_000 {
		return strconv.FormatInt(n, 10)
	}
	v := float64(n)
	for _, unit := range []string{"k", "M", "G", "T", "P", "E"} {
		v /= 1000
		switch {
		case v < 9.995:
			return fmt.Sprintf("%.2f %s", v, unit)
		case v < 99.95:
			return fmt.Sprintf("%.1f %s", v, unit)
		case v < 999.5:
			return fmt.Sprintf("%.0f %s", v, unit)
		}
	}
	return strconv.FormatInt(n, 10)
}

// Shapes formats shapes as "20x1x28x28 20", a scalar as "1", and no shapes as
// "-". Of many it tells the number: "3x (20x1x28x28)", "2x5 and 40 more".
func Shapes(list [][]int) string {
	if len(list) == 0 {
		return "-"
	}
	const most = 4
	var words []string
	for i := 0; i < len(list); {
		if len(words) == most {
			words = append(words, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		word := Shape(list[i])
		same := 1
		for i+same < len(list) && Shape(list[i+same]) == word {
			same++
		}
		if same > 2 {
			words = append(words, fmt.Sprintf("%dx (%s)", same, word))
			i += same
			continue
		}
		words = append(words, word)
		i++
	}
	return strings.Join(words, " ")
}

// Shape formats a shape as "20x1x28x28", a scalar as "1".
func Shape(shape []int) string {
	if len(shape) == 0 {
		return "1"
	}
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", "x")
}
