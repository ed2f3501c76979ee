package lint

import (
	"bufio"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// maxLine is the length of the longest line of running text, in characters.
const maxLine = 120

// stilted matches phrases at which a reader stops, each of which has a plain one.
var stilted = regexp.MustCompile(`(?i)\b(` + strings.Join([]string{
	`tells? whether`, // reports whether
	`tells? of`,      // reports
	`told of`,
	`to be had`, // available
	`by whom(ever)?`,
	`whoever`,
	`somebody`,
	`that which`,
	`computed no more`, // not computed
	`makes? room`,      // allocates
	`room is made`,
	`be made of the`,
	`that is used of`,
	`so written`,
	`worth their price`,
	`is described by its registration`, // its registration describes it
	`there where`,
	`(is|are) had`,
	`for want of`,
	`in whatever way`,
	`on purpose not`, // deliberately not
	`goes past`,      // skips
	`(is|are) looked at`,
	`is let go`,
	`that people write`, // hand-written
	`counts? as made`,
}, "|") + `)\b`)

// conflict matches the lines that a merge leaves where both sides changed a text.
var conflict = regexp.MustCompile(`^(<<<<<<< .*|=======|>>>>>>> .*)$`)

// TestText checks the English of the files written by hand, the width of the
// documentation, and that no half-merged text is left.
func TestText(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "bin" || name == "dist") {
				return filepath.SkipDir
			}
			return nil
		}
		switch filepath.Ext(name) {
		case ".md":
			checkText(t, path, name != "layers.md" && name != "results.md") // programs write these
			files++
		case ".go":
			if name != "text_test.go" && !strings.HasSuffix(name, ".pb.go") {
				checkText(t, path, false)
				files++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Errorf("only %d files were checked", files)
	}
}

// checkText reports stilted phrases and traces of a merge in a file; with width
// also lines of running text that are too long. Tables, code and words without a
// space, such as links, may be longer.
func checkText(t *testing.T, path string, width bool) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	code := false
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		if found := stilted.FindString(line); found != "" {
			t.Errorf("%s:%d: %q: write plain English", path, n, found)
		}
		if conflict.MatchString(line) {
			t.Errorf("%s:%d: a merge left %q", path, n, line)
		}
		text := width && !code && !strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "    ")
		if length := utf8.RuneCountInString(line); text && length > maxLine && strings.Contains(strings.TrimSpace(line), " ") {
			t.Errorf("%s:%d: %d characters, want at most %d", path, n, length, maxLine)
		}
	}
	if err := lines.Err(); err != nil {
		t.Errorf("%s: %v", path, err)
	}
}
