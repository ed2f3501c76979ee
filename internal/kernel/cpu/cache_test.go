package cpu

import (
	"testing"
	"testing/fstest"
)

// TestSysfsCaches checks the sizes of the caches that Linux tells, of one core's own, of
// several cores with one, and of files that are missing or have no size.
func TestSysfsCaches(t *testing.T) {
	for _, c := range []struct {
		siblings, size, shared, third string
		l2, l3                        int
	}{
		{"0\n", "1024K\n", "0\n", "32768K\n", 1 << 20, 32 << 20},
		{"0\n", "2048K\n", "0-3\n", "", 512 << 10, 0},
		{"0,8\n", "2048K\n", "0,8\n", "", 2 << 20, 0},
		{"0-1\n", "4096K\n", "0-3,8-11\n", "", 1 << 20, 0},
		{"", "512K\n", "", "", 512 << 10, 0},
		{"0\n", "", "0\n", "", 0, 0},
		{"0\n", "much\n", "?\n", "0K\n", 0, 0},
	} {
		core := fstest.MapFS{}
		for name, text := range map[string]string{
			"topology/thread_siblings_list": c.siblings,
			"cache/index0/level":            "1\n", "cache/index0/size": "64K\n",
			"cache/index2/level": "2\n", "cache/index2/size": c.size, "cache/index2/shared_cpu_list": c.shared,
			"cache/index3/level": "3\n", "cache/index3/size": c.third,
		} {
			if text != "" {
				core[name] = &fstest.MapFile{Data: []byte(text)}
			}
		}
		if l2, l3 := sysfsCaches(core); l2 != c.l2 || l3 != c.l3 {
			t.Errorf("%+v: %d and %d", c, l2, l3)
		}
	}
	if l2, l3 := sysfsCaches(fstest.MapFS{}); l2 != 0 || l3 != 0 {
		t.Errorf("without files: %d and %d", l2, l3)
	}
	if L2() == 0 || L3() == 0 {
		t.Errorf("L2 is %d and L3 %d, want a size or -1", L2(), L3())
	}
}
