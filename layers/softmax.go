package layers

// CheckSoftmax refuses what the softmax layers of NormFace's Caffe can do and
// Caffe's cannot: another softmax_param.normalize_type than "Softmax".
func (s *Spec) CheckSoftmax() error {
	if t := s.Param.GetSoftmaxParam().GetNormalizeType(); t != "Softmax" {
		return s.Errorf("softmax_param.normalize_type", "normalize_type is %q, only \"Softmax\" is supported", t)
	}
	return nil
}
