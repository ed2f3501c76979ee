package gocaffecmd

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/internal/atomicfile"
)

// A rowWriter writes rows as CSV, with a header, or as a JSON array of objects, row by
// row.
type rowWriter struct {
	out  *bufio.Writer
	csv  *csv.Writer // nil for JSON
	rows int
}

// newRowWriter begins the output; format is csv or json.
func newRowWriter(w io.Writer, format string, header []string) *rowWriter {
	t := &rowWriter{out: bufio.NewWriter(w)}
	if format == "csv" {
		t.csv = csv.NewWriter(t.out)
		t.csv.Write(header)
	}
	return t
}

// add writes a row: the cells in CSV, the object in JSON.
func (t *rowWriter) add(cells []string, object any) error {
	if t.csv != nil {
		return t.csv.Write(cells)
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // keys and paths stay readable
	if err := encoder.Encode(object); err != nil {
		return err
	}
	before := ",\n  "
	if t.rows == 0 {
		before = "[\n  "
	}
	t.rows++
	t.out.WriteString(before)
	_, err := t.out.Write(bytes.TrimSuffix(text.Bytes(), []byte("\n")))
	return err
}

// end completes the output.
func (t *rowWriter) end() error {
	switch {
	case t.csv != nil:
		t.csv.Flush()
		if err := t.csv.Error(); err != nil {
			return err
		}
	case t.rows == 0:
		t.out.WriteString("[]\n")
	default:
		t.out.WriteString("\n]\n")
	}
	return t.out.Flush()
}

// A rowFile is a rowWriter of a file that is complete or absent.
type rowFile struct {
	rowWriter
	file *atomicfile.File
}

// rowFormat returns the format that the name of a file stands for, or an error that
// begins with the flag.
func rowFormat(flag, path string) (string, error) {
	format := strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))
	if format != "csv" && format != "json" {
		return "", fmt.Errorf("%s %s: want a name that ends in .csv or .json", flag, path)
	}
	return format, nil
}

// createRows begins a file. One of commit and Abort must be called.
func createRows(path, format string, header []string) (*rowFile, error) {
	file, err := atomicfile.Create(path)
	if err != nil {
		return nil, err
	}
	return &rowFile{*newRowWriter(file, format, header), file}, nil
}

// rowsTo begins rows in a file or, if path is "", on standard output.
func (a *app) rowsTo(path, format string, header []string) (*rowWriter, ending, error) {
	if path == "" {
		rows := newRowWriter(a.stdout, format, header)
		return rows, ending{rows.end, func() {}}, nil
	}
	file, err := createRows(path, format, header)
	if err != nil {
		return nil, ending{}, err
	}
	return &file.rowWriter, ending{file.commit, file.file.Abort}, nil
}

// commit completes the file.
func (f *rowFile) commit() error {
	if err := f.end(); err != nil {
		return err
	}
	return f.file.Commit()
}

// sixDigits formats a number of a row.
func sixDigits(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
