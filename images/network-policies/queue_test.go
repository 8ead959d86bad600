package networkpolicies

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/kube-network-policies/pkg/network"
)

// A clerk records verdicts, with the time after which each was set.
type clerk struct {
	start    time.Time
	verdicts chan verdict
}

type verdict struct {
	id      uint32
	allowed bool
	after   time.Duration
}

func newQueue(decide func(*network.Packet) (bool, bool)) (*queue, clerk) {
	c := clerk{time.Now(), make(chan verdict, 2*maxWaiting)}
	return &queue{
		decide:  func(_ context.Context, p *network.Packet) (bool, bool) { return decide(p) },
		set:     func(id uint32, allowed bool) { c.verdicts <- verdict{id, allowed, time.Since(c.start)} },
		waiting: make(chan struct{}, maxWaiting),
	}, c
}

func TestQueue(t *testing.T) {
	t.Parallel()
	packet, broken := syn("10.244.0.2", "10.244.0.3"), []byte{1, 2, 3}
	for _, test := range []struct {
		name           string
		payload        *[]byte
		allowed, final bool
		// known is after how long the decision is final.
		known time.Duration
		want  verdict
	}{
		{"allowed", &packet, true, true, 0, verdict{7, true, 0}},
		{"not allowed", &packet, false, true, 0, verdict{7, false, 0}},
		{"broken", &broken, true, true, 0, verdict{7, false, 0}},
		{"without data", nil, true, true, 0, verdict{7, false, 0}},
		{"allowed later", &packet, true, true, 110 * time.Millisecond, verdict{7, true, 120 * time.Millisecond}},
		{"not allowed later", &packet, false, true, 110 * time.Millisecond, verdict{7, false, 120 * time.Millisecond}},
		{"never known", &packet, true, false, 0, verdict{7, false, patience}},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			q, c := newQueue(func(p *network.Packet) (bool, bool) {
				if p.DstPort != 80 {
					t.Errorf("%s: asked about port %d", test.name, p.DstPort)
				}
				if time.Since(start) < test.known {
					return false, false
				}
				return test.allowed, test.final
			})
			q.handle(t.Context(), 7, test.payload)
			if got := <-c.verdicts; got != test.want {
				t.Errorf("%s: %v; want %v", test.name, got, test.want)
			}
		})
	}
}

// TestQueueOfManyUnknown checks that packets that wait do not delay other packets, and that there are
// not too many.
func TestQueueOfManyUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, c := newQueue(func(p *network.Packet) (bool, bool) { return true, p.SrcIP.String() == "10.244.0.9" })
		unknown, known := syn("10.244.0.2", "10.244.0.3"), syn("10.244.0.9", "10.244.0.3")
		for id := range uint32(maxWaiting) {
			q.handle(t.Context(), id, &unknown)
		}
		q.handle(t.Context(), 1000, &unknown)
		q.handle(t.Context(), 1001, &known)
		for _, want := range []verdict{{1000, false, 0}, {1001, true, 0}} {
			if got := <-c.verdicts; got != want {
				t.Errorf("%v; want %v", got, want)
			}
		}
		for range maxWaiting {
			if got := <-c.verdicts; got.allowed || got.after != patience {
				t.Errorf("%v; want a drop after %s", got, patience)
			}
		}
		synctest.Wait()
		q.handle(t.Context(), 1002, &unknown)
		if got, want := <-c.verdicts, (verdict{1002, false, 2 * patience}); got != want {
			t.Errorf("%v; want %v: there is room again", got, want)
		}
	})
}
