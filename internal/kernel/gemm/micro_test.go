package gemm

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/parallel"
)

func TestTransposeAndCopy(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		u := Active()
		r := rand.New(rand.NewPCG(4, 4))
		sizes := []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50}
		for _, rows := range sizes {
			for _, cols := range sizes {
				for _, extra := range [][2]int{{0, 0}, {3, 0}, {0, 5}, {60, 1}} {
					src, lds := kerneltest.Matrix(r, rows, cols, extra[0])
					dst, ldd := kerneltest.Matrix(r, cols, rows, extra[1])
					u.TransposeTo(rows, cols, src, lds, dst, ldd)
					kerneltest.CheckGuards(t, "the transposed matrix", dst)
					checkMoved(t, rows, cols, src, lds, dst, 1, ldd)

					dst, ldd = kerneltest.Matrix(r, rows, cols, extra[1])
					u.CopyTo(rows, cols, src, lds, dst, ldd)
					kerneltest.CheckGuards(t, "the copied matrix", dst)
					checkMoved(t, rows, cols, src, lds, dst, ldd, 1)
				}
			}
		}
	})
}

// TestTransposeAhead checks that bringing the next rows to a cache changes nothing, and that
// there need not be any.
func TestTransposeAhead(t *testing.T) {
	const blocks = 3
	kerneltest.EachLevel(t, func(t *testing.T) {
		u := Active()
		if u.Transpose == nil {
			return // Go's loops have no blocks
		}
		r := rand.New(rand.NewPCG(4, 5))
		n := u.Lanes
		kerneltest.EachFence(t, "transposition", func(slice func(r *rand.Rand, n int) []float32) {
			src, dst, want := slice(r, n*n*blocks), slice(r, n*n*blocks), make([]float32, n*n*blocks)
			u.Ahead(blocks, &src[0], n*blocks, n, &dst[0], n, n*n, n*n*blocks)
			u.Transpose(blocks, &src[0], n*blocks, n, &want[0], n, n*n)
			kerneltest.SameBits(t, "transposed blocks", dst, want)
			for _, size := range [][2]int{{n, n}, {3*n + 1, 2*n + 3}, {2 * n, 5*n - 1}, {n - 1, n}, {1, 3 * n}} {
				rows, cols := size[0], size[1]
				src, dst := slice(r, rows*cols), slice(r, rows*cols)
				u.TransposeAhead(rows, cols, src, cols, dst, rows, rows*cols)
				checkMoved(t, rows, cols, src, cols, dst, 1, rows)
			}
		})
	})
}

// checkMoved checks that element (i,j) of src is at i*di+j*dj of dst, and that the
// guards between the rows of dst are unchanged.
func checkMoved(t *testing.T, rows, cols int, src []float32, lds int, dst []float32, di, dj int) {
	t.Helper()
	want := make([]float32, len(dst))
	kerneltest.Fill(want, kerneltest.Guard)
	for i := range rows {
		for j := range cols {
			want[i*di+j*dj] = src[i*lds+j]
		}
	}
	kerneltest.SameBits(t, "moved matrix", dst, want)
}

func TestPeakFlops(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		p := parallel.NewPool(2)
		defer p.Close()
		// Any machine that runs this reaches more than 10 million operations per second and
		// less than 100 TFLOP/s on two threads.
		if got := PeakFlops(p); !(got > 0.01 && got < 1e5) {
			t.Errorf("PeakFlops() = %g", got)
		}
	})
}

func TestShortSlicesPanic(t *testing.T) {
	x, y, w := make([]float32, 2*16), make([]float32, 3*16), make([]float32, 54)
	for want, f := range map[string]func(){
		"kernel: Gemm: A has 3 elements, want 4":                    func() { Gemm(nil, false, false, 2, 2, 2, 1, x[:3], 2, x, 2, 0, y, 2) },
		"kernel: Gemm: B has 3 elements, want 4":                    func() { Gemm(nil, false, false, 2, 2, 2, 1, x, 2, x[:3], 2, 0, y, 2) },
		"kernel: Gemm: C has 3 elements, want 4":                    func() { Gemm(nil, false, false, 2, 2, 2, 1, x, 2, x, 2, 0, y[:3], 2) },
		"kernel: Gemm: the rows of A are 1 apart and 2 long":        func() { Gemm(nil, false, false, 2, 2, 2, 1, x, 1, x, 2, 0, y, 2) },
		"kernel: Gemv: x and y have 1 and 2 elements, want 2 and 2": func() { Gemv(nil, false, 2, 2, 1, w, 2, x[:1], 0, y[:2]) },
	} {
		func() {
			defer func() {
				if r := recover(); r != want {
					t.Errorf("got %v, want %v", r, want)
				}
			}()
			f()
		}()
	}
}

// TestTile compares the micro-kernels of all widths with sums in float64, for whole tiles and
// any number of rows that are left, and checks that they touch no row beyond.
func TestTile(t *testing.T) {
	const depth = 7
	kerneltest.EachLevel(t, func(t *testing.T) {
		u := Active()
		r := rand.New(rand.NewPCG(4, 6))
		kerneltest.EachFence(t, "tile", func(slice func(r *rand.Rand, n int) []float32) {
			for w := u.Lanes; w <= u.Panel(); w += u.Lanes {
				for n := 1; n <= 2*TileRows+1; n++ {
					for k := range depth + 1 {
						x, b := slice(r, n*depth), slice(r, depth*w)
						rows, off := make([]int32, n), make([]int32, depth)
						for i, row := range r.Perm(n) {
							rows[i] = int32(row * depth)
						}
						for p, at := range r.Perm(depth) {
							off[p] = int32(at)
						}
						init, got := slice(r, (n-1)*(w+3)+w), slice(r, n*w)
						for _, from := range []*float32{nil, &init[0]} {
							u.Tile(w)(n, k, &x[0], &rows[0], &off[0], &b[0], from, w+3, &got[0], w)
							for i := range n {
								for j := range w {
									want := 0.
									if from != nil {
										want = float64(init[i*(w+3)+j])
									}
									for p := range k {
										want += float64(x[rows[i]+off[p]]) * float64(b[p*w+j])
									}
									if math.Abs(float64(got[i*w+j])-want) > 1e-5*(1+math.Abs(want)) {
										t.Fatalf("%d rows of %d columns, %d terms: sum %d,%d is %g, want %g", n, w, k, i, j, got[i*w+j], want)
									}
								}
							}
						}
					}
				}
			}
		})
	})
}

// TestFew compares the dot products of few packed rows with sums in float64. What they bring to
// a cache need not exist.
func TestFew(t *testing.T) {
	const depth = 5 // vectors
	kerneltest.EachLevel(t, func(t *testing.T) {
		u := Active()
		r := rand.New(rand.NewPCG(4, 7))
		kerneltest.EachFence(t, "dot products", func(slice func(r *rand.Rand, n int) []float32) {
			for _, tile := range u.few {
				if fewPiece%tile.cols != 0 {
					t.Fatalf("%d rows of y are not a part of %d", tile.cols, fewPiece)
				}
				for vectors := 1; vectors <= depth; vectors++ {
					n, stride := vectors*u.Lanes, depth*u.Lanes
					x, y, c := slice(r, tile.rows*n), slice(r, tile.cols*stride), slice(r, tile.rows*tile.cols)
					cols := make([]int32, tile.cols)
					for j, row := range r.Perm(tile.cols) {
						cols[j] = int32(row * stride)
					}
					was := append([]float32(nil), c...)
					tile.multiply(n, &x[0], &y[0], &cols[0], 1<<20, &c[0])
					for j, at := range cols {
						for i := range tile.rows {
							want := float64(was[j*tile.rows+i])
							for p := range n {
								want += float64(x[(p/u.Lanes*tile.rows+i)*u.Lanes+p%u.Lanes]) * float64(y[int(at)+p])
							}
							if got := float64(c[j*tile.rows+i]); math.Abs(got-want) > 1e-5*(1+math.Abs(want)) {
								t.Fatalf("%dx%d, %d terms: sum %d,%d is %g, want %g", tile.rows, tile.cols, n, i, j, got, want)
							}
						}
					}
				}
			}
		})
	})
}

// TestThin compares the products of panels that are part of a matrix with sums in float64, and
// their copies with the panels. What they bring to a cache need not exist.
func TestThin(t *testing.T) {
	const depth, apart = 5, 7
	kerneltest.EachLevel(t, func(t *testing.T) {
		u := Active()
		r := rand.New(rand.NewPCG(4, 8))
		w := u.BlockPanel()
		kerneltest.EachFence(t, "thin products", func(slice func(r *rand.Rand, n int) []float32) {
			for i, multiply := range u.thin {
				rows := i + 1
				for k := 1; k <= depth; k++ {
					ldb, ldc := w+apart, w+1
					a, b, c := slice(r, k*rows), slice(r, (k-1)*ldb+w), slice(r, (rows-1)*ldc+w)
					copied := slice(r, k*w)
					for _, to := range []*float32{nil, &copied[0]} {
						was := append([]float32(nil), c...)
						multiply(k, &a[0], &b[0], ldb, 1<<20, to, &c[0], ldc)
						for at, got := range c {
							i, j := at/ldc, at%ldc
							want := float64(was[at])
							for p := 0; p < k && j < w; p++ {
								want += float64(a[p*rows+i]) * float64(b[p*ldb+j])
							}
							if math.Abs(float64(got)-want) > 1e-5*(1+math.Abs(want)) {
								t.Fatalf("%d rows, %d terms: sum %d,%d is %g, want %g", rows, k, i, j, got, want)
							}
						}
					}
					for p := range k {
						kerneltest.SameBits(t, "copied panel", copied[p*w:][:w], b[p*ldb:][:w])
					}
				}
			}
		})
	})
}
