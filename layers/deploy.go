package layers

import "github.com/gocaffe/gocaffe/caffepb"

// Deployer is a layer that stock Caffe does not know, but whose work in phase
// TEST stock Caffe can do with other layers. gocaffe deploy asks it for them.
type Deployer interface {
	// Deploy returns the layers that stand for this one, in the order in which
	// they run, with their weights in Blobs. It is called on a layer that has
	// been set up and has its weights, but has never run. param is the layer as
	// the file has it, with the file's names of the blobs; of a Scorer every top
	// has a name.
	//
	// The layers read the bottoms of param, but for the labels, and their tops
	// keep the names that the tops of param have, so that they can be compared.
	// A Softmax or Sigmoid at the end may make a blob of another name, by custom
	// "prob", which is changed if the net has a blob of that name.
	Deploy(param *caffepb.LayerParameter) ([]*caffepb.LayerParameter, error)
}

// Scorer is a loss that has a classifier in it. What tests a net or deploys it
// names the top with the scores where the file does not.
type Scorer interface {
	// ScoreTop returns the number of the top with the scores, of which a softmax
	// makes probabilities, and the axis of the classes in it.
	ScoreTop() (top, axis int)
}
