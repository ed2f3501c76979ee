package csvdata

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// A table is a CSV file whose lines can be read in any order, by several
// goroutines.
type table struct {
	path    string
	file    *os.File
	columns int
	starts  []int64 // where each record starts in the file, and where the last one ends
	lines   []int   // number of the line of each record, from 1
}

// openTable opens a file and finds its lines. It does not look at the numbers.
func openTable(path string) (*table, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	t := &table{path: path, file: file}
	if err := t.index(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return t, nil
}

// index finds the lines of the file.
func (t *table) index() error {
	in := bufio.NewReader(t.file)
	var at int64
	for number, err := 1, error(nil); err == nil; number++ {
		var line []byte
		if line, err = in.ReadBytes('\n'); err != nil && err != io.EOF {
			return fmt.Errorf("%s:%d: %w", t.path, number, err)
		}
		switch {
		case len(bytes.TrimSpace(line)) == 0:
		case t.columns == 0:
			t.columns = bytes.Count(line, []byte(",")) + 1
		default:
			t.starts = append(t.starts, at)
			t.lines = append(t.lines, number)
		}
		at += int64(len(line))
	}
	t.starts = append(t.starts, at)
	switch {
	case t.columns == 0:
		return fmt.Errorf("%s is empty, want a line with the names of the columns", t.path)
	case t.Len() == 0:
		return fmt.Errorf("%s has no line after the names of the columns", t.path)
	}
	return nil
}

// Len returns the number of records.
func (t *table) Len() int { return len(t.lines) }

// Name returns the file and line of record i.
func (t *table) Name(i int) string { return fmt.Sprintf("%s:%d", t.path, t.lines[i]) }

// Line reads the line of record i into buf, which grows as needed. Blank lines may
// follow it.
func (t *table) Line(i int, buf []byte) ([]byte, error) {
	n := int(t.starts[i+1] - t.starts[i])
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	_, err := t.file.ReadAt(buf, t.starts[i])
	return buf, err
}

// Close closes the file.
func (t *table) Close() error { return t.file.Close() }

// parse appends the numbers of a line to row.
func parse(row []float32, line []byte, columns int) ([]float32, error) {
	line = bytes.TrimSpace(line)
	for more := true; more; {
		var field []byte
		field, line, more = bytes.Cut(line, []byte(","))
		field = bytes.TrimSpace(field)
		v, err := strconv.ParseFloat(string(field), 32)
		if err != nil {
			return row, fmt.Errorf("column %d is %.40q, want a number", len(row)+1, field)
		}
		row = append(row, float32(v))
	}
	if len(row) != columns {
		return row, fmt.Errorf("got %d columns, want %d as in the first line", len(row), columns)
	}
	return row, nil
}
