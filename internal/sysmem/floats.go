package sysmem

// Floats returns n zeros. On Linux an array of 256 kB or more asks for huge pages, where the
// system gives them to programs that ask: with pages of 4 kB the processor spends a part of
// its time on looking up addresses, the more so in a virtual machine.
func Floats(n int) []float32 { return Reserve(n, n) }

// Reserve is Floats with a capacity.
func Reserve(n, capacity int) []float32 {
	x := make([]float32, n, capacity)
	if 4*capacity >= hugePage/8 { // smaller ones find room in pages that are there
		adviseHuge(x[:capacity])
	}
	return x
}

// hugePage is the size in bytes of a huge page, or a multiple of it.
const hugePage = 2 << 20
