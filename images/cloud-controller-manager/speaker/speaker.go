// Package speaker assigns the addresses of Services to nodes. On each node, a speaker decides which
// addresses the node holds. To hold an address is to add it to the interface and answer for it. All
// speakers apply the same rule to what they know, without a leader, so failover works without an
// API server.
//
// Nodes send each other a heartbeat every half second. The assignment is rendezvous hashing:
// for each address, the live nodes are ranked by a hash of node name and address, and the
// first one holds the address. When the heartbeats of a node stop, the next node in the
// ranking of each of its addresses takes over. No other address moves.
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
	// Address is the address that sends and receives its heartbeats.
	Address netip.Addr
	// Excluded is set if it must not hold addresses, even while it is alive.
	Excluded bool
}

// Claim is an address that one of the nodes must hold.
type Claim struct {
	Address netip.Addr
	// On contains the nodes that may hold it. If unset, all may.
	On map[string]bool
}

// View is the desired state of the cluster. Its methods are called from one goroutine.
type View interface {
	Members() []Member
	Claims() []Claim
	// Changed returns a channel that receives a value after members or claims have changed.
	Changed() <-chan struct{}
}

// Air is the transport of heartbeats between nodes.
type Air interface {
	// Send sends a heartbeat. It does not report whether the heartbeat arrives.
	Send(to netip.Addr, b Beat)
	Received() <-chan Heard
}

// Beat is the content of a heartbeat.
type Beat struct {
	// Ready is set if the node knows its peers, and holds the addresses that are assigned to it.
	Ready bool
}

// Heard is a received heartbeat.
type Heard struct {
	From netip.Addr
	Beat Beat
}

// Link is the network interface of the node.
type Link interface {
	// Hold adds an address, or extends its lifetime of a few seconds. It must be called again
	// before that ends.
	Hold(netip.Addr) error
	// Release removes an address.
	Release(netip.Addr) error
	// Announce announces to the neighbors on the network that the address is here.
	Announce(netip.Addr) error
	// Held returns the addresses of Services that the interface has.
	Held() ([]netip.Addr, error)
}

const (
	// beat is the time between two heartbeats.
	beat = 500 * time.Millisecond
	// silence is the failure timeout: a node without a heartbeat for this long counts as dead. It
	// is long enough for a busy machine, and short enough that an address moves within three
	// seconds.
	silence = 5 * beat
	// grace is the listen-only period: a node that starts waits this long for heartbeats of its
	// peers before it holds addresses. Otherwise it would take those of peers that it does not
	// know yet.
	grace = 3 * beat
)

// Speaker is the speaker of one node. Use New to create it.
type Speaker struct {
	self  string
	view  View
	air   Air
	link  Link
	peers peers
	held  map[netip.Addr]bool
	// busy is set if there are addresses to hold, on this node or others.
	busy bool
	// others contains the addresses of all other nodes.
	others map[netip.Addr]bool
	// since is the time when it started to listen for peers. It is zero while no address has
	// to be held.
	since time.Time
	// ready is set when every peer has been heard, or the grace period has passed.
	ready bool
	// now is the time of the last wakeup. One iteration of Run uses only this time, even if the
	// process is suspended during the iteration.
	now time.Time
}

// New returns the speaker of the node with the name self.
func New(self string, view View, air Air, link Link) *Speaker {
	return &Speaker{self: self, view: view, air: air, link: link, peers: peers{}, held: map[netip.Addr]bool{}}
}

// Run adds and removes addresses until the context ends. It then notifies its peers and releases
// all addresses. It returns an error only if it cannot read the addresses of the interface.
func (s *Speaker) Run(ctx context.Context) error {
	left, err := s.link.Held() // left by an earlier process on this node
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
		var tick <-chan time.Time // nil: without addresses, no ticks wake the speaker
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

// decide takes and releases addresses until the node holds those that are assigned to it.
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

// listen starts to listen for peers as soon as there is an address to hold, and stops when there
// is none. The node is ready once it has a heartbeat of each peer, or has waited for grace.
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

// forget resets the readiness of this speaker, and what it knows about all peers.
func (s *Speaker) forget() {
	s.since, s.ready, s.peers = time.Time{}, false, peers{}
}

// wake sets s.now to the current time. If the process was suspended for longer than the failure
// timeout, wake also calls forget, and returns true: the peers count this node as dead by now, and
// what it knows about them is out of date.
func (s *Speaker) wake(now time.Time) (reset bool) {
	slept := now.Sub(s.now)
	s.now = now
	if !s.busy || slept <= silence {
		return false
	}
	klog.InfoS("The process was suspended: other nodes hold the addresses by now", "seconds", slept.Seconds())
	s.forget()
	return true
}

// hear records a heartbeat of a peer, and reports whether it can change the assignment. It answers
// a new peer immediately.
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

// tell sends a heartbeat to all peers.
func (s *Speaker) tell() {
	if s.since.IsZero() {
		return
	}
	for a := range s.others {
		s.air.Send(a, Beat{Ready: s.ready})
	}
}

// keep extends the lifetime of all held addresses. It also announces them again: another node
// may have held an address by mistake, and the network may have learned that node's location.
func (s *Speaker) keep() {
	for a := range s.held {
		s.take(a)
	}
}

// take adds an address to the interface, or extends its lifetime, and announces it.
func (s *Speaker) take(a netip.Addr) {
	if err := s.link.Hold(a); err != nil {
		klog.ErrorS(err, "Failed to add an address to the interface", "address", a) // the next tick tries again
		delete(s.held, a)
		return
	}
	if !s.held[a] {
		klog.InfoS("Added an address to the interface", "address", a)
	}
	s.held[a] = true
	if err := s.link.Announce(a); err != nil {
		klog.ErrorS(err, "Failed to announce an address: neighbors find it only when they ask for it", "address", a)
	}
}

// release removes an address from the interface.
func (s *Speaker) release(a netip.Addr) {
	if err := s.link.Release(a); err != nil {
		klog.ErrorS(err, "Failed to remove an address from the interface", "address", a) // the kernel removes it within seconds
	}
	klog.InfoS("Removed an address from the interface", "address", a)
	delete(s.held, a)
}

// leave lets the peers take over: its last heartbeat is not ready, and it releases all addresses.
func (s *Speaker) leave() {
	s.ready = false
	s.tell()
	for a := range s.held {
		s.release(a)
	}
}
