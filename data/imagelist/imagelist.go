// Package imagelist reads Caffe's lists of images and labels, and the image files
// from a folder or an archive.
package imagelist

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// An Item is a line of a list.
type Item struct {
	Path  string
	Label int
	Line  int // number of the line, from 1
}

// Explain returns err, an error of reading the item's image. If the file does not
// exist and its path ends with a number, the line may be meant to have several
// labels, and Explain says so.
func (it *Item) Explain(err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	words := strings.Fields(it.Path)
	labels := 1
	for i := len(words) - 1; i > 0; i-- {
		if _, err := strconv.ParseFloat(words[i], 32); err != nil {
			break
		}
		labels++
	}
	if labels == 1 {
		return err
	}
	return fmt.Errorf("%w (if the line has %d labels: want one, a whole number, after the last space)", err, labels)
}

// Read reads a list, whose lines are a path, a space and a label. The path may
// contain spaces.
//
// Differs from Caffe: a label that is not a number is an error, not 0. Spaces at
// the end of a line and empty lines are ignored.
func Read(name string) ([]Item, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var items []Item
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimRight(lines.Text(), " \t\r")
		if line == "" {
			continue
		}
		space := strings.LastIndexByte(line, ' ')
		if space < 1 {
			return nil, fmt.Errorf("%s:%d: got %.80q, want a path, a space and a label", name, n, line)
		}
		label, err := strconv.ParseInt(line[space+1:], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: label %.40q, want a whole number", name, n, line[space+1:])
		}
		items = append(items, Item{Path: line[:space], Label: int(label), Line: n})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, n+1, err)
	}
	return items, nil
}
