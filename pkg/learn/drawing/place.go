package drawing

// place sets the height of every slot in the picture. It first stacks the slots of each layer.
// Then it goes through the layers, alternately forward and backward, and moves each slot as
// close to the mean of its neighbors as the order and the gaps allow.
func (l *layout) place() {
	for _, layer := range l.layers {
		below := 0.0
		for _, s := range layer {
			s.y = below + s.height/2
			below += s.height + gap
		}
	}
	for sweep := range sweeps {
		for i := range l.layers {
			if sweep%2 == 0 {
				settle(l.layers[i])
			} else {
				settle(l.layers[len(l.layers)-1-i])
			}
		}
	}
	l.moveToTop()
}

// moveToTop shifts all slots so that the picture begins at height 0.
func (l *layout) moveToTop() {
	top := 0.0
	for i, s := range l.all() {
		if upper := s.y - s.height/2; i == 0 || upper < top {
			top = upper
		}
	}
	for _, s := range l.all() {
		s.y -= top
	}
}

func (l *layout) all() []*slot {
	var list []*slot
	for _, layer := range l.layers {
		list = append(list, layer...)
	}
	return list
}

// settle moves the slots of a layer so that the sum of the squared distances from the means of
// their neighbors is minimal. It keeps their order and the gaps between them. It is an isotonic
// regression, which pools adjacent slots that would overlap.
func settle(layer []*slot) {
	type pool struct {
		sum, count float64
		slots      int
	}
	var pools []pool
	offsets := make([]float64, len(layer))
	for i, s := range layer {
		if i > 0 {
			offsets[i] = offsets[i-1] + (layer[i-1].height+s.height)/2 + gap
		}
		pools = append(pools, pool{s.wish() - offsets[i], 1, 1})
		for n := len(pools); n > 1 && pools[n-2].sum/pools[n-2].count > pools[n-1].sum/pools[n-1].count; n = len(pools) {
			last := pools[n-1]
			pools = pools[:n-1]
			pools[n-2].sum += last.sum
			pools[n-2].count += last.count
			pools[n-2].slots += last.slots
		}
	}
	i := 0
	for _, p := range pools {
		for range p.slots {
			layer[i].y = p.sum/p.count + offsets[i]
			i++
		}
	}
}

// wish returns the best height for a slot: the mean of its neighbors.
func (s *slot) wish() float64 {
	sum, count := 0.0, 0
	for _, list := range [][]*slot{s.before, s.next} {
		for _, n := range list {
			sum += n.y
			count++
		}
	}
	if count == 0 {
		return s.y
	}
	return sum / float64(count)
}
