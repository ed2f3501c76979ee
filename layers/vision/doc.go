// Package vision provides the layers for images: convolution, pooling and local
// response normalization.
package vision
