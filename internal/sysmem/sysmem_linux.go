package sysmem

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Read returns the memory of the machine or, if that is less, of the process's container
// (cgroup version 2). ok is false if nothing is known.
func Read() (info Info, ok bool) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return Info{}, false
	}
	info, ok = parse(string(text))
	if !ok {
		return Info{}, false
	}
	if limit, used, found := cgroup("/sys/fs/cgroup", ownGroup()); found {
		info.Total = min(info.Total, limit)
		info.Available = min(info.Available, max(0, limit-used))
	}
	return info, true
}

// parse reads the lines of /proc/meminfo, which count in kB.
func parse(text string) (info Info, ok bool) {
	values := make(map[string]int64)
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, ":")
		if fields := strings.Fields(rest); len(fields) > 0 {
			if n, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
				values[name] = n << 10
			}
		}
	}
	info = Info{Available: values["MemAvailable"], Total: values["MemTotal"] + values["SwapTotal"]}
	return info, info.Total > 0 && info.Available > 0
}

// ownGroup returns the path of the process's cgroup.
func ownGroup() string {
	text, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSpace(path)
		}
	}
	return "/"
}

// cgroup returns the tightest limit of a cgroup and those above it.
func cgroup(root, group string) (limit, used int64, found bool) {
	for dir := filepath.Join(root, group); ; dir = filepath.Dir(dir) {
		if n, ok := number(filepath.Join(dir, "memory.max")); ok && (!found || n < limit) {
			limit, found = n, true
			used, _ = number(filepath.Join(dir, "memory.current"))
		}
		if dir == root || !strings.HasPrefix(dir, root) {
			return limit, used, found
		}
	}
}

// number reads a file with a number; "max" is none.
func number(path string) (int64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}
