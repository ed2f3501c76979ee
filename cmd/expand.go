package gocaffecmd

import (
	"fmt"
	"strings"
)

// expand fills in a template, as text/template does: [[.Name]] is a value, [["["]] the
// text in quotes, and between [[if .Name]] or [[if eq .Name "text"]], [[else if ...]],
// [[else]] and [[end]] is what a condition chooses; .Name holds unless its value is "".
// [[- and -]] leave out the space before or after. Package text/template itself calls
// methods by name, so the linker would keep all methods of the program: 2.3 MB.
func expand(text string, values map[string]string) (string, error) {
	var out strings.Builder
	var open []choice
	write := func(s string) {
		for _, c := range open {
			if !c.writes {
				return
			}
		}
		out.WriteString(s)
	}
	for line := 1; ; {
		before, rest, found := strings.Cut(text, "[[")
		if !found {
			write(text)
			break
		}
		action, after, closed := strings.Cut(rest, "]]")
		if !closed {
			return "", fmt.Errorf("line %d: [[ without ]]", line)
		}
		line += strings.Count(text[:len(text)-len(after)], "\n")
		if trimmed, ok := strings.CutPrefix(action, "-"); ok {
			action, before = trimmed, strings.TrimRight(before, " \t\r\n")
		}
		if trimmed, ok := strings.CutSuffix(action, "-"); ok {
			action, after = trimmed, strings.TrimLeft(after, " \t\r\n")
		}
		text = after
		write(before)
		var err error
		if open, err = act(strings.TrimSpace(action), values, open, write); err != nil {
			return "", fmt.Errorf("line %d: [[%s]]: %w", line, action, err)
		}
	}
	if len(open) > 0 {
		return "", fmt.Errorf("there are %d [[if]] without [[end]]", len(open))
	}
	return out.String(), nil
}

// A choice is an [[if]] without its [[end]] so far.
type choice struct {
	writes bool // the part that is being read
	chosen bool // this part or one before
}

// act does what an action says, and returns the open choices.
func act(action string, values map[string]string, open []choice, write func(string)) ([]choice, error) {
	word, rest, _ := strings.Cut(action, " ")
	switch {
	case word == "if":
		holds, err := holds(rest, values)
		return append(open, choice{holds, holds}), err
	case word == "else" || word == "end":
		if len(open) == 0 {
			return nil, fmt.Errorf("there is no [[if]]")
		}
		last := &open[len(open)-1]
		if word == "end" {
			return open[:len(open)-1], nil
		}
		next := true
		if condition, ok := strings.CutPrefix(rest, "if "); ok {
			var err error
			if next, err = holds(condition, values); err != nil {
				return nil, err
			}
		}
		last.writes = next && !last.chosen
		last.chosen = last.chosen || next
		return open, nil
	case len(action) > 1 && action[0] == '"' && action[len(action)-1] == '"':
		write(action[1 : len(action)-1])
		return open, nil
	}
	v, err := value(action, values)
	if err == nil {
		write(v)
	}
	return open, err
}

// holds reports whether a condition holds.
func holds(condition string, values map[string]string) (bool, error) {
	if comparison, ok := strings.CutPrefix(condition, "eq "); ok {
		name, text, _ := strings.Cut(comparison, " ")
		v, err := value(name, values)
		return v == strings.Trim(text, `"`), err
	}
	v, err := value(condition, values)
	return v != "", err
}

// value returns the value of .Name.
func value(name string, values map[string]string) (string, error) {
	v, ok := values[strings.TrimPrefix(name, ".")]
	if !ok || !strings.HasPrefix(name, ".") {
		return "", fmt.Errorf("%q is no value", name)
	}
	return v, nil
}
