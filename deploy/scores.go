package deploy

import (
	"slices"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// NameScores returns the file with a name for the scores of every loss that
// contains a classifier (layers.Scorer) and does not name them, so that a net
// made from it has them as a blob. n is the net of the file in that state.
// Without such a loss NameScores returns file itself.
func NameScores(file *prototxt.Net, n *net.Net, state *caffepb.NetState) *prototxt.Net {
	named := file
	built := n.Layers()
	for i, param := range net.Filter(file.Param, state) {
		l := next(&built, param)
		scorer, ok := l.Impl.(layers.Scorer)
		if !ok {
			continue
		}
		score, _ := scorer.ScoreTop()
		if score < len(param.Top) {
			continue
		}
		if named == file {
			named = &prototxt.Net{File: file.File, Param: proto.Clone(file.Param).(*caffepb.NetParameter), Positions: file.Positions}
			named.Positions.Copied(file.Param, named.Param)
		}
		own := net.Filter(named.Param, state)[i]
		for len(own.Top) <= score {
			wanted := "score"
			if len(own.Top) < score {
				wanted = param.GetName()
			}
			own.Top = append(own.Top, freeName(named.Param, wanted))
		}
		for len(own.LossWeight) > 0 && len(own.LossWeight) < len(own.Top) {
			own.LossWeight = append(own.LossWeight, 0)
		}
	}
	return named
}

// freeName returns a name like the wanted one that no blob uses.
func freeName(p *caffepb.NetParameter, wanted string) string {
	for slices.ContainsFunc(p.Layer, func(l *caffepb.LayerParameter) bool { return slices.Contains(l.Top, wanted) }) {
		wanted += "_"
	}
	return wanted
}
