// Package imagelist reads Caffe's lists of images and labels, and the image files
// from a folder or an archive.
package imagelist

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/internal/readfile"
)

// maxPipe is the number of bytes that are read of a list that comes from a pipe. All
// of ImageNet has 50 MB.
const maxPipe = 64 << 20

// maxLine is the number of bytes that a line may have.
const maxLine = 1 << 20

// A List is what a list file says.
type List struct {
	Name  string // of the file
	Items []Item

	perLine int       // 0 with ReadPairs
	labels  []float64 // perLine for each item
	hint    string
}

// An Item is an image of a list.
type Item struct {
	Path  string
	Other string // of ReadPairs, what follows the path
	Line  int    // number of the line, from 1
}

// Options say what the lines of a list hold.
type Options struct {
	// Labels is the number of labels on each line. 0 stands for as many as the
	// first line has numbers at its end.
	Labels int

	// Float allows labels that are not whole numbers.
	Float bool

	// Hint says in errors what to do if the lines have other labels; "" for nothing.
	Hint string
}

// Read reads a list, whose lines are a path, a space and a label, or several labels
// with spaces between them. The path may contain spaces. The file may be a pipe;
// Read ends when ctx is done.
//
// Differs from Caffe: a label that is not a number is an error, not 0. Several spaces
// and tabs before a label are as one. Spaces at the end of a line, empty lines and a
// byte order mark are ignored.
func Read(ctx context.Context, name string, o Options) (*List, error) {
	if o.Labels < 0 || o.Labels > maxLine {
		return nil, fmt.Errorf("%s: %d labels on a line are asked for, want at most %d", name, o.Labels, maxLine)
	}
	l := &List{Name: name, perLine: o.Labels}
	if o.Hint != "" {
		l.hint = "; " + o.Hint
	}
	err := l.read(ctx, func(line string, number int) error {
		if l.perLine == 0 {
			l.perLine = max(1, numbersAtEnd(line))
		}
		path, err := l.cut(line, o.Float)
		l.Items = append(l.Items, Item{Path: path, Line: number})
		return err
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// ReadPairs reads a list whose lines are a path, blanks and another word, such as the
// path of the image's labels; neither has blanks. A line may have several such pairs. With
// alone there need be no other word, and a line has one path. Otherwise it is as Read.
func ReadPairs(ctx context.Context, name string, alone bool) (*List, error) {
	l := &List{Name: name}
	err := l.read(ctx, func(line string, number int) error {
		words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(blanks, r) })
		switch {
		case alone:
			l.Items = append(l.Items, Item{Path: words[0], Line: number})
			return nil
		case len(words)%2 != 0:
			return fmt.Errorf("got %.80q, want an image and its labels, two words with a blank between them", line)
		}
		for ; len(words) > 0; words = words[2:] {
			l.Items = append(l.Items, Item{Path: words[0], Other: words[1], Line: number})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// read calls add for the lines of a list that are not empty.
func (l *List) read(ctx context.Context, add func(line string, number int) error) error {
	in, _, err := readfile.Stream(ctx, l.Name, maxPipe)
	if err != nil {
		return err
	}
	defer in.Close()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	n := 0
	for lines.Scan() {
		n++
		line, err := textOf(lines.Bytes(), n == 1)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", l.Name, n, err)
		}
		if line == "" {
			continue
		}
		if err := add(line, n); err != nil {
			return fmt.Errorf("%s:%d: %w", l.Name, n, err)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("%s:%d: the line has more than %d bytes: is it a list of images?", l.Name, n+1, maxLine)
	} else if err != nil {
		return err
	}
	return nil
}

// textOf returns a line without a byte order mark and the spaces at its end, or an
// error if it is not that of a text in UTF-8.
func textOf(line []byte, first bool) (string, error) {
	if first {
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	line = bytes.TrimRight(line, " \t\r")
	switch {
	case first && (bytes.HasPrefix(line, []byte("\xff\xfe")) || bytes.HasPrefix(line, []byte("\xfe\xff"))):
		return "", errors.New("the list is in UTF-16, want UTF-8 (in Windows' Notepad: Save as, Encoding)")
	case bytes.IndexByte(line, 0) >= 0:
		return "", errors.New("the line has a byte 0: is it a list of images, in UTF-8?")
	case bytes.IndexByte(line, '\r') >= 0:
		return "", errors.New("the line has a carriage return in it: want lines that end in a line feed")
	}
	return string(line), nil
}

const blanks = " \t"

// cutLast splits a line at the blanks before its last word.
func cutLast(line string) (before, word string) {
	at := strings.LastIndexAny(line, blanks)
	return strings.TrimRight(line[:max(at, 0)], blanks), line[at+1:]
}

// pathOf returns a line without its last n words.
func pathOf(line string, n int) string {
	for range n {
		line, _ = cutLast(line)
	}
	return line
}

// numbersAtEnd returns how many words at the end of a line are numbers. The first
// word is not one of them.
func numbersAtEnd(line string) int {
	n := 0
	for {
		before, word := cutLast(line)
		if _, err := strconv.ParseFloat(word, 64); err != nil || before == "" {
			return n
		}
		n, line = n+1, before
	}
}

// cut returns the path of a line and appends the labels.
func (l *List) cut(line string, float bool) (path string, err error) {
	first := len(l.labels)
	l.labels = append(l.labels, make([]float64, l.perLine)...)
	path = line
	for i := l.perLine - 1; i >= 0; i-- {
		before, word := cutLast(path)
		if before == "" {
			if l.perLine == 1 {
				return "", fmt.Errorf("got %.80q, want a path, a space and a label", line)
			}
			return "", fmt.Errorf("got %.80q, want a path and %d labels", line, l.perLine)
		}
		v, err := l.label(word, float)
		if err != nil {
			return "", err
		}
		l.labels[first+i], path = v, before
	}
	return path, nil
}

// label returns the number of a label.
func (l *List) label(word string, float bool) (float64, error) {
	if i, err := strconv.ParseInt(word, 10, 32); err == nil {
		return float64(i), nil
	}
	v, err := strconv.ParseFloat(word, 32)
	if err == nil && float && v-v == 0 {
		return v, nil
	}
	want, hint := "a whole number", l.hint
	if float {
		want = "a number"
	}
	if err != nil {
		hint = ""
	}
	return 0, fmt.Errorf("label %.40q, want %s%s", word, want, hint)
}

// PerLine returns the number of labels of each image.
func (l *List) PerLine() int { return l.perLine }

// Labels returns the labels of image i.
func (l *List) Labels(i int) []float64 { return l.labels[i*l.perLine : (i+1)*l.perLine] }

// Place returns where image i stands, as "list.txt:3".
func (l *List) Place(i int) string { return fmt.Sprintf("%s:%d", l.Name, l.Items[i].Line) }

// Explain returns the error of reading image i. If there is no such file, it adds what
// may be wrong with the line.
func (l *List) Explain(i int, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	path := l.Items[i].Path
	switch more := numbersAtEnd(path); {
	case more > 0:
		what := "one is"
		if l.perLine > 1 {
			what = fmt.Sprintf("%d are", l.perLine)
		}
		what = fmt.Sprintf("the line has %d labels, %s expected%s", l.perLine+more, what, l.hint)
		if isFile := filepath.Ext(pathOf(path, more)) != ""; isFile {
			return fmt.Errorf("%s: %w", what, err)
		}
		return fmt.Errorf("%w: if %s", err, what)
	case strings.Contains(path, `\`) && filepath.Separator == '/':
		return fmt.Errorf("%w: write / in place of \\ in the path", err)
	}
	return err
}
