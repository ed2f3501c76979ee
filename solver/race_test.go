//go:build race

package solver_test

// raceEnabled is set because the race detector makes sync.Pool forget, and so
// allocate.
const raceEnabled = true
