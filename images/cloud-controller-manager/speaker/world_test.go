package speaker

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// world is a network of nodes that run speakers.
type world struct {
	t       *testing.T
	mu      sync.Mutex
	members []Member
	claims  []Claim
	nodes   map[string]*fakeNode
	holders map[netip.Addr]map[string]bool
	// doubly is the longest time for which an address had several holders.
	doubly time.Duration
	since  map[netip.Addr]time.Time
}

// fakeNode is the view, the air and the link of a speaker.
type fakeNode struct {
	*world
	name     string
	address  netip.Addr
	changed  chan struct{}
	received chan Heard
	cut      bool // from the network
	frozen   chan struct{}
	stop     context.CancelFunc
	done     chan struct{}
}

func newWorld(t *testing.T, nodes int) *world {
	w := &world{t: t, nodes: map[string]*fakeNode{}, holders: map[netip.Addr]map[string]bool{}, since: map[netip.Addr]time.Time{}}
	for i := range nodes {
		w.join(fmt.Sprintf("node-%d", i))
	}
	return w
}

// join adds a node that does not run yet.
func (w *world) join(name string) *fakeNode {
	a := netip.AddrFrom4([4]byte{10, 0, 0, byte(2 + len(w.nodes))})
	w.nodes[name] = &fakeNode{world: w, name: name, address: a}
	w.members = append(w.members, Member{Name: name, Address: a})
	w.notify()
	return w.nodes[name]
}

func (w *world) notify() {
	for _, n := range w.nodes {
		select {
		case n.changed <- struct{}{}:
		default:
		}
	}
}

// start runs a node's speaker.
func (n *fakeNode) start() {
	ctx, cancel := context.WithCancel(n.t.Context())
	n.changed, n.received = make(chan struct{}, 1), make(chan Heard, 64)
	n.stop, n.done = cancel, make(chan struct{})
	go func() {
		defer close(n.done)
		if err := New(n.name, n, n, n).Run(ctx); err != nil {
			n.t.Error(err)
		}
	}()
}

// sever disconnects a node from the network, or connects it again.
func (n *fakeNode) sever(cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = cut
}

// kill ends a node as docker kill does: it sends no last heartbeat, and its addresses are gone.
func (n *fakeNode) kill() {
	n.sever(true)
	n.stop()
	<-n.done
}

// freeze stops a node as docker pause does, until thaw.
func (n *fakeNode) freeze() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.frozen = make(chan struct{})
}

func (n *fakeNode) thaw() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.frozen)
	n.frozen = nil
}

func (n *fakeNode) Members() []Member {
	n.mu.Lock()
	frozen := n.frozen
	n.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.members)
}

func (n *fakeNode) Claims() []Claim {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.claims)
}

func (n *fakeNode) Changed() <-chan struct{} { return n.changed }
func (n *fakeNode) Received() <-chan Heard   { return n.received }

func (n *fakeNode) Send(to netip.Addr, b Beat) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, other := range n.nodes {
		if other.address == to && !n.cut && !other.cut && other.received != nil {
			select {
			case other.received <- Heard{From: n.address, Beat: b}:
			default:
			}
		}
	}
}

func (n *fakeNode) Hold(a netip.Addr) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.holders[a] == nil {
		n.holders[a] = map[string]bool{}
	}
	n.holders[a][n.name] = true
	n.weigh(a)
	return nil
}

func (n *fakeNode) Release(a netip.Addr) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.holders[a], n.name)
	n.weigh(a)
	return nil
}

func (w *world) weigh(a netip.Addr) {
	if len(w.holders[a]) > 1 {
		if w.since[a].IsZero() {
			w.since[a] = time.Now()
		}
		return
	}
	if !w.since[a].IsZero() {
		w.doubly = max(w.doubly, time.Since(w.since[a]))
	}
	w.since[a] = time.Time{}
}

func (n *fakeNode) Announce(a netip.Addr) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.holders[a][n.name] {
		n.t.Errorf("%s announces %s, which it does not hold", n.name, a)
	}
	return nil
}

func (n *fakeNode) Held() ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var held []netip.Addr
	for a, nodes := range n.holders {
		if nodes[n.name] {
			held = append(held, a)
		}
	}
	return held, nil
}

// claim sets the claims to a number of addresses.
func (w *world) claim(number int) {
	var claims []Claim
	for i := range number {
		claims = append(claims, Claim{Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(200 + i)})})
	}
	w.want(claims)
}

func (w *world) want(claims []Claim) {
	w.mu.Lock()
	w.claims = claims
	w.mu.Unlock()
	w.notify()
}

// holdersOf returns the nodes that hold an address.
func (w *world) holdersOf(a netip.Addr) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.holders[a]))
}

// heldDoubly returns the longest time for which an address had several holders, since the start or
// the last call of forgetDoubly.
func (w *world) heldDoubly() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.doubly
}

func (w *world) forgetDoubly() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubly, w.since = 0, map[netip.Addr]time.Time{}
}

// holder returns the only node that holds an address, or "" if no node does.
func (w *world) holder(a netip.Addr) string {
	w.t.Helper()
	switch nodes := w.holdersOf(a); len(nodes) {
	case 0:
		return ""
	case 1:
		return nodes[0]
	default:
		w.t.Fatalf("%s is held by %q", a, nodes)
		return ""
	}
}

func (w *world) holdersNow() []string {
	w.t.Helper()
	var list []string
	for _, c := range w.claims {
		list = append(list, w.holder(c.Address))
	}
	return list
}

// after waits for a duration, and then until all goroutines are blocked.
func after(d time.Duration) {
	time.Sleep(d) // the fake clock of synctest
	synctest.Wait()
}

// run runs a test in a world where all nodes run.
func run(t *testing.T, nodes int, f func(t *testing.T, w *world)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nodes)
		for _, n := range w.nodes {
			n.start()
		}
		synctest.Wait()
		f(t, w)
		for _, n := range w.nodes {
			n.stop()
			<-n.done
		}
		for a, nodes := range w.holders {
			if len(nodes) > 0 {
				t.Errorf("when all have ended, %s is held by %v", a, nodes)
			}
		}
	})
}
