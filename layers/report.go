package layers

// Reporter is a layer that can say something about its weights that no top shows.
// gocaffe test prints it after the results.
type Reporter interface {
	// Report returns a line without the layer's name, or "" if there is nothing to say.
	Report() string
}
