package main

// googLeNet returns the net of Szegedy et al., "Going Deeper with Convolutions" (2015),
// table 1, with normalization across channels as in Caffe's model of it. For training it
// has both auxiliary classifiers, whose losses weigh 0.3.
func googLeNet(training bool) string {
	n := newNet("googlenet", 224, training)
	n.conv(conv{name: "conv1", channels: 64, kernel: 7, stride: 2})
	n.pool("pool1", "MAX", 3, 2, 0)
	n.lrn("norm1")
	n.conv(conv{name: "conv2_reduce", channels: 64, kernel: 1})
	n.conv(conv{name: "conv2", channels: 192, kernel: 3})
	n.lrn("norm2")
	n.pool("pool2", "MAX", 3, 2, 0)
	for _, m := range []struct {
		name                               string
		one, reduce3, three, reduce5, five int // channels
		pooled                             int
		pool                               bool // before the next module
		auxiliary                          bool
	}{
		{name: "3a", one: 64, reduce3: 96, three: 128, reduce5: 16, five: 32, pooled: 32},
		{name: "3b", one: 128, reduce3: 128, three: 192, reduce5: 32, five: 96, pooled: 64, pool: true},
		{name: "4a", one: 192, reduce3: 96, three: 208, reduce5: 16, five: 48, pooled: 64, auxiliary: true},
		{name: "4b", one: 160, reduce3: 112, three: 224, reduce5: 24, five: 64, pooled: 64},
		{name: "4c", one: 128, reduce3: 128, three: 256, reduce5: 24, five: 64, pooled: 64},
		{name: "4d", one: 112, reduce3: 144, three: 288, reduce5: 32, five: 64, pooled: 64, auxiliary: true},
		{name: "4e", one: 256, reduce3: 160, three: 320, reduce5: 32, five: 128, pooled: 128, pool: true},
		{name: "5a", one: 256, reduce3: 160, three: 320, reduce5: 32, five: 128, pooled: 128},
		{name: "5b", one: 384, reduce3: 192, three: 384, reduce5: 48, five: 128, pooled: 128},
	} {
		from, name := n.place, "inception_"+m.name
		branch := func(layers ...conv) place {
			n.place = from
			for _, c := range layers {
				n.conv(c)
			}
			return n.place
		}
		one := branch(conv{name: name + "/1x1", channels: m.one, kernel: 1})
		three := branch(conv{name: name + "/3x3_reduce", channels: m.reduce3, kernel: 1}, conv{name: name + "/3x3", channels: m.three, kernel: 3})
		five := branch(conv{name: name + "/5x5_reduce", channels: m.reduce5, kernel: 1}, conv{name: name + "/5x5", channels: m.five, kernel: 5})
		n.place = from
		n.pool(name+"/pool", "MAX", 3, 1, 1)
		n.conv(conv{name: name + "/pool_proj", channels: m.pooled, kernel: 1})
		n.concat(name, one, three, five, n.place)
		if m.auxiliary && training {
			n.auxiliary("aux_" + m.name)
		}
		if m.pool {
			n.pool(name+"/pool_after", "MAX", 3, 2, 0)
		}
	}
	n.means("pool5")
	n.dropout(0.4)
	n.inner("classifier", 1000)
	return n.text()
}

// auxiliary adds a classifier beside the net, with its loss.
func (n *caffeNet) auxiliary(name string) {
	from := n.place
	n.pool(name+"/pool", "AVE", 5, 3, 0)
	n.conv(conv{name: name + "/conv", channels: 128, kernel: 1})
	n.inner(name+"/fc", 1024)
	n.relu()
	n.dropout(0.7)
	n.inner(name+"/classifier", 1000)
	n.loss(name+"/loss", 0.3)
	n.place = from
}
