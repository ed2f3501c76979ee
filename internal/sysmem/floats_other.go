//go:build !linux

package sysmem

func adviseHuge([]float32) {}
