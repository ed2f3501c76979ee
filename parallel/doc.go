// Package parallel runs numbered parts of a piece of work on a fixed number of
// threads, without allocating memory once it has warmed up.
//
// A [Pool] runs a [Task]: anything with a method Do that computes part i. Keep
// tasks and their buffers, as a layer does in its struct, so that running them
// again allocates nothing:
//
//	type scaler struct{ x []float32 }
//
//	func (s *scaler) Do(worker, i int) { ... } // scale part i of s.x
//
//	pool.Run(parts, s)
//
// For a loop over a range a [Loop] or a [Range] is simpler, which cut the range into
// pieces; a [SumLoop] also adds up what the pieces return. Memory that a part needs for itself comes from
// [Pool.Scratch], memory that all parts of an operation share from
// [Op.Workspace].
//
// Goroutines of a pool that have nothing to do watch for the next run, so that it begins
// within a microsecond, and soon sleep. On Unix they sleep at once while the system often
// takes processors away from the process: then other programs need them.
//
// Results should not depend on the number of threads: cut work by its size
// alone, never by Threads, let each part write what no other part writes, and
// add up sums of parts in the order of the parts after Run has returned.
package parallel
