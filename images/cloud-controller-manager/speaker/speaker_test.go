package speaker

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneNodeHoldsAllAtOnce(t *testing.T) {
	run(t, 1, func(t *testing.T, w *world) {
		w.claim(3)
		synctest.Wait()
		if got := w.holdersNow(); !slices.Equal(got, []string{"node-0", "node-0", "node-0"}) {
			t.Errorf("the holders are %q", got)
		}
		w.want(w.claims[:1])
		synctest.Wait()
		if nodes := w.holdersOf(netip.MustParseAddr("10.0.0.201")); len(nodes) != 0 {
			t.Error("the address of a Service that is gone is held")
		}
	})
}

func TestEachAddressHasOneHolder(t *testing.T) {
	run(t, 5, func(t *testing.T, w *world) {
		w.claim(40)
		synctest.Wait()
		// All nodes receive heartbeats of each other, and do not need to wait.
		counts := map[string]int{}
		for _, name := range w.holdersNow() {
			counts[name]++
		}
		if len(counts) != 5 || counts[""] != 0 {
			t.Errorf("40 addresses are shared out as %v; want some for each of 5 nodes", counts)
		}
		before := w.holdersNow()
		after(time.Minute)
		if got := w.holdersNow(); !slices.Equal(got, before) {
			t.Errorf("a minute later the holders are %q; were %q", got, before)
		}
		if d := w.heldDoubly(); d > 0 {
			t.Errorf("an address had two holders for %s", d)
		}
	})
}

func TestAddressesOfADeadNodeMove(t *testing.T) {
	run(t, 3, func(t *testing.T, w *world) {
		w.claim(20)
		after(time.Second)
		before := w.holdersNow()
		w.nodes["node-1"].kill()
		after(3 * time.Second)
		for i, name := range w.holdersNow() {
			if name == "" || name == "node-1" {
				t.Errorf("three seconds later %s is held by %q", w.claims[i].Address, name)
			}
			if before[i] != "node-1" && name != before[i] {
				t.Errorf("%s went from %s to %s, though neither died", w.claims[i].Address, before[i], name)
			}
		}
		w.nodes["node-1"].sever(false)
		w.nodes["node-1"].start()
		after(grace)
		if got := w.holdersNow(); !slices.Equal(got, before) {
			t.Errorf("when it is back the holders are %q; want %q", got, before)
		}
		if d := w.heldDoubly(); d > 10*time.Millisecond {
			t.Errorf("an address had two holders for %s", d)
		}
	})
}

func TestAddressesOfANodeThatIsToldToEndMoveAtOnce(t *testing.T) {
	run(t, 3, func(t *testing.T, w *world) {
		w.claim(20)
		after(time.Second)
		n := w.nodes["node-1"]
		n.stop()
		<-n.done
		synctest.Wait()
		if got := w.holdersNow(); slices.Contains(got, "node-1") || slices.Contains(got, "") {
			t.Errorf("the holders are %q", got)
		}
	})
}

// TestANodeThatWasFrozenBeginsAnew checks that such a node does not count all others as dead.
func TestANodeThatWasFrozenBeginsAnew(t *testing.T) {
	run(t, 3, func(t *testing.T, w *world) {
		w.claim(20)
		after(time.Second)
		before := w.holdersNow()
		n := w.nodes["node-1"]
		n.freeze()
		after(time.Minute)
		for i, c := range w.claims {
			others := 0
			for _, name := range w.holdersOf(c.Address) {
				if name != "node-1" {
					others++
				}
			}
			if others != 1 {
				t.Errorf("while %s is frozen %s has %d other holders", before[i], c.Address, others)
			}
		}
		w.forgetDoubly()
		n.thaw()
		after(grace)
		if got := w.holdersNow(); !slices.Equal(got, before) {
			t.Errorf("the holders are %q; want %q", got, before)
		}
		if d := w.heldDoubly(); d > 0 {
			t.Errorf("an address had two holders for %s", d)
		}
	})
}

// TestACutNetworkHeals checks that both sides hold an address while the network is cut, and that this
// ends with the first heartbeat after the cut.
func TestACutNetworkHeals(t *testing.T) {
	run(t, 3, func(t *testing.T, w *world) {
		w.claim(20)
		after(time.Second)
		before := w.holdersNow()
		w.nodes["node-1"].sever(true)
		after(10 * time.Second)
		two := 0
		for _, c := range w.claims {
			if len(w.holdersOf(c.Address)) == 2 {
				two++
			}
		}
		if two == 0 {
			t.Error("nobody took over from the node that was cut off")
		}
		w.nodes["node-1"].sever(false)
		after(beat)
		if got := w.holdersNow(); !slices.Equal(got, before) {
			t.Errorf("half a second after the network is whole the holders are %q; want %q", got, before)
		}
	})
}

func TestOnlyAllowedNodesHold(t *testing.T) {
	run(t, 3, func(t *testing.T, w *world) {
		a, b, c := netip.MustParseAddr("10.0.0.200"), netip.MustParseAddr("10.0.0.201"), netip.MustParseAddr("10.0.0.202")
		w.mu.Lock()
		w.members[0].Excluded, w.members[1].Excluded = true, true
		w.mu.Unlock()
		w.want([]Claim{{Address: a, On: map[string]bool{"node-2": true}}, {Address: b, On: map[string]bool{}}, {Address: c}})
		after(time.Second)
		if got := w.holdersNow(); !slices.Equal(got, []string{"node-2", "", "node-2"}) {
			t.Errorf("the holders are %q", got)
		}
		w.mu.Lock()
		w.members[1].Excluded = false
		w.mu.Unlock()
		w.want([]Claim{{Address: a, On: map[string]bool{"node-1": true}}})
		synctest.Wait()
		if got := w.holder(a); got != "node-1" {
			t.Errorf("when the endpoint has moved, the holder is %q", got)
		}
	})
}

func TestALeftOverAddressIsReleased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		n, a := w.nodes["node-0"], netip.MustParseAddr("10.0.0.200")
		if err := n.Hold(a); err != nil {
			t.Fatal(err)
		}
		n.start()
		synctest.Wait()
		if got := w.holder(a); got != "" {
			t.Errorf("%s holds what no Service has", got)
		}
		n.stop()
		<-n.done
	})
}

// TestAnUnknownSenderCountsForNothing checks that heartbeats from addresses that are not a node's
// have no effect, because pods can send packets, too.
func TestAnUnknownSenderCountsForNothing(t *testing.T) {
	run(t, 2, func(t *testing.T, w *world) {
		w.claim(1)
		after(time.Second)
		n := w.nodes["node-0"]
		n.received <- Heard{From: netip.MustParseAddr("10.244.0.7"), Beat: Beat{Ready: true}}
		synctest.Wait()
		if len(w.holdersNow()) != 1 {
			t.Error("a stranger changed who holds what")
		}
		p := peers{}
		if p.lives(netip.MustParseAddr("10.244.0.7"), time.Now()) {
			t.Error("a node that was not heard of lives")
		}
	})
}

func TestFirst(t *testing.T) {
	t.Parallel()
	a := Claim{Address: netip.MustParseAddr("10.0.0.200")}
	if got := first(nil, a); got != "" {
		t.Errorf("of no node, %q is first", got)
	}
	all := []string{"a", "b", "c", "d"}
	best := first(all, a)
	if got := first([]string{"d", "c", "b", "a"}, a); got != best {
		t.Errorf("in another order %s is first, not %s", got, best)
	}
	for _, other := range all {
		if other == best {
			continue
		}
		rest := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == other })
		if got := first(rest, a); got != best {
			t.Errorf("without %s, %s is first, not %s", other, got, best)
		}
	}
}
