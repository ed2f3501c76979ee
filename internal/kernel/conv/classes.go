package conv

// The classes of tiles, in the order that a block has them. The last point of an axis,
// infinity, counts only for the last row or column of a tile's output, so a tile that has one
// row or column less does without its products: 484 of 576 are left in a plane of 14x14,
// which has tiles of 4, 4, 3 and 3 rows and columns. The elements in their place, which are not
// computed, only reach outputs that are dropped.
const (
	rightTiles = iota
	innerTiles
	bottomTiles
	cornerTiles
	classes
)

// counts holds a number of tiles of each class.
type counts [classes]int

// before returns the number of tiles of the classes before one.
func (c *counts) before(class int) int {
	n := 0
	for _, v := range c[:class] {
		n += v
	}
	return n
}

// times returns the tiles of some images of c tiles.
func (c counts) times(images int) counts {
	for class := range c {
		c[class] *= images
	}
	return c
}

// class returns the class of the tile in a row and a column of the tiles of a plane.
func (t *tiling) class(row, column int) int {
	right, bottom := column >= t.full[1], row >= t.full[0]
	switch {
	case right && bottom:
		return cornerTiles
	case right:
		return rightTiles
	case bottom:
		return bottomTiles
	}
	return innerTiles
}

// needed returns the first and the number of those tiles of a block of c tiles that need
// the product of matrices xi.
func (t *tiling) needed(c counts, xi int) (first, n int) {
	from, to := rightTiles, classes
	if xi%t.n == t.n-1 {
		from, to = innerTiles, cornerTiles
	}
	if xi/t.n == t.n-1 {
		to = bottomTiles
	}
	first = c.before(from)
	return first, c.before(to) - first
}
