// Package vision holds the layers of images: convolution, pooling and local
// response normalization.
package vision
