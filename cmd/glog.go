package gocaffecmd

import (
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gocaffe/gocaffe/event"
)

// A glog writes the log in the format of Google's logging library that the scripts
// for Caffe's logs expect, without the year:
//
//	I0902 13:35:56.474978 16020 solver.cpp:239] text
type glog struct {
	mu       sync.Mutex
	out      io.Writer // stderr; nil for none
	file     *os.File  // in --log-dir; nil for none
	min      int       // the lowest level to write
	now      func() time.Time
	pid      int
	before   func() // called before each line that is written to out
	quiet    bool   // write only warnings and errors to out
	colour   bool   // out shows warnings and errors in colour
	writeErr error  // the first error of writing the file
}

// glogLevels are glog's numbers of the levels.
var glogLevels = map[event.Level]int{event.Info: 0, event.Warning: 1, event.Error: 2}

// log writes a line. It is a caffelog.Writer.
func (g *glog) log(level event.Level, source, text string) {
	if glogLevels[level] < g.min {
		return
	}
	t := g.now()
	line := fmt.Sprintf("%c%02d%02d %02d:%02d:%02d.%06d %5d %s] %s\n", level,
		t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond()/1000, g.pid, source,
		strings.TrimSuffix(text, "\n")) // as glog does
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.out != nil && (!g.quiet || level != event.Info) {
		if g.before != nil {
			g.before()
		}
		if g.colour {
			io.WriteString(g.out, coloured(level, line))
		} else {
			io.WriteString(g.out, line)
		}
	}
	if g.file != nil {
		if _, err := g.file.WriteString(line); err != nil && g.writeErr == nil {
			g.writeErr = err
		}
	}
}

// raw writes text that is no line of the log to w, a terminal perhaps.
func (g *glog) raw(w io.Writer, text []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.before != nil {
		g.before()
	}
	w.Write(text)
}

// logf formats a line at level INFO.
func (g *glog) logf(source, format string, args ...any) {
	g.log(event.Info, source, fmt.Sprintf(format, args...))
}

// openFile creates a log file in dir, named as glog names it, and the link
// gocaffe.INFO to it.
func (g *glog) openFile(dir string) error {
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = filepath.Base(filepath.ToSlash(u.Username))
	}
	t := g.now()
	file := fmt.Sprintf("gocaffe.%s.%s.log.INFO.%s.%d", host, name, t.Format("20060102-150405"), g.pid)
	f, err := os.Create(filepath.Join(dir, file))
	if err != nil {
		return fmt.Errorf("--log-dir: %w", err)
	}
	fmt.Fprintf(f, "Log file created at: %s\nRunning on machine: %s\nLog line format: [IWEF]mmdd hh:mm:ss.uuuuuu threadid file:line] msg\n",
		t.Format("2006/01/02 15:04:05"), host)
	link := filepath.Join(dir, "gocaffe.INFO")
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink != 0 {
		os.Remove(link)
		os.Symlink(file, link) // best effort: the link is a convenience
	}
	g.file = f
	return nil
}

func (g *glog) close() error {
	if g.file == nil {
		return nil
	}
	if err := g.file.Close(); g.writeErr == nil {
		g.writeErr = err
	}
	return g.writeErr
}

// envInt returns the integer in an environment variable, or def if there is none.
func envInt(name string, def int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return def
}
