//go:build !noasm

package cpu

import "golang.org/x/sys/cpu"

func detect() []Level {
	list := []Level{Generic}
	x := &cpu.X86
	if x.HasAVX2 && x.HasFMA {
		list = append(list, AVX2)
		if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL {
			list = append(list, AVX512)
		}
	}
	return list
}
