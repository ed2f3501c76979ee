package datalayer

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/gocaffe/gocaffe/data/imagelist"
)

// A windowFile is what a file of R-CNN's windows says.
type windowFile struct {
	name    string
	images  []windowImage
	windows [2][]window // the background, whose label is 0, and the foreground
}

type windowImage struct {
	path string
	file []byte // with cache_images
}

// A window is a rectangle of an image, whose corners belong to it.
type window struct {
	image          int
	label          int
	x1, y1, x2, y2 int
	line           int
}

// maxCoordinate bounds the corners of windows, so that what is computed of them fits.
const maxCoordinate = 1 << 24

// readWindows reads a window file. A window whose overlap is at least foreground is
// one of the foreground, one whose overlap is less than background is one of the
// background, and others are left out.
func readWindows(name string, foreground, background float32) (*windowFile, error) {
	text, err := imagelist.ReadFile(name, nil)
	if err != nil {
		return nil, err
	}
	p := windowParser{name: name, lines: bufio.NewScanner(bytes.NewReader(text))}
	p.lines.Buffer(nil, 1<<20)
	f := &windowFile{name: name}
	for p.more() {
		if err := f.readImage(&p, foreground, background); err != nil {
			return nil, err
		}
	}
	switch {
	case p.lines.Err() != nil:
		return nil, fmt.Errorf("%s:%d: %w", name, p.line+1, p.lines.Err())
	case len(f.images) == 0:
		return nil, fmt.Errorf("the window file %s is empty", name)
	}
	return f, nil
}

// readImage reads the lines of one image.
func (f *windowFile) readImage(p *windowParser, foreground, background float32) error {
	if word := p.word(); word != "#" {
		return p.errorf("got %q, want # and the number of an image", word)
	}
	if i := p.integer("the number of an image", 0, math.MaxInt32); p.err == nil && i != len(f.images) {
		return p.errorf("the image has number %d, want %d: they count from 0", i, len(f.images))
	}
	path := p.word()
	if path == "" && p.err == nil {
		return p.errorf("the path of the image is missing")
	}
	if c := p.integer("the number of channels", 1, math.MaxInt32); p.err == nil && c != 3 {
		return p.errorf("the image has %d channels, want 3: images are read in colour", c)
	}
	p.integer("the height", 1, math.MaxInt32)
	p.integer("the width", 1, math.MaxInt32)
	for range p.integer("the number of windows", 0, math.MaxInt32) {
		w := window{image: len(f.images), label: p.integer("a class", 0, math.MaxInt32), line: p.line}
		overlap := p.float("an overlap")
		for _, corner := range []*int{&w.x1, &w.y1, &w.x2, &w.y2} {
			*corner = p.integer("a corner", -maxCoordinate, maxCoordinate)
		}
		switch {
		case p.err != nil:
			return p.err
		case overlap >= foreground && w.label == 0:
			return p.errorf("a window of the foreground, with overlap %g, has class 0, which is the background's", overlap)
		case overlap >= foreground:
			f.windows[1] = append(f.windows[1], w)
		case overlap < background:
			w.label = 0
			f.windows[0] = append(f.windows[0], w)
		}
	}
	f.images = append(f.images, windowImage{path: path})
	return p.err
}

// A windowParser reads words, which white space separates, whatever the lines. After
// an error all are empty or 0.
type windowParser struct {
	name  string
	lines *bufio.Scanner
	line  int
	words []string
	err   error
}

func (p *windowParser) errorf(format string, args ...any) error {
	if p.err == nil {
		p.err = fmt.Errorf("%s:%d: %w", p.name, p.line, fmt.Errorf(format, args...))
	}
	return p.err
}

// more reports whether there is another word.
func (p *windowParser) more() bool {
	for len(p.words) == 0 && p.lines.Scan() {
		p.line++
		for _, word := range bytes.Fields(p.lines.Bytes()) {
			p.words = append(p.words, string(word))
		}
	}
	return len(p.words) > 0
}

func (p *windowParser) word() string {
	if p.err != nil || !p.more() {
		return ""
	}
	word := p.words[0]
	p.words = p.words[1:]
	return word
}

func (p *windowParser) integer(what string, least, most int) int {
	word := p.word()
	n, err := strconv.Atoi(word)
	if (err != nil || n < least || n > most) && p.err == nil {
		p.errorf("got %q, want %s, %d to %d", word, what, least, most)
	}
	if p.err != nil {
		return 0
	}
	return n
}

func (p *windowParser) float(what string) float32 {
	word := p.word()
	v, err := strconv.ParseFloat(word, 32)
	if (err != nil || math.IsNaN(v)) && p.err == nil {
		p.errorf("got %q, want %s", word, what)
	}
	return float32(v)
}
