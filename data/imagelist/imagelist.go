// Package imagelist reads Caffe's lists of images and labels, and the images
// themselves from a folder or an archive.
package imagelist

import (
	"bufio"
	"fmt"
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

// Read reads a list: lines of a path and a label, with a space between them.
// The path may have spaces in it.
//
// Differs from Caffe: a label that is not a number is an error, and not 0;
// spaces at the end of a line and empty lines do not count.
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
