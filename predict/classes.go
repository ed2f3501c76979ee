package predict

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/readfile"
	"github.com/gocaffe/gocaffe/prototxt"
)

// beginsItem matches the beginning of a LabelMap, after comments.
var beginsItem = regexp.MustCompile(`^\x{feff}?(\s|#[^\n]*\n)*item\s*:?\s*\{`)

// background matches the names of the class that is not found, in lists of classes.
var background = regexp.MustCompile(`(?i)^[_ ]*(background|none[_ ]of[_ ]the[_ ]above)[_ ]*$`)

// ReadClasses reads the names of a detector's classes, by their numbers; classes without
// a name have "". The file is a LabelMap of SSD, whose display_name counts, or has one
// name a line. Such a list begins with class 0 if that is called background, or if it has
// as many names as there are classes; otherwise it begins with class 1. classes is
// Detector.Classes; 0: not known.
func ReadClasses(ctx context.Context, path string, classes int) ([]string, error) {
	text, err := readfile.Text(ctx, path)
	if err != nil {
		return nil, err
	}
	if slices.Contains([]string{".prototxt", ".pbtxt"}, strings.ToLower(filepath.Ext(path))) || beginsItem.Match(text) {
		return readLabelMap(path, text)
	}
	names, err := ReadLabels(ctx, path)
	if err != nil {
		return nil, err
	}
	switch n := len(names); {
	case classes > 0 && n != classes && n != classes-1:
		return nil, fmt.Errorf("%s: the file has %d labels, the net %d classes with the background", path, n, classes)
	case classes > 0 && n == classes-1, classes == 0 && !background.MatchString(names[0]):
		names = append([]string{""}, names...)
	}
	return names, nil
}

// readLabelMap reads the names of a LabelMap.
func readLabelMap(path string, text []byte) ([]string, error) {
	var file caffepb.LabelMap
	if err := prototxt.Parse(path, text, &file, nil); err != nil {
		return nil, err
	}
	const most = 1 << 20 // far above any; a typing error must not take all memory
	var names []string
	for _, item := range file.GetItem() {
		label := int(item.GetLabel())
		if label < 0 || label > most {
			return nil, fmt.Errorf("%s: label %d of %q, want 0 to %d", path, label, item.GetName(), most)
		}
		for len(names) <= label {
			names = append(names, "")
		}
		names[label] = item.GetName()
		if name := item.GetDisplayName(); name != "" {
			names[label] = name
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: the file has no item", path)
	}
	return names, nil
}
