// Package kernel implements the float32 arithmetic of layers on plain slices:
// element-wise functions and sums, matrix products, convolution, pooling,
// softmax, normalization, random numbers and the update rules of solvers. It
// uses AVX-512 or AVX2 where the processor has them. The built-in layers do all
// their arithmetic with it, and so can a plugin.
//
// # Arguments
//
// All functions take their arguments in one order, that of BLAS and Caffe: the
// pool of threads, the sizes, the scalars and inputs, and last the result. A
// gradient takes the inputs or outputs of its forward function first and then
// the gradient of the output:
//
//	kernel.Axpy(pool, alpha, x, y)                             // y += alpha x
//	kernel.Mul(pool, a, b, y)                                  // y = a b
//	kernel.ReLUBackward(pool, slope, x, dy, dx)
//	kernel.Softmax(pool, outer, channels, inner, x, y)
//	kernel.Gemm(pool, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
//
// The methods of cuda.Device have the same names, and the same order after the
// device.
//
// A shape such as (n,c,s) means an array of n items of c channels of s
// elements, with element k of channel j of item i at (i·c + j)·s + k, as in
// Caffe's blobs. Matrices are row major; lda, ldb and ldc are the distances
// between the starts of two rows.
//
// # Lengths and aliasing
//
// A function that is given no sizes works on as many elements as the slice it
// writes has (a sum: as its first slice has). The other slices may be longer. A
// slice that is too short is a bug of the caller and panics. The result may be
// one of the inputs where the comment says so; it must not overlap an input in
// any other way.
//
// # Threads
//
// A nil pool runs everything on the calling goroutine. Work is cut into blocks
// by its size alone and sums of blocks are added in their order, so results are
// the same to the last bit for every number of threads. What fits into one block
// is computed by the calling goroutine, so short slices cost nothing extra.
//
// A task that runs on a pool must pass nil to the functions it calls: runs of
// one pool take turns, so it would wait for itself.
//
// With a pool no function allocates memory once it has run with the same sizes;
// without one, some allocate scratch memory in each call.
package kernel
