package lib

import "fmt"

func fileName(stem string, version int) string { return fmt.Sprintf("lib%s.so.%d", stem, version) }
