//go:build !linux

package lib

import "fmt"

func fileName(stem string, version int) string { return fmt.Sprintf("%s64_%d.dll", stem, version) }
