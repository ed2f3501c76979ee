package imagelist

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// Words reads the words of a text file that has no fixed lines, such as a file of
// R-CNN's windows: white space separates them. After an error all words are empty, and
// all numbers 0.
type Words struct {
	name  string
	lines *bufio.Scanner
	line  int
	words []string
	err   error
}

// NewWords returns a reader of the text of a file. name is for errors.
func NewWords(name string, text []byte) *Words {
	w := &Words{name: name, lines: bufio.NewScanner(bytes.NewReader(text))}
	w.lines.Buffer(nil, 1<<20)
	return w
}

// Line returns the number of the line with the last word, from 1.
func (w *Words) Line() int { return w.line }

// Err returns the first error, of a line that is too long too.
func (w *Words) Err() error {
	if w.err == nil && w.lines.Err() != nil {
		w.err = fmt.Errorf("%s:%d: %w", w.name, w.line+1, w.lines.Err())
	}
	return w.err
}

// Errorf returns the first error, and makes one at the place of the last word if there
// is none.
func (w *Words) Errorf(format string, args ...any) error {
	if w.err == nil {
		w.err = fmt.Errorf("%s:%d: %w", w.name, w.line, fmt.Errorf(format, args...))
	}
	return w.err
}

// More reports whether there is another word.
func (w *Words) More() bool {
	for len(w.words) == 0 && w.lines.Scan() {
		w.line++
		for _, word := range bytes.Fields(w.lines.Bytes()) {
			w.words = append(w.words, string(word))
		}
	}
	return len(w.words) > 0
}

// Word returns the next word.
func (w *Words) Word() string {
	if w.err != nil || !w.More() {
		return ""
	}
	word := w.words[0]
	w.words = w.words[1:]
	return word
}

// Integer returns the next word as a whole number in a range. what is what it says, for
// errors.
func (w *Words) Integer(what string, least, most int) int {
	word := w.Word()
	n, err := strconv.Atoi(word)
	if err != nil || n < least || n > most {
		w.Errorf("got %q, want %s, %d to %d", word, what, least, most)
	}
	if w.err != nil {
		return 0
	}
	return n
}

// Float returns the next word as a number. what is what it says, for errors.
func (w *Words) Float(what string) float32 {
	word := w.Word()
	v, err := strconv.ParseFloat(word, 32)
	if err != nil || math.IsNaN(v) {
		w.Errorf("got %q, want %s", word, what)
	}
	if w.err != nil {
		return 0
	}
	return float32(v)
}

// MaxCoordinate bounds the coordinates of windows in pixels, so that what is computed of
// them fits.
const MaxCoordinate = 1 << 24

// WindowHead reads what a file of windows says first of each image: #, the number of the
// image, which must be that number, its path, channels, height and width. It returns
// the path, and the height and width that the file says.
func (w *Words) WindowHead(number int) (path string, height, width int, err error) {
	if word := w.Word(); word != "#" {
		return "", 0, 0, w.Errorf("got %q, want # and the number of an image", word)
	}
	if i := w.Integer("the number of an image", 0, math.MaxInt32); w.err == nil && i != number {
		return "", 0, 0, w.Errorf("the image has number %d, want %d: they count from 0", i, number)
	}
	if path = w.Word(); path == "" && w.err == nil {
		return "", 0, 0, w.Errorf("the path of the image is missing")
	}
	if c := w.Integer("the number of channels", 1, math.MaxInt32); w.err == nil && c != 3 {
		return "", 0, 0, w.Errorf("the image has %d channels, want 3: images are read in colour", c)
	}
	height = w.Integer("the height", 1, math.MaxInt32)
	width = w.Integer("the width", 1, math.MaxInt32)
	return path, height, width, w.err
}
