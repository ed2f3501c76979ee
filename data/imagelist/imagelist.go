// Package imagelist reads Caffe's lists of images and labels, and the image files
// from a folder or an archive.
package imagelist

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/internal/readfile"
)

// maxPipe is the number of bytes that are read of a list that comes from a pipe. All
// of ImageNet has 50 MB.
const maxPipe = 64 << 20

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
// the end of a line and empty lines are ignored. The list may come from a pipe; Read
// ends when ctx is done.
func Read(ctx context.Context, name string) ([]Item, error) {
	f, _, err := readfile.Stream(ctx, name, maxPipe)
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
