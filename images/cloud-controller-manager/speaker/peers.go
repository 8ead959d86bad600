package speaker

import (
	"net/netip"
	"time"
)

// peers are the nodes that were heard of, by address: whose packets they are is said
// by where they come from.
type peers map[netip.Addr]heard

type heard struct {
	at    time.Time
	ready bool
}

// hear notes a heartbeat. Its sender is a stranger if it was not heard of lately; news is
// what changes who may hold addresses.
func (p peers) hear(h Heard, now time.Time) (stranger, news bool) {
	stranger = !p.fresh(h.From, now)
	news = stranger || p[h.From].ready != h.Beat.Ready
	p[h.From] = heard{at: now, ready: h.Beat.Ready}
	return stranger, news
}

func (p peers) fresh(a netip.Addr, now time.Time) bool {
	return now.Sub(p[a].at) < silence
}

// lives reports whether a node was heard of lately and holds what is its.
func (p peers) lives(a netip.Addr, now time.Time) bool { return p.fresh(a, now) && p[a].ready }

// all reports whether all of them were heard of lately.
func (p peers) all(others map[netip.Addr]bool, now time.Time) bool {
	for a := range others {
		if !p.fresh(a, now) {
			return false
		}
	}
	return true
}
