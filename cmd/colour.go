package gocaffecmd

import (
	"io"
	"os"
	"strings"

	"github.com/gocaffe/gocaffe/event"
)

// hasColour reports whether w is a terminal that shows colours to a user who wants
// them: https://no-color.org.
func hasColour(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// coloured returns a line, or the beginning of one, in the colour of its level. A
// line feed at its end comes after the colour.
func coloured(level event.Level, line string) string {
	var code string
	switch level {
	case event.Warning:
		code = "33" // yellow
	case event.Error:
		code = "1;31" // bold red
	default:
		return line
	}
	text := strings.TrimSuffix(line, "\n")
	return "\x1b[" + code + "m" + text + "\x1b[m" + line[len(text):]
}
