package netdraw

import (
	"cmp"
	"slices"
)

// The layout is Sugiyama's: boxes in ranks, such that edges go from rank to rank;
// within each rank an order with few crossings; then places near to those of the
// neighbours. An edge across several ranks goes through points, which are nodes of
// the layout like boxes. Edges that leave a box with the same blob share points.

// A node is a box or a point of an edge, in the layout.
type node struct {
	box      int // index, -1 for a point
	rank     int
	before   []int // nodes with edges to this one, one rank before
	after    []int
	across   float64 // size in its rank
	along    float64 // size in the direction of the data
	center   float64 // place in its rank
	position int     // number in its rank
}

// A path is the way of an edge: the nodes that it passes, both ends among them.
type path struct {
	edge  edge
	nodes []int
}

// A layout has the nodes of a graph in ranks.
type layout struct {
	nodes []*node
	ranks [][]int // nodes, in order
	paths []path
}

// Measures in points.
const (
	gap      = 18 // between nodes of a rank
	pointGap = 10 // between nodes one of which is a point

	maxMoves = 5e6  // of nodes, while they are aligned
	maxPairs = 50e6 // of edges, beyond which the order is that of the file
)

// place lays a graph out, whose boxes have the sizes across and along the direction
// of the data.
func place(g *Graph, size func(*box) (across, along float64)) *layout {
	l := new(layout)
	for i, b := range g.boxes {
		n := &node{box: i}
		n.across, n.along = size(b)
		l.nodes = append(l.nodes, n)
	}
	l.rank(g)
	l.connect(g)
	l.order()
	l.align()
	return l
}

// rank puts each box one rank behind the last of those before it, and boxes that
// only have edges to others as near to these as possible.
func (l *layout) rank(g *Graph) {
	for _, e := range g.edges { // sorted by e.to, as the boxes were made
		l.nodes[e.to].rank = max(l.nodes[e.to].rank, l.nodes[e.from].rank+1)
	}
	fed := make([]bool, len(g.boxes))
	for _, e := range g.edges {
		fed[e.to] = true
	}
	for i := range slices.Backward(g.boxes) {
		if fed[i] {
			continue
		}
		nearest := -1
		for _, e := range g.edges {
			if to := l.nodes[e.to].rank; e.from == i && (nearest < 0 || to < nearest) {
				nearest = to
			}
		}
		l.nodes[i].rank = max(0, nearest-1)
	}
}

// connect makes the paths of the edges, with points in the ranks between their ends.
func (l *layout) connect(g *Graph) {
	type key struct {
		from, rank int
		blob       string
	}
	points := make(map[key]int)
	linked := make(map[[2]int]bool)
	link := func(a, b int) {
		if !linked[[2]int{a, b}] {
			linked[[2]int{a, b}] = true
			l.nodes[a].after = append(l.nodes[a].after, b)
			l.nodes[b].before = append(l.nodes[b].before, a)
		}
	}
	for _, e := range g.edges {
		at := e.from
		way := []int{at}
		for r := l.nodes[e.from].rank + 1; r < l.nodes[e.to].rank; r++ {
			k := key{e.from, r, e.blob}
			p, ok := points[k]
			if !ok {
				p = len(l.nodes)
				points[k] = p
				l.nodes = append(l.nodes, &node{box: -1, rank: r})
			}
			link(at, p)
			way = append(way, p)
			at = p
		}
		link(at, e.to)
		l.paths = append(l.paths, path{e, append(way, e.to)})
	}
	for i, n := range l.nodes {
		for len(l.ranks) <= n.rank {
			l.ranks = append(l.ranks, nil)
		}
		l.ranks[n.rank] = append(l.ranks[n.rank], i)
	}
}

// order sorts each rank by the mean of the neighbours' positions, forth and back, and
// keeps the order with the fewest crossings.
func (l *layout) order() {
	l.number()
	if l.pairs() > maxPairs {
		return
	}
	best, fewest := l.copyRanks(), l.crossings()
	for pass := 0; pass < 24 && fewest > 0; pass++ {
		for i := range l.ranks {
			r, neighbours := i, func(n *node) []int { return n.before }
			if pass%2 == 1 {
				r, neighbours = len(l.ranks)-1-i, func(n *node) []int { return n.after }
			}
			mean := make(map[int]float64)
			for _, id := range l.ranks[r] {
				sum, near := 0.0, neighbours(l.nodes[id])
				for _, k := range near {
					sum += float64(l.nodes[k].position)
				}
				mean[id] = float64(l.nodes[id].position)
				if len(near) > 0 {
					mean[id] = sum / float64(len(near))
				}
			}
			slices.SortStableFunc(l.ranks[r], func(a, b int) int { return cmp.Compare(mean[a], mean[b]) })
			l.number()
		}
		if n := l.crossings(); n < fewest {
			best, fewest = l.copyRanks(), n
		}
	}
	l.ranks = best
	l.number()
}

func (l *layout) copyRanks() [][]int {
	c := make([][]int, len(l.ranks))
	for i, r := range l.ranks {
		c[i] = slices.Clone(r)
	}
	return c
}

// number sets the positions of the nodes in their ranks.
func (l *layout) number() {
	for _, r := range l.ranks {
		for i, id := range r {
			l.nodes[id].position = i
		}
	}
}

// pairs returns the number of pairs of edges that crossings compares.
func (l *layout) pairs() int {
	total := 0
	for _, r := range l.ranks {
		edges := 0
		for _, id := range r {
			edges += len(l.nodes[id].after)
		}
		total += edges * edges / 2
	}
	return total
}

// crossings counts the crossings of edges between neighbouring ranks.
func (l *layout) crossings() int {
	total := 0
	for _, r := range l.ranks {
		var ends []int // of the edges, in the order of their beginnings
		for _, id := range r {
			at := len(ends)
			for _, k := range l.nodes[id].after {
				ends = append(ends, l.nodes[k].position)
			}
			slices.Sort(ends[at:])
		}
		for i, a := range ends {
			for _, b := range ends[:i] {
				if b > a {
					total++
				}
			}
		}
	}
	return total
}

// align sets the centers of the nodes, without overlaps, such that the sum of the
// squares of the edges' widths is least. It moves rank after rank to the best places
// for those of the others. Edges of points count more than those of boxes, so that
// long edges are straight.
func (l *layout) align() {
	if len(l.nodes) == 0 {
		return
	}
	for _, r := range l.ranks {
		at := 0.0
		for i, id := range r {
			if i > 0 {
				at += l.distance(r[i-1], id)
			}
			l.nodes[id].center = at
		}
		for _, id := range r {
			l.nodes[id].center -= at / 2
		}
	}
	// A chain of n ranks takes some n*n/10 passes to become straight.
	passes := max(60, min(len(l.ranks)*len(l.ranks)/4, maxMoves/len(l.nodes)))
	var want, weight []float64
	for pass := range passes {
		for i := range l.ranks {
			r := l.ranks[i]
			if pass%2 == 1 {
				r = l.ranks[len(l.ranks)-1-i]
			}
			want, weight = want[:0], weight[:0]
			for _, id := range r {
				at, importance := l.wanted(l.nodes[id])
				want, weight = append(want, at), append(weight, importance)
			}
			l.settle(r, want, weight)
		}
	}
}

// wanted returns the best place of a node for its neighbours, and how important that
// is: the sum of the weights of its edges.
func (l *layout) wanted(n *node) (want, weight float64) {
	for _, near := range [][]int{n.before, n.after} {
		for _, id := range near {
			m := l.nodes[id]
			w := 1.0
			switch {
			case n.box < 0 && m.box < 0:
				w = 8
			case n.box < 0 || m.box < 0:
				w = 2
			}
			want += w * m.center
			weight += w
		}
	}
	if weight == 0 {
		return n.center, 0.1
	}
	return want / weight, weight
}

// distance returns the least distance of the centers of two nodes beside each other.
func (l *layout) distance(a, b int) float64 {
	d := l.nodes[a].across/2 + l.nodes[b].across/2
	if l.nodes[a].box < 0 || l.nodes[b].box < 0 {
		return d + pointGap
	}
	return d + gap
}

// settle moves the nodes of a rank to the places nearest to those wanted, by the
// weighted sum of squares, that keep their order and distances: isotonic regression
// by pooling neighbours that are too near.
func (l *layout) settle(r []int, want, weight []float64) {
	type group struct {
		first       int     // index of its first node
		sum, weight float64 // of wanted places of the first node
	}
	offset := make([]float64, len(r)) // from the first node of the rank, at least distances
	var groups []group
	for i := range r {
		if i > 0 {
			offset[i] = offset[i-1] + l.distance(r[i-1], r[i])
		}
		groups = append(groups, group{i, weight[i] * (want[i] - offset[i]), weight[i]})
		for n := len(groups); n > 1; n = len(groups) {
			a, b := groups[n-2], groups[n-1]
			if a.sum/a.weight < b.sum/b.weight {
				break
			}
			groups = append(groups[:n-2], group{a.first, a.sum + b.sum, a.weight + b.weight})
		}
	}
	for k, g := range groups {
		end := len(r)
		if k+1 < len(groups) {
			end = groups[k+1].first
		}
		for i := g.first; i < end; i++ {
			l.nodes[r[i]].center = g.sum/g.weight + offset[i]
		}
	}
}
