package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// edits changes a text and keeps the first error: what is to be replaced must be there.
type edits struct {
	text string
	err  error
}

func (e *edits) fail(what string) {
	if e.err == nil {
		e.err = fmt.Errorf("the net or solver of the zoo has no %q", what)
	}
}

func (e *edits) replace(from, to string) {
	if !strings.Contains(e.text, from) {
		e.fail(from)
	}
	e.text = strings.ReplaceAll(e.text, from, to)
}

func (e *edits) remove(pattern string) {
	if text := find(e.text, "("+pattern+")"); text != "" {
		e.replace(text, "")
	} else {
		e.fail(pattern)
	}
}

// numbers replaces the first n numbers that a pattern finds, or all if n is negative.
func (e *edits) numbers(pattern string, n int, f func(float64) float64) {
	var out strings.Builder
	at := 0
	matches := regexp.MustCompile(pattern).FindAllStringSubmatchIndex(e.text, n)
	if matches == nil {
		e.fail(pattern)
	}
	for _, m := range matches {
		v, err := strconv.ParseFloat(e.text[m[2]:m[3]], 64)
		if err != nil {
			e.fail(pattern)
		}
		out.WriteString(e.text[at:m[2]] + strconv.FormatFloat(f(v), 'g', 6, 64))
		at = m[3]
	}
	e.text = out.String() + e.text[at:]
}

// liunet changes widths, features and the schedules of losses.
func (e *edits) liunet(r run, s scale, zooIterations int) {
	factor := 1 / float64(s.divide)
	if r.width > 0 {
		factor *= float64(r.width) / 64
	}
	if r.data.name == "digits" {
		factor *= 4 // the zoo's net has a quarter of the channels
	}
	e.numbers(`num_output: (\d+) kernel_size`, -1, func(v float64) float64 { return max(1, float64(int(v*factor+0.5))) })
	e.numbers(`name: "ip1" type: "InnerProduct".*\n.*num_output: (\d+)`, 1, func(v float64) float64 {
		if r.features > 0 {
			return float64(r.features)
		}
		return max(1, v/float64(s.divide))
	})
	if r.loss.zoo == "asoftmax" || r.loss.zoo == "lsoftmax" {
		e.numbers(`gamma: (\S+) power`, 1, func(v float64) float64 { return v * float64(zooIterations) / float64(r.iterations) })
	}
	if r.features > 0 { // drawn as the inner product computes them: after ReLU they would fill a quarter of the plane
		for _, name := range []string{"ip1_bn", "ip1_scale", "ip1_relu"} {
			e.remove(`layer \{ name: "` + name + `".*\n`)
		}
	}
	if r.dropout > 0 {
		relu := `layer { name: "ip1_relu" type: "ReLU" bottom: "ip1" top: "ip1" }` + "\n"
		e.replace(relu, relu+fmt.Sprintf("layer { name: \"drop1\" type: \"Dropout\" bottom: \"ip1\" top: \"ip1\" dropout_param { dropout_ratio: %g } }\n", r.dropout))
	}
}

// alexnet changes widths.
func (e *edits) alexnet(s scale) {
	const classes = 10
	e.numbers(`num_output: (\d+)`, -1, func(v float64) float64 {
		if v == classes {
			return v
		}
		return v / float64(s.divide)
	})
}

func find(text, pattern string) string {
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return m[1]
}
