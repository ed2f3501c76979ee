package math32

import "github.com/gocaffe/gocaffe/internal/kernel"

// Fill sets all of dst to v.
func Fill(dst []float32, v float32) { kernel.Fill(dst, v) }

// Axpy adds alpha x to y.
func Axpy(alpha float32, x, y []float32) { kernel.Axpy(alpha, x, y) }

// Axpby sets y to alpha x + beta y.
func Axpby(alpha float32, x []float32, beta float32, y []float32) { kernel.Axpby(alpha, x, beta, y) }

// Scale sets dst to alpha x.
func Scale(alpha float32, x, dst []float32) { kernel.Scale(alpha, x, dst) }

// AddScalar sets dst to x + v.
func AddScalar(dst, x []float32, v float32) { kernel.AddScalar(dst, x, v) }

// Add sets dst to a + b.
func Add(dst, a, b []float32) { kernel.Add(dst, a, b) }

// Sub sets dst to a - b.
func Sub(dst, a, b []float32) { kernel.Sub(dst, a, b) }

// Mul sets dst to the products of the elements of a and b.
func Mul(dst, a, b []float32) { kernel.Mul(dst, a, b) }

// Div sets dst to the quotients of the elements of a and b.
func Div(dst, a, b []float32) { kernel.Div(dst, a, b) }

// Exp sets dst to the exponentials of x.
func Exp(dst, x []float32) { kernel.Exp(dst, x) }

// Sum returns the sum of x, summed in float64.
func Sum(x []float32) float64 { return kernel.Sum64(x) }

// Asum returns the sum of the magnitudes of x, summed in float64.
func Asum(x []float32) float64 { return kernel.Asum(x) }

// SumSq returns the sum of the squares of x, summed in float64.
func SumSq(x []float32) float64 { return kernel.SumSq(x) }

// Dot returns the scalar product of a and b, summed in float64.
func Dot(a, b []float32) float64 { return kernel.Dot(a, b) }

// Max returns the largest number of x, passing over NaN; -Inf if there is none.
func Max(x []float32) float32 { return kernel.Max(x) }
