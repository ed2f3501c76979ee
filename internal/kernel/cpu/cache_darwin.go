package cpu

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// systemCaches returns a fast core's share of the second cache of its cluster. There is no
// third one that is the cores' alone.
func systemCaches() (l2, l3 int) {
	return sysctl("hw.perflevel0.l2cachesize") / max(1, sysctl("hw.perflevel0.cpusperl2")), 0
}

// sysctl returns a number of the system, and 0 where it has none of the name.
func sysctl(name string) int {
	switch b, _ := unix.SysctlRaw(name); len(b) {
	case 4:
		return int(binary.NativeEndian.Uint32(b))
	case 8:
		return int(binary.NativeEndian.Uint64(b))
	}
	return 0
}
