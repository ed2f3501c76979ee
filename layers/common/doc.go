// Package common implements the layers that most nets have: inner products,
// normalization, scaling and dropout.
package common
