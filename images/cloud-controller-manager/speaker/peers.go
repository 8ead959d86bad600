package speaker

import (
	"net/netip"
	"time"
)

// peers contains the nodes that have sent heartbeats, by the source address of their packets, which
// identifies the node.
type peers map[netip.Addr]heard

type heard struct {
	at    time.Time
	ready bool
}

// hear records a heartbeat. stranger is true if the sender has sent none within the failure timeout.
// news is true if the heartbeat can change which nodes hold addresses.
func (p peers) hear(h Heard, now time.Time) (stranger, news bool) {
	stranger = !p.fresh(h.From, now)
	news = stranger || p[h.From].ready != h.Beat.Ready
	p[h.From] = heard{at: now, ready: h.Beat.Ready}
	return stranger, news
}

// fresh reports whether a node has sent a heartbeat within the failure timeout.
func (p peers) fresh(a netip.Addr, now time.Time) bool {
	return now.Sub(p[a].at) < silence
}

// lives reports whether a node has sent a heartbeat within the failure timeout, and holds the
// addresses that are assigned to it.
func (p peers) lives(a netip.Addr, now time.Time) bool { return p.fresh(a, now) && p[a].ready }

// all reports whether all others have sent a heartbeat within the failure timeout.
func (p peers) all(others map[netip.Addr]bool, now time.Time) bool {
	for a := range others {
		if !p.fresh(a, now) {
			return false
		}
	}
	return true
}
