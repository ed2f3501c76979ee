//go:build !linux && !noasm

package bf16

// tilesPermitted reports that the tiles of AMX are not used: whether the system saves them is
// known for Linux only.
func tilesPermitted() bool { return false }
