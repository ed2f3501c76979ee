package cpu

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/cpuid/v2"
)

// Name returns the processor's name with its microarchitecture, family and model, since
// virtual machines often hide the number in the name: "AMD EPYC (Zen 4, family 25 model
// 17)", "Neoverse N1 (implementer 0x41 part 0xd0c)". It is the architecture's if the
// system does not say more.
func Name() string {
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if name := linuxName(string(info)); name != "" {
			return name
		}
	}
	c := &cpuid.CPU
	x := x86{c.VendorString, c.BrandName, c.Family, c.Model, c.Stepping}
	return cmp.Or(x.name(), strings.TrimSpace(c.BrandName), runtime.GOARCH)
}

// linuxName returns the name by the text of /proc/cpuinfo, or "".
func linuxName(info string) string {
	var x x86
	var arms []string
	var implementer uint64
	for line := range strings.Lines(info) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		number, _ := strconv.ParseUint(value, 0, 32) // 0 for text
		switch strings.TrimSpace(key) {
		case "vendor_id":
			x.vendor = value
		case "model name":
			x.brand = value
		case "cpu family":
			x.family = int(number)
		case "model":
			x.model = int(number)
		case "stepping":
			x.stepping = int(number)
		case "CPU implementer":
			implementer = number
		case "CPU part":
			if name := armName(implementer, number); !slices.Contains(arms, name) {
				arms = append(arms, name)
			}
		}
	}
	if len(arms) > 0 {
		return strings.Join(arms, ", ") // of all kinds of cores
	}
	return cmp.Or(x.name(), x.brand)
}

// An x86 is what CPUID says about a processor.
type x86 struct {
	vendor, brand           string
	family, model, stepping int
}

// name returns the name, or "" if it is not an x86 processor.
func (x *x86) name() string {
	if x.vendor != amd && x.vendor != intel {
		return ""
	}
	text := fmt.Sprintf("family %d model %d", x.family, x.model)
	if arch := x.microarchitecture(); arch != "" {
		text = arch + ", " + text
	}
	brand := strings.Join(strings.Fields(x.brand), " ") // some have many spaces
	return fmt.Sprintf("%s (%s)", cmp.Or(brand, x.vendor), text)
}

const (
	amd   = "AuthenticAMD"
	intel = "GenuineIntel"
)

// microarchitecture returns the common name of the microarchitecture, or "" if it is not
// in the tables.
func (x *x86) microarchitecture() string {
	if x.vendor == amd {
		for _, z := range zen {
			if z.family == x.family && z.first <= x.model && x.model <= z.last {
				return z.name
			}
		}
		return ""
	}
	if x.family == 6 && x.model == 0x55 && x.stepping >= 5 {
		if x.stepping >= 10 {
			return "Cooper Lake"
		}
		return "Cascade Lake"
	}
	if x.family != 6 {
		return ""
	}
	return lakes[x.model]
}

// zen are AMD's microarchitectures by family and range of models.
var zen = []struct {
	family, first, last int
	name                string
}{
	{23, 0x00, 0x2f, "Zen"}, {23, 0x50, 0x5f, "Zen"},
	{23, 0x30, 0x4f, "Zen 2"}, {23, 0x60, 0x7f, "Zen 2"}, {23, 0x90, 0xaf, "Zen 2"},
	{25, 0x00, 0x0f, "Zen 3"}, {25, 0x20, 0x5f, "Zen 3"},
	{25, 0x10, 0x1f, "Zen 4"}, {25, 0x60, 0xaf, "Zen 4"},
	{26, 0x00, 0x4f, "Zen 5"}, {26, 0x60, 0x7f, "Zen 5"},
}

// lakes are Intel's microarchitectures by model of family 6, as the products are called.
var lakes = map[int]string{
	0x3c: "Haswell", 0x3f: "Haswell", 0x45: "Haswell", 0x46: "Haswell",
	0x3d: "Broadwell", 0x47: "Broadwell", 0x4f: "Broadwell", 0x56: "Broadwell",
	0x4e: "Skylake", 0x5e: "Skylake", 0x55: "Skylake-X",
	0x8e: "Kaby Lake", 0x9e: "Kaby Lake", 0xa5: "Comet Lake", 0xa6: "Comet Lake",
	0x6a: "Ice Lake", 0x6c: "Ice Lake", 0x7d: "Ice Lake", 0x7e: "Ice Lake",
	0x8c: "Tiger Lake", 0x8d: "Tiger Lake", 0xa7: "Rocket Lake",
	0x97: "Alder Lake", 0x9a: "Alder Lake", 0xb7: "Raptor Lake", 0xba: "Raptor Lake", 0xbf: "Raptor Lake",
	0xaa: "Meteor Lake", 0xac: "Meteor Lake", 0xbd: "Lunar Lake", 0xc5: "Arrow Lake", 0xc6: "Arrow Lake",
	0x8f: "Sapphire Rapids", 0xcf: "Emerald Rapids", 0xad: "Granite Rapids", 0xae: "Granite Rapids",
}

// armName returns the name of an arm64 core.
func armName(implementer, part uint64) string {
	text := fmt.Sprintf("implementer 0x%02x part 0x%03x", implementer, part)
	if name := arms[implementer<<12|part]; name != "" {
		return name + " (" + text + ")"
	}
	return runtime.GOARCH + " (" + text + ")"
}

// arms are arm64 cores by implementer and part.
var arms = map[uint64]string{
	0x41d03: "Cortex-A53", 0x41d05: "Cortex-A55", 0x41d07: "Cortex-A57", 0x41d08: "Cortex-A72", 0x41d0b: "Cortex-A76",
	0x41d0c: "Neoverse N1", 0x41d40: "Neoverse V1", 0x41d49: "Neoverse N2", 0x41d4f: "Neoverse V2",
	0x48d01: "Kunpeng 920", 0x61022: "Apple M1", 0x61023: "Apple M1", 0xc0ac3: "AmpereOne",
}
