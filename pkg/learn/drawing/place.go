package drawing

// place gives every slot its height in the picture: first one below the other, then,
// layer by layer, forth and back, each as near to the mean of its neighbours as the
// order and the room between allow.
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

// moveToTop begins the picture at height 0.
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

// settle moves the slots of a layer to where the squares of their distances from the
// means of their neighbours are least, in their order and with the gap between them:
// isotonic regression, by pooling neighbours that would overlap.
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

// wish is where a slot would be best: at the mean of its neighbours.
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
