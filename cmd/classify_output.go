package gocaffecmd

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/predict"
)

// outputFormat returns the format of what classify writes: text, csv, json, npy, or
// caffe for the text of cpp_classification.
func (f *classifyFlags) outputFormat() (string, error) {
	if f.output != "" {
		if f.format != "text" {
			return "", fmt.Errorf("--format is for standard output; the name of --output %s says the format of the file", f.output)
		}
		format := strings.ToLower(strings.TrimPrefix(filepath.Ext(f.output), "."))
		if !slices.Contains([]string{"csv", "json", "npy"}, format) {
			return "", fmt.Errorf("--output %s: want a name that ends in .csv, .json or .npy", f.output)
		}
		return format, nil
	}
	if !slices.Contains([]string{"text", "csv", "json", "caffe"}, f.format) {
		return "", fmt.Errorf("--format is %q, want text, csv, json or caffe", f.format)
	}
	return f.format, nil
}

// A classifyOutput writes the result of each image. Scores are nil for an image that
// could not be read.
type classifyOutput struct {
	add func(path string, scores []float32) error
	ending
}

// A classified image is an object of the JSON output.
type classified struct {
	Image       string       `json:"image"`
	Predictions []classScore `json:"predictions"`
}

// A classScore is a class with its score.
type classScore struct {
	Class int     `json:"class"`
	Label string  `json:"label,omitempty"`
	Score float32 `json:"score"`
}

// newOutput begins the output.
func (f *classifyFlags) newOutput(a *app, format string, classes int, labels []string) (*classifyOutput, error) {
	top := func(scores []float32) []classScore {
		var list []classScore
		for _, class := range predict.Top(scores, f.topK) {
			s := classScore{Class: class, Score: scores[class]}
			if labels != nil {
				s.Label = labels[class]
			}
			list = append(list, s)
		}
		return list
	}
	switch format {
	case "npy":
		return f.arrayOutput(classes)
	case "text", "caffe":
		write := writeClassified
		if format == "caffe" {
			write = writeAsCaffe
		}
		width := len(strconv.Itoa(classes - 1))
		return &classifyOutput{func(path string, scores []float32) error {
			if scores == nil {
				return nil
			}
			return write(a.stdout, path, top(scores), width)
		}, noEnding}, nil
	}
	header := []string{"image", "rank", "class", "label", "score"}
	rows, ending, err := a.rowsTo(f.output, format, header)
	if err != nil {
		return nil, err
	}
	return &classifyOutput{func(path string, scores []float32) error {
		if scores == nil {
			return nil
		}
		list := top(scores)
		if format == "json" {
			return rows.add(nil, classified{path, list})
		}
		for rank, s := range list {
			cells := []string{path, strconv.Itoa(rank + 1), strconv.Itoa(s.Class), s.Label, sixDigits(float64(s.Score))}
			if err := rows.add(cells, nil); err != nil {
				return err
			}
		}
		return nil
	}, ending}, nil
}

// arrayOutput is a .npy file with all scores. Those of an image that could not be read
// are NaN.
func (f *classifyFlags) arrayOutput(classes int) (*classifyOutput, error) {
	s, err := newArraySink(f.output, []int{classes})
	if err != nil {
		return nil, err
	}
	unread := slices.Repeat([]float32{float32(math.NaN())}, classes)
	return &classifyOutput{func(_ string, scores []float32) error {
		if scores == nil {
			scores = unread
		}
		return s.Append(scores)
	}, ending{s.commit, s.abort}}, nil
}

// writeClassified writes the classes of an image as text, in 80 columns but for long
// paths: one line for a single class, otherwise one for the path and one for each.
func writeClassified(out io.Writer, path string, list []classScore, width int) error {
	if len(list) == 1 {
		s := list[0]
		text := fmt.Sprintf("%s  %.4f  %d", path, s.Score, s.Class)
		_, err := fmt.Fprintln(out, withLabel(text, s.Label))
		return err
	}
	if _, err := fmt.Fprintln(out, path); err != nil {
		return err
	}
	for _, s := range list {
		if _, err := fmt.Fprintln(out, withLabel(fmt.Sprintf("  %.4f  %*d", s.Score, width, s.Class), s.Label)); err != nil {
			return err
		}
	}
	return nil
}

// withLabel appends a label to a line, cut to what fits into 80 columns.
func withLabel(line, label string) string {
	if label == "" {
		return line
	}
	return line + "  " + middleCut(label, max(16, 78-len([]rune(line))))
}

// writeAsCaffe writes the classes of an image as cpp_classification does.
func writeAsCaffe(out io.Writer, path string, list []classScore, _ int) error {
	fmt.Fprintf(out, "---------- Prediction for %s ----------\n", path)
	for _, s := range list {
		if _, err := fmt.Fprintf(out, "%.4f - \"%s\"\n", s.Score, s.Label); err != nil {
			return err
		}
	}
	return nil
}
