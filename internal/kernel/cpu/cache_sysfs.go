package cpu

import (
	"io/fs"
	"strconv"
	"strings"
)

// sysfsCaches returns the first core's share of its second cache, and the size of its
// third, from Linux's folder of the core, and 0 for what is not there.
func sysfsCaches(core fs.FS) (l2, l3 int) {
	read := func(name string) string {
		text, _ := fs.ReadFile(core, name) // without the file nothing is known
		return strings.TrimSpace(string(text))
	}
	folders, _ := fs.Glob(core, "cache/index*")
	for _, folder := range folders {
		size := parseSize(read(folder + "/size"))
		switch read(folder + "/level") {
		case "2":
			// Threads of one core have its share together.
			l2 = size * max(1, countCPUs(read("topology/thread_siblings_list"))) / max(1, countCPUs(read(folder+"/shared_cpu_list")))
		case "3":
			l3 = size
		}
	}
	return l2, l3
}

// parseSize parses a size such as 1024K, and returns 0 for anything else.
func parseSize(text string) int {
	kilo, ok := strings.CutSuffix(text, "K")
	n, err := strconv.Atoi(kilo)
	if !ok || err != nil {
		return 0
	}
	return n << 10
}

// countCPUs counts a list such as 0-3,8, and returns 0 for anything else.
func countCPUs(list string) (n int) {
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		last := first
		if isRange && err == nil {
			last, err = strconv.Atoi(to)
		}
		if err != nil || last < first {
			return 0
		}
		n += last - first + 1
	}
	return n
}
