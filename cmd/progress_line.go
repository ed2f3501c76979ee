package gocaffecmd

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// progressLine is a line of a terminal that shows how far a task has come. It is
// written over and over, and never wider than the terminal: what does not fit is
// left out, the least important first.
type progressLine struct {
	w     io.Writer // nil: show nothing
	unit  string    // "iteration"
	total int       // 0 if it is not known
	first int       // done when the line was made
	text  string    // shown behind the numbers

	done    int
	begin   time.Time
	drawn   time.Time // the last time
	visible bool

	now   func() time.Time
	width func() int
}

// newProgressLine returns a line for the steps from first to total. It shows
// nothing until the first of them is done.
func newProgressLine(w io.Writer, unit string, first, total int) *progressLine {
	l := &progressLine{w: w, unit: unit, first: first, done: first, total: total, now: time.Now, width: func() int { return terminalWidth(w) }}
	l.begin = l.now()
	return l
}

// terminalWidth returns the number of columns, 80 if w is no terminal.
func terminalWidth(w io.Writer) int {
	if o, ok := w.(*outputWriter); ok {
		w = o.w
	}
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// drawEvery is the least time between two drawings.
const drawEvery = 100 * time.Millisecond

// Set shows that so many steps are done.
func (l *progressLine) Set(done int) {
	l.done = done
	if l.w == nil || l.now().Sub(l.drawn) < drawEvery {
		return
	}
	l.draw()
}

// Add is Set for n more steps.
func (l *progressLine) Add(n int) { l.Set(l.done + n) }

// Describe sets the text behind the numbers.
func (l *progressLine) Describe(text string) { l.text = text }

// Clear removes the line, so that others can be written; the next Set shows it
// again.
func (l *progressLine) Clear() {
	if l.visible {
		io.WriteString(l.w, "\r\x1b[K")
		l.visible = false
	}
	l.drawn = time.Time{}
}

func (l *progressLine) draw() {
	l.drawn = l.now()
	l.visible = true
	io.WriteString(l.w, "\r"+l.line(l.width()-1)+"\x1b[K")
}

// line returns the line for a terminal on which it may have n columns: "iteration
// 1234/5000 [====      ] 24 %  82.1/s  45 s left  loss 0.12  lr 0.01".
func (l *progressLine) line(n int) string {
	count := fmt.Sprintf("%s %d", l.unit, l.done)
	percent, left := "", ""
	took := l.now().Sub(l.begin)
	if l.total > 0 {
		count += fmt.Sprintf("/%d", l.total)
		percent = fmt.Sprintf("%d %%", 100*l.done/l.total)
	}
	rate := ""
	if steps := l.done - l.first; steps > 0 && took > 0 {
		rate = perSecond(float64(steps) / took.Seconds())
		if l.total > 0 {
			left = shortTime(time.Duration(float64(took)/float64(steps)*float64(l.total-l.done))) + " left"
		}
	}
	parts := []string{count, percent, rate, left, l.text}
	for _, drop := range []int{2, 1, 3, 4} { // the least important first
		if columns(join(parts)) <= n {
			break
		}
		parts[drop] = ""
	}
	const most, least = 20, 5
	if bar := min(most, n-columns(join(parts))-len("[]")-1); bar >= least && l.total > 0 {
		filled := bar * min(l.done, l.total) / l.total
		parts[0] += " [" + strings.Repeat("=", filled) + strings.Repeat(" ", bar-filled) + "]"
	}
	runes := []rune(join(parts))
	return string(runes[:min(len(runes), max(n, 0))])
}

// join puts two blanks between the parts that are not empty.
func join(parts []string) string {
	var some []string
	for _, p := range parts {
		if p != "" {
			some = append(some, p)
		}
	}
	return strings.Join(some, "  ")
}

func columns(text string) int { return utf8.RuneCountInString(text) }

// perSecond returns "0.123/s", "82.1/s", "1234/s".
func perSecond(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f/s", v)
	case v < 100:
		return fmt.Sprintf("%.1f/s", v)
	}
	return fmt.Sprintf("%.0f/s", v)
}

// shortTime returns "45 s", "3 min 20 s", "2 h 15 min", "3 d 4 h".
func shortTime(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%d h %d min", s/3600, s%3600/60)
	}
	return fmt.Sprintf("%d d %d h", s/86400, s%86400/3600)
}
