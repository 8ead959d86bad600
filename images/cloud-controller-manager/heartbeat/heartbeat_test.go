package heartbeat

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/mkube/mkube/images/cloud-controller-manager/speaker"
)

// pair returns two nodes on this machine's loopback interface. Each sends to the port of the other.
func pair(t *testing.T, loopback string) (a, b *UDP) {
	t.Helper()
	address := netip.MustParseAddr(loopback)
	first, err := listen(t.Context(), netip.AddrPortFrom(address, 0), 0)
	if err != nil {
		t.Fatal(err)
	}
	port := func(u *UDP) uint16 { return u.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port() }
	second, err := listen(t.Context(), netip.AddrPortFrom(address, 0), port(first))
	if err != nil {
		t.Fatal(err)
	}
	first.port = port(second)
	return first, second
}

func receive(t *testing.T, u *UDP) speaker.Heard {
	t.Helper()
	select {
	case h := <-u.Received():
		return h
	case <-time.After(10 * time.Second):
		t.Fatal("no heartbeat arrives")
		return speaker.Heard{}
	}
}

func TestHeartbeats(t *testing.T) {
	t.Parallel()
	for _, loopback := range []string{"127.0.0.1", "::1"} {
		a, b := pair(t, loopback)
		address := netip.MustParseAddr(loopback)
		for _, ready := range []bool{true, false} {
			a.Send(address, speaker.Beat{Ready: ready})
			if got, want := receive(t, b), (speaker.Heard{From: address, Beat: speaker.Beat{Ready: ready}}); got != want {
				t.Errorf("received %+v; want %+v", got, want)
			}
			b.Send(address, speaker.Beat{Ready: !ready})
			if got := receive(t, a); got.Beat.Ready == ready {
				t.Errorf("the answer is %+v", got)
			}
		}
	}
}

func TestOtherPacketsAreDropped(t *testing.T) {
	t.Parallel()
	a, b := pair(t, "127.0.0.1")
	to := b.conn.LocalAddr()
	for _, packet := range []string{"", "hello", "mkube speaker 1 ", "mkube speaker 1 11", "mkube speaker 2 1", string(make([]byte, 1000))} {
		if _, err := a.conn.WriteTo([]byte(packet), to); err != nil {
			t.Fatal(err)
		}
	}
	a.Send(netip.MustParseAddr("127.0.0.1"), speaker.Beat{Ready: true})
	if got := receive(t, b); !got.Beat.Ready {
		t.Errorf("what is no heartbeat was received as %+v", got)
	}
}

func TestListenNeedsTheAddress(t *testing.T) {
	t.Parallel()
	if _, err := Listen(t.Context(), netip.MustParseAddr("192.0.2.1")); err == nil {
		t.Error("it listens at an address that is not this machine's")
	}
}
