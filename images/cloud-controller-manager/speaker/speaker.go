// Package speaker decides, on each node, which addresses of Services the node holds. All
// nodes decide by the same rule from what they know, so no one has to be asked: an
// address is moved while there is no API server.
//
// Nodes tell each other that they live, by a packet each half second. Of the living,
// each address has its own order (a hash of both names), and the first holds it. When
// a node falls silent the next in order of each of its addresses takes over; no other
// address moves.
package speaker

import (
	"context"
	"net/netip"
	"time"

	"k8s.io/klog/v2"
)

// Member is a node that may hold addresses.
type Member struct {
	Name string
	// Address is where its heartbeats come from and go to.
	Address netip.Addr
	// Excluded says that it holds no addresses, though it lives.
	Excluded bool
}

// Claim is an address that a node is to hold.
type Claim struct {
	Address netip.Addr
	// On are the nodes that may. Nil means all.
	On map[string]bool
}

// View is what the cluster wants. Its methods are called from one goroutine.
type View interface {
	Members() []Member
	Claims() []Claim
	// Changed yields after members or claims have changed.
	Changed() <-chan struct{}
}

// Air carries heartbeats between nodes.
type Air interface {
	// Send sends one. What does not arrive is not told.
	Send(to netip.Addr, b Beat)
	Received() <-chan Heard
}

// Beat is what a heartbeat says.
type Beat struct {
	// Ready says that the node knows the others, and holds what is its.
	Ready bool
}

// Heard is a heartbeat that arrived.
type Heard struct {
	From netip.Addr
	Beat Beat
}

// Link is the node's interface.
type Link interface {
	// Hold adds an address, or prolongs it; it must be called again within seconds.
	Hold(netip.Addr) error
	Release(netip.Addr) error
	Announce(netip.Addr) error
	Held() ([]netip.Addr, error)
}

const (
	// beat is the time between two heartbeats.
	beat = 500 * time.Millisecond
	// silence is how long a node is not heard of until it counts as dead: long enough
	// for a busy machine, short enough that an address moves within three seconds.
	silence = 5 * beat
	// grace is how long a node that begins listens for others before it holds what
	// would be its if they were not there.
	grace = 3 * beat
)

// Speaker is one node's. Make it by New.
type Speaker struct {
	self  string
	view  View
	air   Air
	link  Link
	peers peers
	held  map[netip.Addr]bool
	// busy says that there are addresses to hold, here or elsewhere.
	busy bool
	// others are the addresses of all other nodes.
	others map[netip.Addr]bool
	// since is when it began to listen, zero while there is nobody to listen to or
	// nothing to hold.
	since time.Time
	ready bool
	// now is when it last woke: what it does until it sleeps it does at that time,
	// also if the whole program is stopped in the midst of it.
	now time.Time
}

// New is the speaker of the node called self.
func New(self string, view View, air Air, link Link) *Speaker {
	return &Speaker{self: self, view: view, air: air, link: link, peers: peers{}, held: map[netip.Addr]bool{}}
}

// Run decides until the context ends; then it tells the others and lets go of all
// addresses. It fails when it cannot find out what the node holds.
func (s *Speaker) Run(ctx context.Context) error {
	left, err := s.link.Held() // by a former life
	if err != nil {
		return err
	}
	for _, a := range left {
		s.held[a] = true
	}
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for news := true; ; {
		if s.wake(time.Now()) || news {
			s.decide()
		}
		var tick <-chan time.Time // an idle speaker is woken by nothing
		if s.busy {
			tick = ticker.C
		}
		select {
		case <-ctx.Done():
			s.leave()
			return nil
		case <-s.view.Changed():
			news = true
		case heard := <-s.air.Received():
			news = s.hear(heard)
		case <-tick:
			news = true
			s.tell()
			s.keep()
		}
	}
}

// decide takes and releases addresses.
func (s *Speaker) decide() {
	members, claims := s.view.Members(), s.view.Claims()
	s.busy = len(claims) > 0
	s.listen(members)
	var mine map[netip.Addr]bool
	if s.ready {
		mine = s.mine(members, claims)
	}
	for a := range s.held {
		if !mine[a] {
			s.release(a)
		}
	}
	for a := range mine {
		if !s.held[a] {
			s.take(a)
		}
	}
}

// listen begins to listen to the others when there is something to hold, and ends
// that. The node is ready when it has heard of all others, or waited for long enough.
func (s *Speaker) listen(members []Member) {
	s.others = map[netip.Addr]bool{}
	for _, m := range members {
		if m.Name != s.self {
			s.others[m.Address] = true
		}
	}
	if !s.busy {
		s.forget()
		return
	}
	began := s.since.IsZero()
	if began {
		s.since = s.now
	}
	waited := s.now.Sub(s.since) >= grace
	ready := s.ready || waited || s.peers.all(s.others, s.now)
	news := ready != s.ready
	s.ready = ready
	if began || news {
		s.tell()
	}
}

// forget is what it does before it listens anew.
func (s *Speaker) forget() {
	s.since, s.ready, s.peers = time.Time{}, false, peers{}
}

// wake begins anew, and reports so, when this program did not run for so long that the
// others took it for dead: what it knows of them is as old.
func (s *Speaker) wake(now time.Time) (anew bool) {
	slept := now.Sub(s.now)
	s.now = now
	if !s.busy || slept <= silence {
		return false
	}
	klog.InfoS("Did not run for a while: others hold the addresses by now", "seconds", slept.Seconds())
	s.forget()
	return true
}

// hear notes a heartbeat of another node, and reports whether it is news. Who was not
// heard of before is answered at once.
func (s *Speaker) hear(h Heard) (news bool) {
	if s.since.IsZero() || !s.others[h.From] {
		return false
	}
	stranger, news := s.peers.hear(h, s.now)
	if stranger {
		s.air.Send(h.From, Beat{Ready: s.ready})
	}
	return news
}

// tell tells all others that this node lives.
func (s *Speaker) tell() {
	if s.since.IsZero() {
		return
	}
	for a := range s.others {
		s.air.Send(a, Beat{Ready: s.ready})
	}
}

// keep prolongs what is held. It is announced again, since the network may have
// learned something else from a node that held it by mistake.
func (s *Speaker) keep() {
	for a := range s.held {
		s.take(a)
	}
}

func (s *Speaker) take(a netip.Addr) {
	if err := s.link.Hold(a); err != nil {
		klog.ErrorS(err, "An address is not held") // it is tried again with the next tick
		delete(s.held, a)
		return
	}
	if !s.held[a] {
		klog.InfoS("Holding an address", "address", a)
	}
	s.held[a] = true
	if err := s.link.Announce(a); err != nil {
		klog.ErrorS(err, "Neighbours find the address only when they ask")
	}
}

func (s *Speaker) release(a netip.Addr) {
	if err := s.link.Release(a); err != nil {
		klog.ErrorS(err, "An address is still held") // the kernel lets go of it in seconds
	}
	klog.InfoS("Released an address", "address", a)
	delete(s.held, a)
}

// leave hands everything over to the others.
func (s *Speaker) leave() {
	s.ready = false
	s.tell()
	for a := range s.held {
		s.release(a)
	}
}
