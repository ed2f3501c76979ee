package cpu

import (
	"strings"
	"testing"
)

// TestName checks the names of processors by the text of /proc/cpuinfo.
func TestName(t *testing.T) {
	x86 := func(vendor, brand, family, model, stepping string) string {
		return "processor\t: 0\nvendor_id\t: " + vendor + "\ncpu family\t: " + family + "\nmodel\t\t: " + model +
			"\nmodel name\t: " + brand + "\nstepping\t: " + stepping + "\ncpu MHz\t\t: 2596.148\n\n"
	}
	arm := func(implementer, part string) string {
		return "processor\t: 0\nCPU implementer\t: " + implementer + "\nCPU architecture: 8\nCPU part\t: " + part + "\n\n"
	}
	const xeon = "Intel(R) Xeon(R) Processor"
	for _, c := range []struct{ info, want string }{
		{x86(amd, "AMD EPYC", "25", "17", "1"), "AMD EPYC (Zen 4, family 25 model 17)"},
		{x86(amd, "AMD EPYC", "26", "2", "1"), "AMD EPYC (Zen 5, family 26 model 2)"},
		{x86(amd, "AMD EPYC 7B13", "25", "1", "1"), "AMD EPYC 7B13 (Zen 3, family 25 model 1)"},
		{x86(amd, "AMD EPYC 7R32", "23", "49", "0"), "AMD EPYC 7R32 (Zen 2, family 23 model 49)"},
		{x86(amd, "AMD  Ryzen   9", "99", "1", "0"), "AMD Ryzen 9 (family 99 model 1)"},
		{x86(intel, xeon, "6", "143", "8"), xeon + " (Sapphire Rapids, family 6 model 143)"},
		{x86(intel, xeon, "6", "85", "4"), xeon + " (Skylake-X, family 6 model 85)"},
		{x86(intel, xeon, "6", "85", "7"), xeon + " (Cascade Lake, family 6 model 85)"},
		{x86(intel, xeon, "6", "85", "11"), xeon + " (Cooper Lake, family 6 model 85)"},
		{x86(intel, "", "15", "85", "11"), "GenuineIntel (family 15 model 85)"},
		{x86("Other", "Other 1", "6", "85", "11"), "Other 1"},
		{arm("0x41", "0xd0c") + arm("0x41", "0xd0c"), "Neoverse N1 (implementer 0x41 part 0xd0c)"},
		{arm("0x41", "0xd0b") + arm("0x41", "0xd05"), "Cortex-A76 (implementer 0x41 part 0xd0b), Cortex-A55 (implementer 0x41 part 0xd05)"},
		{"nothing of use\n", ""},
	} {
		if got := linuxName(c.info); got != c.want {
			t.Errorf("%q is called %q, want %q", c.info, got, c.want)
		}
	}
	if got := linuxName(arm("0x99", "0x1")); !strings.HasSuffix(got, " (implementer 0x99 part 0x001)") {
		t.Errorf("an unknown core is called %q", got)
	}
	if Name() == "" {
		t.Error("this processor has no name")
	}
}
