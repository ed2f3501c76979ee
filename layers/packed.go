package layers

// WeightPacker is a layer, such as a convolution of few images, whose Forward first brings its
// weights into another form. In a net for inference it can keep that form from pass to pass.
type WeightPacker interface {
	// PackedBytes returns the memory that this takes with the shapes of the last Reshape, or 0 if
	// it would save no time.
	PackedBytes() int64

	// KeepPacked tells Forward whether to keep the form; at first it does not. The layer makes it
	// again when the weights have changed (Blob.DataVersion), and frees the memory when it no
	// longer keeps it. The net calls it after Reshape and Fuse.
	KeepPacked(bool)
}
