//go:build (!amd64 && !arm64) || noasm

package update

import "github.com/gocaffe/gocaffe/internal/kernel/cpu"

// implementations holds the loops of each level.
var implementations = [...]*rules{
	cpu.Generic: &generic,
}
