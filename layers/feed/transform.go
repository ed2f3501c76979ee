package feed

import (
	"errors"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
)

// NewTransformer returns a transformer for the layer's transform_param. All
// transformers of a layer draw the same random numbers. SetUp must call ReadMean.
func NewTransformer(spec *layers.Spec) (*data.Transformer, error) {
	return NewTransformerFor(spec, spec.Param.GetTransformParam())
}

// NewTransformerFor is NewTransformer for options in place of the layer's.
func NewTransformerFor(spec *layers.Spec, param *caffepb.TransformationParameter) (*data.Transformer, error) {
	if param == nil {
		param = new(caffepb.TransformationParameter)
	}
	t, err := data.NewTransformer(param, spec.Env.Phase, spec.Rand("transform"))
	var option *data.OptionError
	if errors.As(err, &option) {
		return nil, spec.ErrorAt("transform_param."+option.Field, 0, option.Err)
	}
	return t, err
}

// ReadMean reads transform_param.mean_file, if set, into the transformer.
func ReadMean(spec *layers.Spec, t *data.Transformer) error {
	file := spec.Param.GetTransformParam().GetMeanFile()
	if file == "" {
		return nil
	}
	event.Send(spec.Env.Observer, layers.MeanLoading{Layer: spec.Param.GetName(), Path: file})
	mean, err := data.ReadMean(file)
	if err != nil {
		return spec.ErrorAt("transform_param.mean_file", 0, err)
	}
	t.SetMean(mean)
	return nil
}

// Sources returns the data that a data layer reads (layers.DataSource): the given path,
// and the mean file of its transform_param, if any.
func Sources(spec *layers.Spec, path string) []string {
	sources := []string{path}
	if mean := spec.Param.GetTransformParam().GetMeanFile(); mean != "" {
		sources = append(sources, mean)
	}
	return sources
}
