//go:build !noasm

package bf16

import "golang.org/x/sys/unix"

// tilesPermitted asks Linux for the permission to use the tiles of AMX, once for the whole
// process (Documentation/arch/x86/xstate.rst of the kernel), and reports whether it was given.
// It is refused if the processor or the kernel (before 5.16) does not save tiles, or
// if the stack of a thread's signal handlers is too small for them. They need 11 KiB, and
// the Go runtime's have 32.
func tilesPermitted() bool {
	const (
		requestPermission = 0x1023 // ARCH_REQ_XCOMP_PERM
		tileData          = 18     // XFEATURE_XTILEDATA
	)
	_, _, errno := unix.RawSyscall(unix.SYS_ARCH_PRCTL, requestPermission, tileData, 0)
	return errno == 0
}
