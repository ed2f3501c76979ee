package layers

// WeightPacker is a layer, such as a convolution of few images, whose Forward first brings its
// weights into another form. In a net for inference it can keep that form from pass to pass.
type WeightPacker interface {
	// PackedBytes returns the memory that this takes with the shapes of the last Reshape, or 0 if
	// it would save no time.
	PackedBytes() int64

	// KeepPacked turns on (true) or off that Forward keeps the form. It is off at first. The layer
	// makes it again when the weights have changed (Blob.DataVersion), and gives the memory back
	// when it is turned off. The net calls it after Reshape and Fuse.
	KeepPacked(bool)
}
