package main

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// What gocaffe does not have.
var (
	missingType  = regexp.MustCompile(`gocaffe has no layer type "([^"]*)"`)
	missingField = regexp.MustCompile(`unknown field "([^"]*)" of (\w+)`)
	unread       = regexp.MustCompile(`: ([\w.]+) is (?:a field of .* alone and )?not implemented`)
	unknownValue = regexp.MustCompile(`unknown value (\w+) of (\w+)`)
)

// lacks are other errors about what gocaffe does not have.
var lacks = []rule{
	{regexp.MustCompile(`reading video files is not implemented`), "video files in VideoData (C3D)"},
	{regexp.MustCompile(`pad of \d+, which Intel's Caffe adds after the crop`), "pad after the crop (Intel)"},
	{regexp.MustCompile(`unknown filler type "gabor"`), "filler gabor (Intel)"},
	{regexp.MustCompile(`want 1 x 1 x rows x 8`), "made-up ground truth of another shape for MultiBoxLoss (Intel's benchmarks)"},
}

// unknownToAll are fields that are in a net or solver of a repository, but not in the
// caffe.proto of its fork, nor in another's.
var unknownToAll = []string{"SolverParameter.stepearly"}

// place is where in a file and in which layer an error is.
var place = regexp.MustCompile(`^\S*?:\d+:\d+: (?:layer "[^"]*": )?`)

// A rule says why a file is refused that has such an error.
type rule struct {
	pattern *regexp.Regexp
	reason  string
}

const shapes = "shapes that do not go together (the layers' CHECKs)"

// rules are the errors for which Caffe or its parser has one too.
var rules = []rule{
	{regexp.MustCompile(`is given again|given twice`), "a field twice (the text parser refuses it)"},
	{regexp.MustCompile(`bottoms 0 and 1 have shapes \[\d+ 8 1 1\] and \[\d+ (84|324)\]|got shape \[1 \d+ (37 62|38 63)\]`),
		"shapes that go together with a configuration beside the net alone (R-FCN's AGNOSTIC, PVANet's sizes of images)"},
	{regexp.MustCompile(`got shapes? \[`), shapes},
	{regexp.MustCompile(`got .*, want |is not closed|closes nothing|string that runs on|no closing quote|map fields|invalid|UTF-16|NUL byte`),
		"not valid text (the text parser refuses it)"},
	{regexp.MustCompile(`is not the top of any layer above`), "a bottom that no layer makes (net.cpp: Unknown bottom blob)"},
	{regexp.MustCompile(`is already a top of layer|is listed twice`), "a top twice (net.cpp: Top blob produced by multiple sources)"},
	{regexp.MustCompile(`has the same name|two layers are called`), "two layers of one name"},
	{regexp.MustCompile(`(?:has|have) .*(?:bottom|top)s?,? (?:type|want)`), "another number of bottoms or tops than the type takes (layer.hpp: ExactNumBottomBlobs)"},
	{regexp.MustCompile(`needs "|is required|want .* given`), "a required field that is missing"},
	{regexp.MustCompile(`cannot import module`), "a Python layer whose module is not at hand (python_layer.cpp)"},
	{regexp.MustCompile(`no train net:`), "a solver without a train net"},
	{regexp.MustCompile(`has \d+ param entries`), "more param entries than weights (net.cpp: Too many params specified)"},
	{regexp.MustCompile(`test_iter has \d+ values`), "test_iter without a test net (solver.cpp)"},
	{regexp.MustCompile(`both "layers" and "layer"`), "\"layer\" and \"layers\" in one net"},
	{regexp.MustCompile(`shape|axis|axes|kernel|divisible|does not fit|elements|channels`), shapes},
}

// judge returns why a file with these errors is refused, "" if it has none, and whether
// the reason is something that gocaffe does not have: then Caffe or a fork takes the file.
func judge(file string, errs []string) (reason string, missing bool) {
	if len(errs) == 0 {
		return "", false
	}
	for _, line := range errs {
		if m := missingType.FindStringSubmatch(line); m != nil {
			return m[1], true
		}
	}
	for _, line := range errs {
		if m := missingField.FindStringSubmatch(line); m != nil {
			field := m[2] + "." + m[1]
			if slices.Contains(unknownToAll, field) {
				return "a field that no caffe.proto has (the text parser refuses it)", false
			}
			return field, true
		}
		if m := unread.FindStringSubmatch(line); m != nil {
			return m[1], true
		}
		if m := unknownValue.FindStringSubmatch(line); m != nil {
			return m[2] + " " + m[1], true
		}
	}
	for _, line := range errs {
		for _, r := range lacks {
			if r.pattern.MatchString(line) {
				return r.reason, true
			}
		}
		for _, r := range rules {
			if r.pattern.MatchString(strings.TrimPrefix(line, file)) {
				return r.reason, false
			}
		}
	}
	return place.ReplaceAllString(errs[0], ""), true // until a rule says otherwise
}

// table returns the totals as Markdown: a row for each folder, and then the reasons.
func table(all []*folder) string {
	var b strings.Builder
	b.WriteString("| repository | dialect | nets | accepted | refused as by Caffe | missing | solvers | accepted |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	var nets, solvers tally
	nets.refused, nets.missing = make(map[string]int), make(map[string]int)
	solvers.refused, solvers.missing = make(map[string]int), make(map[string]int)
	for _, f := range all {
		if f.nets.total()+f.solvers.total() == 0 {
			continue // all of it is in another one
		}
		row(&b, f.name, f.dialect, &f.nets, &f.solvers)
		nets.add(&f.nets)
		solvers.add(&f.solvers)
	}
	row(&b, "all", "", &nets, &solvers)
	if n := nets.total(); n > 0 {
		fmt.Fprintf(&b, "\n%.1f %% of the nets are accepted", 100*float64(nets.accepted)/float64(n))
		if able := n - sum(nets.refused); able > 0 {
			fmt.Fprintf(&b, ", and %.1f %% of the %d that Caffe or the fork takes", 100*float64(nets.accepted)/float64(able), able)
		}
		b.WriteString(".\n")
	}
	reasons(&b, "Refused as by Caffe", nets.refused, solvers.refused)
	reasons(&b, "Missing", nets.missing, solvers.missing)
	return b.String()
}

func row(b *strings.Builder, name, dialect string, nets, solvers *tally) {
	fmt.Fprintf(b, "| %s | %s | %d | %d | %d | %d | %d | %d |\n", name, dialect,
		nets.total(), nets.accepted, sum(nets.refused), sum(nets.missing), solvers.total(), solvers.accepted)
}

func (t *tally) add(other *tally) {
	t.accepted += other.accepted
	for reason, n := range other.refused {
		t.refused[reason] += n
	}
	for reason, n := range other.missing {
		t.missing[reason] += n
	}
}

// reasons writes a table of reasons, the most frequent first.
func reasons(b *strings.Builder, title string, nets, solvers map[string]int) {
	both := maps.Clone(nets)
	for reason, n := range solvers {
		both[reason] += n
	}
	if len(both) == 0 {
		return
	}
	fmt.Fprintf(b, "\n| %s | nets | solvers |\n| --- | --- | --- |\n", title)
	keys := slices.SortedFunc(maps.Keys(both), func(x, y string) int {
		return cmp.Or(cmp.Compare(both[y], both[x]), cmp.Compare(x, y))
	})
	for _, reason := range keys {
		fmt.Fprintf(b, "| %s | %d | %d |\n", strings.ReplaceAll(reason, "|", `\|`), nets[reason], solvers[reason])
	}
}
