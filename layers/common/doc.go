// Package common holds the layers that most nets have: inner products,
// normalization, scaling, dropout.
package common
