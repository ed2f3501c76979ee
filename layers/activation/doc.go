// Package activation holds the layers that work on every number by itself.
package activation
