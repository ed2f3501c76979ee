package bf16

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
)

// eachVariant runs a test with every variant of this machine.
func eachVariant(t *testing.T, f func(t *testing.T, u *Micro)) {
	for _, u := range Variants() {
		t.Run(u.Name, func(t *testing.T) {
			Use(u)
			defer Use(nil)
			f(t, u)
		})
	}
	if err := Supported(); err != nil {
		t.Run("native", func(t *testing.T) { t.Skip("SKIPPED: ", err) })
	}
}

func randomPairs(r *rand.Rand, n int) []uint32 {
	s := make([]uint32, n)
	for i := range s {
		s[i] = uint32(FromFloat32(float32(r.NormFloat64()))) | uint32(FromFloat32(float32(r.NormFloat64())))<<16
	}
	return s
}

func TestBlocks(t *testing.T) {
	eachVariant(t, func(t *testing.T, u *Micro) {
		r := rand.New(rand.NewPCG(1, 2))
		for rows := 1; rows <= 2; rows++ {
			for cols := 1; cols <= 2; cols++ {
				for _, k := range []int{1, 2, 5, 40} {
					if k > 5 && u == &generic {
						continue
					}
					stepA, stepB := (k+1)*Words, (k+2)*Words
					a, b := randomPairs(r, rows*stepA), randomPairs(r, cols*stepB)
					c, ldc := kerneltest.Matrix(r, rows*Side, cols*Side, 3)
					for _, add := range []bool{false, true} {
						want := make([]float64, len(c))
						for i := range want {
							want[i] = float64(c[i])
							if i%ldc < cols*Side {
								if !add {
									want[i] = 0
								}
								row, col := i/ldc, i%ldc
								for p := range k * Side {
									x, y := a[row/Side*stepA+p/Side*Words+row%Side*Side+p%Side], b[col/Side*stepB+p*Side+col%Side]
									want[i] += float64(ToFloat32(uint16(x)))*float64(ToFloat32(uint16(y))) +
										float64(ToFloat32(uint16(x>>16)))*float64(ToFloat32(uint16(y>>16)))
								}
							}
						}
						u.Multiply(
							Panels{Count: rows, Tiles: unsafe.Pointer(&a[0]), Off: PackedOffsets(nil, k), Pitch: 4 * Side, Step: 4 * stepA},
							Panels{Count: cols, Tiles: unsafe.Pointer(&b[0]), Off: PackedOffsets(nil, k), Pitch: 4 * Side, Step: 4 * stepB},
							c, ldc, add)
						name := fmt.Sprintf("%dx%d, k %d, add %v: c", rows, cols, k, add)
						kerneltest.CheckGuards(t, name, c)
						for i := range c {
							if i%ldc >= cols*Side {
								if math.Float32bits(c[i]) != math.Float32bits(kerneltest.Guard) {
									t.Fatalf("%s: wrote between the rows", name)
								}
								c[i], want[i] = 0, 0
							}
						}
						kerneltest.Near(t, name, c, want, kerneltest.Tolerance(k*Depth))
						for i := range c {
							if i%ldc >= cols*Side {
								c[i] = kerneltest.Guard
							}
						}
					}
				}
			}
		}
	})
}

// Every loop gives the same bits as the one in Go, and writes nothing else.
func TestConversions(t *testing.T) {
	special := append([]float32{math.MaxFloat32, 0x1.fep127, 0x1.ffp127, 1 + 0x1p-8, 1 + 0x1.8p-7, 1 + 0x1p-8 + 0x1p-20, 0x1p-126, 0x1.fffffep-127}, kerneltest.Specials...)
	eachVariant(t, func(t *testing.T, u *Micro) {
		r := rand.New(rand.NewPCG(1, 3))
		for _, n := range kerneltest.Lengths[1:] {
			even, odd := kerneltest.Guarded(r, n), kerneltest.Guarded(r, n)
			for i := 0; i < n; i += 3 {
				even[i], odd[i] = special[i/3%len(special)], special[(i/3+5)%len(special)]
			}
			// check runs a loop that sets the given number of elements, of which want gives
			// those that are not 0.
			check := func(name string, elements int, run func(dst []uint32), want func(i int) (v float32, ok bool)) {
				t.Helper()
				memory := kerneltest.Guarded(r, (elements+1)/2)
				got := Halves(AsWords(memory))
				got[len(got)-1] = 0xaaaa // behind the end of an odd number
				run(AsWords(memory))
				kerneltest.CheckGuards(t, name, memory)
				for i := range elements {
					var bits uint16
					if v, ok := want(i); ok {
						bits = FromFloat32(v)
					}
					if got[i] != bits {
						t.Fatalf("%s of %d: element %d is %#x, want %#x", name, n, i, got[i], bits)
					}
				}
				if elements%2 == 1 && got[elements] != 0xaaaa {
					t.Fatalf("%s of %d: wrote behind the end", name, n)
				}
			}
			check("Round", n, func(dst []uint32) { u.Round(even, Halves(dst), 100) }, func(i int) (float32, bool) { return even[i], true })
			check("Pair", 2*n, func(dst []uint32) { u.Pair(even, odd, dst, 100) }, func(i int) (float32, bool) {
				return [2][]float32{even, odd}[i%2][i/2], true
			})
			check("Pair with zeros", 2*n, func(dst []uint32) { u.Pair(even, nil, dst, 0) }, func(i int) (float32, bool) {
				return even[i/2], i%2 == 0
			})
		}
	})
}

// A bfloat16 is the nearest one, ties to even.
func TestFromFloat32(t *testing.T) {
	for _, test := range []struct{ x, want float32 }{
		{1, 1}, {-1, -1}, {0, 0},
		{1 + 0x1p-8, 1},                         // a tie: down to even
		{1 + 0x1.8p-7, 1 + 0x1p-6},              // a tie: up to even
		{1 + 0x1.02p-8, 1 + 0x1p-7},             // above a tie
		{0x1.fep127, 0x1.fep127},                // the largest
		{math.MaxFloat32, float32(math.Inf(1))}, // rounds up
		{0x1p-126, 0x1p-126}, {0x1p-127, 0},     // the smallest, and below
		{float32(math.Inf(-1)), float32(math.Inf(-1))},
	} {
		if got := ToFloat32(FromFloat32(test.x)); got != test.want {
			t.Errorf("%g becomes %g, want %g", test.x, got, test.want)
		}
	}
	if got := ToFloat32(FromFloat32(math.Float32frombits(0x7f800001))); got == got {
		t.Errorf("a NaN becomes %g", got)
	}
}

func TestCopies(t *testing.T) {
	eachVariant(t, func(t *testing.T, u *Micro) {
		r := rand.New(rand.NewPCG(1, 4))
		src := randomPairs(r, 1000)
		for _, n := range []int{4, 8, 16, 52} {
			off := make([]int32, n)
			for i := range off {
				off[i] = int32(2 * r.IntN(2*(len(src)-Side)))
			}
			dst := AsWords(kerneltest.Guarded(r, n*Side))
			u.CopyLines((*byte)(unsafe.Pointer(&src[0])), off, dst)
			for i, got := range Halves(dst) {
				if want := Halves(src)[int(off[i/Depth])/2+i%Depth]; got != want {
					t.Fatalf("CopyLines of %d: element %d is %#x, want %#x", n, i, got, want)
				}
			}
		}
		const tiles, lds = 3, 50
		dst := make([]uint32, tiles*Words)
		u.Transpose(tiles, src, lds, dst)
		for i, got := range dst {
			if want := src[i%Side*lds+i/Side]; got != want {
				t.Fatalf("Transpose: word %d is %#x, want %#x", i, got, want)
			}
		}
	})
}

// TestFences checks that no loop touches memory next to its arguments.
func TestFences(t *testing.T) {
	eachVariant(t, func(t *testing.T, u *Micro) {
		r := rand.New(rand.NewPCG(1, 6))
		for _, n := range []int{1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65} {
			kerneltest.EachFence(t, fmt.Sprint("conversions of ", n), func(slice func(r *rand.Rand, n int) []float32) {
				even, odd, dst := slice(r, n), slice(r, n), AsWords(slice(r, n))
				u.Pair(even, odd, dst, 100)
				u.Pair(even, nil, dst, 100)
				u.Round(even, Halves(AsWords(slice(r, n/2+n%2)))[n%2:], 100)
				u.Round(even, Halves(AsWords(slice(r, n/2+n%2)))[:n], 100)
			})
		}
		kerneltest.EachFence(t, "copies", func(slice func(r *rand.Rand, n int) []float32) {
			src := AsWords(slice(r, 5*Side))
			u.CopyLines((*byte)(unsafe.Pointer(&src[0])), []int32{16 * Side, 0, 2, 14 * Side}, AsWords(slice(r, 4*Side)))
			u.Transpose(2, AsWords(slice(r, (Side-1)*37+2*Side)), 37, AsWords(slice(r, 2*Words)))
		})
		for rows := 1; rows <= 2; rows++ {
			for cols := 1; cols <= 2; cols++ {
				kerneltest.EachFence(t, fmt.Sprintf("%d by %d panels", rows, cols), func(slice func(r *rand.Rand, n int) []float32) {
					const tiles, ldc = 3, 2*Side + 5
					off := PackedOffsets(nil, tiles)
					a, b := AsWords(slice(r, rows*tiles*Words)), AsWords(slice(r, cols*tiles*Words))
					c := slice(r, (rows*Side-1)*ldc+cols*Side)
					for _, add := range []bool{false, true} {
						u.Multiply(Packed(a, 0, rows*Side, off), Packed(b, 0, cols*Side, off), c, ldc, add)
					}
				})
			}
		}
		for _, s := range [][3]int{{2, 2, 1}, {3, 5, 7}, {16, 16, 32}, {17, 33, 65}, {33, 31, 3}} {
			m, n, k := s[0], s[1], s[2]
			for _, trans := range [][2]bool{{false, false}, {false, true}, {true, false}, {true, true}} {
				kerneltest.EachFence(t, fmt.Sprint("Gemm ", trans, s), func(slice func(r *rand.Rand, n int) []float32) {
					lda, ldb := k, n
					if trans[0] {
						lda = m
					}
					if trans[1] {
						ldb = k
					}
					Gemm(nil, trans[0], trans[1], m, n, k, 1, slice(r, m*k), lda, slice(r, k*n), ldb, 1, slice(r, m*n), n)
				})
			}
		}
	})
}

func BenchmarkBlock(b *testing.B) {
	for _, u := range Variants() {
		for _, k := range []int{2, 18, 72} {
			b.Run(fmt.Sprintf("%s/k=%d", u.Name, k*Depth), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 5))
				x, y := randomPairs(r, 2*k*Words), randomPairs(r, 2*k*Words)
				c := make([]float32, 4*Words)
				off := PackedOffsets(nil, k)
				for b.Loop() {
					u.Multiply(Packed(x, 0, 2*Side, off), Packed(y, 0, 2*Side, off), c, 2*Side, false)
				}
				b.ReportMetric(2*float64(4*Words*k*Depth)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
